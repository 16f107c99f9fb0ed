"""History under a draft: which pairs of recorded records have another fate on one side than on the other, and how many.

- `against_recorded` holds what was decided against what a draft makes of the same sealed records: who loses what they
  got, who gains what was withheld, and who would be addressed but had no key wrapped for them.
- `between` holds two arrangements against each other over the recorded labels, each as if it had been sealed under it.
- A decision is one pair: a portion for one recipient. Agencies that are active on one side only are no pair on the
  other; they are told where something is released to them or would be, and not for a reason alone.
- Records with equal labels, audiences, rulings and epoch have equal fates between two turns of the clock, so they are
  compared once and counted. Remembering changes no result.

What admission refused is no history of decisions and is not replayed.
"""

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple

from msgspec.structs import replace

from broker.policy.fates import Apart, AsRecorded, Decided, Fate, Side, Under
from broker.policy.recorded import Recorded
from broker.policy.ruling import Engine
from schemas.ids import AgencyId
from schemas.labels import Label

_REMEMBERED: Final = 16_384
"""Comparisons remembered: some 60 MB where records have three portions for fifteen agencies."""

_ABSENT: Final = Fate(Apart.NOT_ACTIVE)


class Change(StrEnum):
    """What becomes of a pair."""

    GAINED = "gained"
    LOST = "lost"
    NO_WRAP = "no_wrap"
    """Would be released on one side, had it been sealed for the recipient."""
    REASON = "reason"
    """Released on both sides or on neither, by other rules or for another reason."""


class Flow(NamedTuple):
    """Pairs that changed in the same way."""

    originator: AgencyId
    kind: str
    portion: str
    recipient: AgencyId
    before: Fate
    after: Fate

    @property
    def change(self) -> Change:
        if self.before.released != self.after.released:
            return Change.LOST if self.before.released else Change.GAINED
        return Change.NO_WRAP if Apart.NO_WRAP in (self.before.why, self.after.why) else Change.REASON


@dataclass(slots=True)
class Counted:
    """How often a flow changed, the first record in which it did, and its labels, each with how often.

    The labels' `retain_until` is 0: what a date of retention decides shows in the flow itself.
    """

    example: Recorded
    count: int = 0
    labels: dict[Label, int] = field(default_factory=dict)


@dataclass(slots=True)
class Changes:
    """What two sides make of a history. Pairs are counted on the side that has them; `flows` in order of appearance."""

    records: int = 0
    pairs_before: int = 0
    pairs_after: int = 0
    released_before: int = 0
    released_after: int = 0
    refused_before: int = 0
    """Records that the side would not admit; the ledger admitted them all."""
    refused_after: int = 0
    flows: dict[Flow, Counted] = field(default_factory=dict)

    def count(self, change: Change) -> int:
        """How many pairs changed in that way."""
        return sum(c.count for flow, c in self.flows.items() if flow.change is change)


class _Differs(NamedTuple):
    flow: Flow
    label: Label


@dataclass(slots=True)
class _Tally:
    """One comparison and how many records it holds for."""

    example: Recorded
    before: Decided
    after: Decided
    differs: tuple[_Differs, ...]
    since_ms: int
    until_ms: int
    pairs: int
    records: int = 0


class Replay:
    """Two sides, compared record by record. Records of one originator in the order of their ledger; lanes may mix."""

    def __init__(self, before: Side, after: Side, remembered: int = _REMEMBERED) -> None:
        """`remembered`: how many comparisons are kept; 0 makes each anew."""
        self._before = before
        self._after = after
        self._most = remembered
        self._known: dict[Hashable, _Tally] = {}
        self._open: list[_Tally] = []
        self._changes = Changes()
        self.compared = 0
        """Records whose fates were worked out, and not remembered."""
        self.decisions = 0
        """Pairs so far, as the side before has them."""

    def take(self, record: Recorded) -> None:
        """Compare one record. Raises: `HistoryError` for one that cannot be read."""
        leaf = record.leaf
        key = (
            record.lane,
            leaf.kind,
            tuple([(p.name, p.handling, p.routing, p.audience) for p in leaf.portions]),
            self._before.key(record),
            self._after.key(record),
        )
        tally = self._known.get(key)
        if tally is None or not tally.since_ms <= leaf.at_ms < tally.until_ms:
            tally = self._compare(record)
            if len(self._open) >= max(1, self._most):
                self._settle()
            if self._most:
                self._known[key] = tally
            self._open.append(tally)
        tally.records += 1
        self.decisions += tally.pairs

    def changes(self) -> Changes:
        """What was found so far."""
        self._settle()
        return self._changes

    def _compare(self, record: Recorded) -> _Tally:
        self.compared += 1
        before, after = self._before.decide(record), self._after.decide(record)
        return _Tally(
            record,
            before,
            after,
            tuple(_differing(record, before, after)),
            max(before.since_ms, after.since_ms),
            min(before.until_ms, after.until_ms),
            sum(map(len, before.fates)),
        )

    def _settle(self) -> None:
        """Count what is remembered, in order of appearance, and forget it."""
        for tally in self._open:
            _add(self._changes, tally)
        self._open.clear()
        self._known.clear()


def against_recorded(draft: Engine) -> Replay:
    """What was decided against what a draft makes of the records as they were sealed."""
    return Replay(AsRecorded(), Under(draft))


def between(old: Engine, new: Engine) -> Replay:
    """What two arrangements make of the recorded labels, each sealed anew under it."""
    return Replay(Under(old, anew=True), Under(new, anew=True))


def _differing(record: Recorded, before: Decided, after: Decided) -> Iterator[_Differs]:
    for portion, old, new in zip(record.portions, before.fates, after.fates, strict=True):
        if old == new:
            continue
        label = Label(replace(portion.label.handling, retain_until=0), portion.label.routing)
        for recipient in sorted(old.keys() | new.keys()):
            was, becomes = old.get(recipient, _ABSENT), new.get(recipient, _ABSENT)
            if was == becomes:
                continue
            flow = Flow(record.lane, record.leaf.kind, portion.name, recipient, was, becomes)
            if flow.change is not Change.REASON or _ABSENT not in (was, becomes):
                yield _Differs(flow, label)


def _add(changes: Changes, tally: _Tally) -> None:
    records = tally.records
    changes.records += records
    changes.pairs_before += records * tally.pairs
    changes.pairs_after += records * sum(map(len, tally.after.fates))
    changes.released_before += records * _released(tally.before)
    changes.released_after += records * _released(tally.after)
    changes.refused_before += records * (tally.before.refused is not None)
    changes.refused_after += records * (tally.after.refused is not None)
    for flow, label in tally.differs:
        counted = changes.flows.get(flow)
        if counted is None:
            counted = changes.flows[flow] = Counted(tally.example)
        counted.count += records
        counted.labels[label] = counted.labels.get(label, 0) + records


def _released(decided: Decided) -> int:
    return sum(fate.released for fates in decided.fates for fate in fates.values())
