"""The chain of signed versions, from a genesis digest that the reader has from elsewhere: the one root of trust."""

from collections.abc import Sequence

from deploy.verify.report import By, Report, Unusable
from schemas.arrangement import Arrangement, ArrangementError
from schemas.canonical import Domains
from schemas.checkpoint import CheckpointVerifier
from schemas.history import History, is_clock
from schemas.ids import Digest
from schemas.seal import SealVerifier


class Trusted:
    """What the verified versions say: who is a member, which keys are whose, and when they were good."""

    def __init__(self, versions: Sequence[Arrangement]) -> None:
        first = versions[0]
        self.genesis = first
        self.versions = {version.digest: version for version in versions}
        self.domains: Domains = first.domains
        self.windows: SealVerifier = first.window_verifier()
        self.heads: SealVerifier = first.heads_verifier()
        for version in versions[1:]:
            self.windows.learn(version.window_signers)
            self.heads.learn(version.heads_signers)
        self.checkpoints = CheckpointVerifier.of(*versions)
        self.members = frozenset(first.directory.agency_ids)


def verify_directory(versions: Sequence[bytes], genesis: Digest, report: Report) -> Trusted | None:
    """Every version by its predecessor's members. None: something does not hold, and nothing more can be believed."""
    if not versions:
        raise Unusable("no version of the arrangement is given")
    history = History(genesis)
    for place, data in enumerate(versions):
        if place == 0:
            what = "version 0 has the pinned digest, and enough of its own members signed it"
        elif is_clock(data):
            what = f"message {place}, a clock change, follows and is signed by enough members"
        else:
            what = f"message {place}, a version, follows and is signed by enough of its predecessor's members"
        try:
            history.read(data)
        except ArrangementError as error:
            report.failed(what, By.ARRANGEMENT, str(error))
            return None
        report.check(True, what, By.ARRANGEMENT, "")
    return Trusted([standing.arrangement for standing in history.standings])
