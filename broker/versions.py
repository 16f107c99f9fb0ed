"""A version of the arrangement as the broker uses it: verified, with its rules loaded and ready.

Built from the signed bytes alone, so that any two brokers, and any auditor, come to the same engine.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from broker.decide import Decider
from broker.labelling import LabelReader
from broker.policy import Engine, PolicyError, load_policy
from schemas.arrangement import Arrangement, ArrangementError
from schemas.history import History
from schemas.ids import Digest, RuleId
from schemas.seal import SealVerifier

#: How many versions a record may have been sealed under: the active one and the three before it.
RECENT = 4


@dataclass(frozen=True, slots=True)
class Version:
    """A verified arrangement with its rule engine, and with what admits and decides where it is active."""

    arrangement: Arrangement
    engine: Engine
    reasons: Mapping[RuleId, str]
    legal_bases: Mapping[RuleId, str]
    windows: SealVerifier
    labels: LabelReader
    decider: Decider


Versions = Mapping[Digest, Version]


def make_version(arrangement: Arrangement) -> Version:
    """Load the rules of a verified version. Raises: `broker.policy.PolicyError`."""
    body = arrangement.body
    policy = load_policy(body.policies, body.schema_text, body.directory)
    engine = Engine(arrangement.domains, policy, body.directory, arrangement.digest)
    reasons = {rule.id: rule.reason for rule in policy.rules.values()}
    legal_bases = {rule.id: rule.legal_basis for rule in policy.rules.values()}
    return Version(
        arrangement,
        engine,
        reasons,
        legal_bases,
        arrangement.window_verifier(),
        LabelReader(arrangement),
        Decider(engine, reasons),
    )


class ReadyHistory(History):
    """What was signed, each version with its rules loaded: one whose rules cannot be used is not believed to hold."""

    def __init__(self, genesis: Digest) -> None:
        super().__init__(genesis, self._prepare)
        self.ready: dict[Digest, Version] = {}

    def _prepare(self, arrangement: Arrangement) -> None:
        try:
            self.ready[arrangement.digest] = make_version(arrangement)
        except PolicyError as error:
            raise ArrangementError(f"version {arrangement.body.number}: {error}") from error
