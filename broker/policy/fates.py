"""The fate of each pair of a recorded record, as one side of a comparison has it: released or why not, by which rules.

A side is one of:

- `AsRecorded`: what the ledger says was decided. The pairs are the agencies that were active then.
- `Under` an engine: what its rules and its directory make of the same labels at the same admission time. The record
  stays *as it was sealed*: who no key was wrapped for cannot get a portion under any rules. Who would get it otherwise
  (addressed by this directory, permitted, not barred) has the fate `no_wrap`.
- `Under` an engine, sealed *anew*: as if the originator had sealed for whom this directory makes of the label. This is
  what an arrangement means for records to come, so it is the ground for comparing two of them.

An engine's arrangement may refuse a record at admission (an id that its directory lacks, a suspended originator): then
every pair has that reason. Seals, sequences and revisions play no part: what was admitted bore good ones.
"""

from collections.abc import Hashable, Mapping
from enum import StrEnum
from typing import NamedTuple, Protocol

from broker.policy.deciding import Labelled, Ruled, others, rule_on
from broker.policy.entities import DAY_MS
from broker.policy.foreseeing import Portion, foreseen_by, refusal
from broker.policy.recorded import Recorded, outcomes
from broker.policy.ruling import Engine
from schemas.audience import addressed, audience
from schemas.codes import Kind
from schemas.ids import AgencyId, RuleId
from schemas.records import KINDS, bears_persons
from schemas.verdicts import Refused, Verdict, Withheld

_ALWAYS = (0, 2**63)


class Apart(StrEnum):
    """Why a pair has nothing, where neither gate, rules nor admission say so."""

    NOT_ACTIVE = "not_active"
    """No pair at all: the agency is suspended, or not in the directory."""
    NO_WRAP = "no_wrap"
    """It would be released, had the originator sealed for this agency."""


class Fate(NamedTuple):
    """One pair's outcome. `why`: None if it is released. `rules`: those that decide it, as `foreseen_by` tells them."""

    why: Withheld | Refused | Apart | None
    rules: tuple[RuleId, ...] = ()

    @property
    def released(self) -> bool:
        return self.why is None


Fates = Mapping[AgencyId, Fate]
"""Of one portion, by recipient; who is not in it is no pair."""


class Decided(NamedTuple):
    """One side's fates, a mapping for each portion in the order of the leaf.

    They hold as well for any record that this side's `key` and the leaf's kind, names, labels and audiences do not
    tell from this one and that was admitted within [`since_ms`, `until_ms`).
    """

    fates: tuple[Fates, ...]
    refused: Refused | None = None
    """Why the whole record is refused."""
    since_ms: int = _ALWAYS[0]
    until_ms: int = _ALWAYS[1]


class Side(Protocol):
    """Whoever has a fate for each pair of a record."""

    def key(self, record: Recorded) -> Hashable:
        """What the fates rest on beside originator, kind, names, labels, audiences and `Decided`'s span."""
        ...

    def decide(self, record: Recorded) -> Decided:
        """Raises: `HistoryError` for a record that is none."""
        ...


class AsRecorded:
    """What the ledger says."""

    def key(self, record: Recorded) -> Hashable:
        leaf = record.leaf
        return (leaf.active, tuple([(p.departed, p.ruling) for p in leaf.portions]))

    def decide(self, record: Recorded) -> Decided:
        fates = []
        for portion in record.leaf.portions:
            ruling = record.ruling(portion)
            try:
                found = outcomes(record.leaf, portion, ruling)
            except KeyError as error:
                raise record.error(
                    f"the ruling on portion '{portion.name}' has no verdict for {error.args[0]!r}"
                ) from error
            fates.append({one.recipient: Fate(one.withheld, one.rules) for one in found})
        return Decided(tuple(fates))


class Under:
    """What an engine makes of the labels. `anew`: sealed again under its directory."""

    def __init__(self, engine: Engine, *, anew: bool = False) -> None:
        self.engine = engine
        self._anew = anew

    def key(self, record: Recorded) -> Hashable:
        return self.engine.directory.epoch_of(record.leaf.at_ms)

    def decide(self, record: Recorded) -> Decided:
        leaf, portions = record.leaf, record.portions
        active = others(self.engine.directory, record.lane, leaf.at_ms)
        since_ms, until_ms = _unexpired(portions, leaf.at_ms)
        refused = self._refusal(record)
        if refused is not None:
            nobody = dict.fromkeys(active, Fate(refused))
            return Decided((nobody,) * len(portions), refused, since_ms, until_ms)
        labelled = self._labelled(record)
        ruled = rule_on(leaf.kind, labelled, active, self.engine, record.lane, leaf.at_ms)
        fates = tuple(
            self._fates(record, portion, one, active) for portion, one in zip(labelled, ruled, strict=True)
        )
        since_ms = max([since_ms, *[one.since_ms for one in ruled]])
        until_ms = min([until_ms, *[one.until_ms for one in ruled]])
        return Decided(fates, None, since_ms, until_ms)

    def _refusal(self, record: Recorded) -> Refused | None:
        leaf = record.leaf
        if record.lane not in self.engine.directory.agency_ids:
            return Refused.UNKNOWN_SIGNER  # as admission has it: nobody of that name can seal
        if leaf.kind not in KINDS:
            return Refused.UNKNOWN_KIND
        return refusal(self.engine, record.lane, Kind(leaf.kind), record.portions, leaf.at_ms)

    def _labelled(self, record: Recorded) -> list[Labelled]:
        leaf, found = record.leaf, []
        for portion, written in zip(record.portions, leaf.portions, strict=True):
            bears = bears_persons(leaf.kind, portion.name)
            sealed_for = (
                audience(portion.label, bears, record.lane, self.engine.directory, leaf.at_ms)
                if self._anew
                else frozenset(map(AgencyId, written.audience))
            )
            found.append(Labelled(portion.name, portion.label, bears, sealed_for))
        return found

    def _fates(
        self, record: Recorded, portion: Labelled, ruled: Ruled, active: tuple[AgencyId, ...]
    ) -> dict[AgencyId, Fate]:
        ruling = ruled.ruling
        named = addressed(portion.label, record.lane, self.engine.directory, record.leaf.at_ms)
        fates = {a: _fate(ruling.verdict(a), a in portion.audience and a in named) for a in active}
        for agency in (named - portion.audience) & ruling.permitted & fates.keys():
            fates[agency] = Fate(Apart.NO_WRAP, ruling.verdict(agency).rules)
        return fates


def _fate(verdict: Verdict, is_addressed: bool) -> Fate:
    foreseen = foreseen_by(verdict, is_addressed)
    return Fate(foreseen.withheld, foreseen.rules)


def _unexpired(portions: tuple[Portion, ...], at_ms: int) -> tuple[int, int]:
    """The span around the instant in which no portion's day of retention passes."""
    since_ms, until_ms = _ALWAYS
    for portion in portions:
        turn = (portion.label.handling.retain_until + 1) * DAY_MS
        if turn <= at_ms:
            since_ms = max(since_ms, turn)
        else:
            until_ms = min(until_ms, turn)
    return since_ms, until_ms
