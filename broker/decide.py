"""What becomes of a record: each portion with its ruling, and what is due to whom.

- How it is decided stands in `broker.policy.deciding`; content plays no part: it is ciphertext here.
- Records that are labelled alike are decided alike while the directory and the truth of every comparison with the
  instant stay as they are. So a decision is remembered by its labelling, and forgetting one changes nothing.
"""

from collections.abc import Mapping

import msgspec

from broker.labelling import Labelling, remembered
from broker.policy import Engine
from broker.policy.deciding import Ruled, others, rule_on
from broker.policy.memory import Recent
from schemas.audience import by_recipient, places_of
from schemas.certificate import DecidedBy
from schemas.certifying import Told
from schemas.ids import AgencyId, RuleId


class Due(msgspec.Struct, frozen=True, gc=False):
    """What one recipient is to get of a record: portions by their place, and the rules that permit it."""

    recipient: AgencyId
    portions: tuple[int, ...]
    rules: tuple[DecidedBy, ...]


class Decision(msgspec.Struct, frozen=True, gc=False):
    """What becomes of a record that is labelled so. `active`: the other agencies, each of them a pair."""

    ruled: tuple[Ruled, ...]
    due: tuple[Due, ...]
    """By recipient, in order; who gets nothing is not among them."""
    active: tuple[AgencyId, ...]


class Decider:
    """Decides where one version is active. Not for use by several threads at once."""

    def __init__(self, engine: Engine, reasons: Mapping[RuleId, str]) -> None:
        self._engine = engine
        self._reasons = reasons
        self._known: Recent[tuple[Labelling, AgencyId, int], tuple[int, int, Decision]] = Recent(
            remembered(len(engine.directory.agency_ids))
        )

    def decide(self, labelling: Labelling, lane: AgencyId, at_ms: int) -> Decision:
        """Decide on every portion and every active agency but the originator. `at_ms`: admission."""
        key = (labelling, lane, self._engine.directory.epoch_of(at_ms))
        found = self._known.get(key)
        if found is not None and found[0] <= at_ms < found[1]:
            return found[2]
        active = others(self._engine.directory, lane, at_ms)
        ruled = rule_on(labelling.kind, labelling.portions, active, self._engine, lane, at_ms)
        decision = Decision(tuple(ruled), tuple(self._due(ruled)), active)
        since_ms = max([one.since_ms for one in ruled], default=at_ms)
        until_ms = min([one.until_ms for one in ruled], default=at_ms)
        if labelling.shared:
            self._known.put(key, (since_ms, until_ms, decision))
        return decision

    def _due(self, ruled: list[Ruled]) -> list[Due]:
        told, due = Told(self._reasons), []
        for recipient, bits in by_recipient(tuple([frozenset(one.released_to) for one in ruled])):
            places = places_of(bits)
            due.append(Due(recipient, places, told.of(recipient, [ruled[i].ruling for i in places])))
        return due
