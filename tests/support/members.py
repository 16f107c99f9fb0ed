"""All keys of a federation in one hand, as no real principal ever has them: for forging and for vectors."""

from dataclasses import dataclass
from functools import cache

from agencies.judging import Judge
from agencies.keystore import IDENTITY, OpeningKey
from agencies.opening import Opener
from agencies.sealing import Sealer
from broker.index import MemoryIndex
from broker.lane import EMPTY_LANE, Folded, Lane, activate, fold
from broker.step import build_step
from broker.versions import Version, make_version
from schemas.arrangement import Arrangement
from schemas.canonical import Domains
from schemas.clock import IDENTITY_CLOCK
from schemas.entropy import Entropy, SeededEntropy
from schemas.ids import AgencyId, Digest
from schemas.keys import SigningPair
from tests.support import federation


@dataclass(frozen=True)
class Members:
    """A verified arrangement, its version for the broker, and every private key."""

    arrangement: Arrangement
    version: Version
    identities: dict[AgencyId, SigningPair]
    signing: dict[AgencyId, SigningPair]
    opening: dict[AgencyId, OpeningKey]
    broker: SigningPair

    @property
    def domains(self) -> Domains:
        return self.arrangement.domains

    @property
    def versions(self) -> dict[Digest, Version]:
        return {self.arrangement.digest: self.version}

    def sealer(self, agency: AgencyId, entropy: Entropy | None = None) -> Sealer:
        return Sealer(agency, self.arrangement, self.signing[agency], entropy or SeededEntropy(b"seal"))

    def judge(self, agency: AgencyId) -> Judge:
        """A recipient's judge at the beginning of its chains."""
        opener = Opener(agency, self.domains, self.opening[agency])
        return Judge(agency, self.arrangement, opener, {})

    def deliver(self, *folds: tuple[Lane, Folded]) -> dict[AgencyId, list[bytes]]:
        """The deliver parcels of one step of these folds, by recipient."""
        parts = [(folded, {**lane.capsules, **folded.capsules}) for lane, folded in folds]
        outputs = build_step(parts, self.arrangement, self.broker, SeededEntropy(b"heads"))
        parcels: dict[AgencyId, list[bytes]] = {}
        for recipient, data in outputs.deliver:
            parcels.setdefault(recipient, []).append(data)
        return parcels

    def delivered(self, originator: AgencyId, *values: bytes) -> dict[AgencyId, list[bytes]]:
        """The deliver parcels that these submissions, folded in one go, come to."""
        lane = self.lane(originator)
        messages = [federation.message(value, i) for i, value in enumerate(values)]
        return self.deliver((lane, fold(lane, messages, self.versions)))

    def lane(self, agency: AgencyId) -> Lane:
        """A lane after the activation of the genesis."""
        lane = Lane(agency, EMPTY_LANE, {}, {}, MemoryIndex())
        federation.commit(lane, activate(lane, self.arrangement.digest, 0, IDENTITY_CLOCK, self.domains))
        return lane


def make_members(
    arrangement: Arrangement,
    identities: dict[AgencyId, SigningPair],
    signing: dict[AgencyId, SigningPair],
    opening: dict[AgencyId, OpeningKey],
    broker: SigningPair,
) -> Members:
    return Members(arrangement, make_version(arrangement), identities, signing, opening, broker)


@cache
def members() -> Members:
    """The members of the one ceremony that all tests of a process share."""
    ceremony = federation.ceremony()
    agencies = ceremony.arrangement.directory.agency_ids
    identities = {
        a: SigningPair.from_seeds((ceremony.agency(a) / "offline" / IDENTITY).read_bytes()) for a in agencies
    }
    return Members(
        ceremony.arrangement,
        federation.version(),
        identities,
        {a: federation.keystore(a).signing for a in agencies},
        {a: federation.keystore(a).opening for a in agencies},
        federation.broker_pair(),
    )
