"""The smallest changes that would turn a refusal, each of them tried on the engine itself.

- Breadth first by the number of changes. What stands in the way of a portion (the gate, addressing, each rule that
  forbids, a part of a permit) has to be touched by one of the changes, or it still stands: so only these are tried,
  and none that could be an answer is passed over.
- First markings alone, then everything, up to as many changes as markings alone would take.
- Bounded by how often the engine is asked, never by time: the same question always has the same answer. Whoever asks
  is told when the bound was met.
"""

from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from typing import Final

from broker.policy.entities import CHOICES, CODES
from broker.policy.explain.edits import Change, Nature, Verb, relabelled, restated
from broker.policy.explain.levers import ADDRESSING, GATE, SUSPENSION, Case, levers
from broker.policy.explain.parts import Parts, parts_of
from broker.policy.foreseeing import refusal, whole
from broker.policy.ruling import Engine
from schemas.audience import addressed
from schemas.labels import home_of
from schemas.verdicts import Effect, Verdict, outcome

MOST_CHANGES: Final = 3
"""More changes than this at once are another record, not a change of this one."""

Changes = frozenset[Change]
_Way = tuple[Changes, ...]
"""What stands in one way to a release: for each thing that does, the changes that touch it."""


class BoundMet(Exception):
    """The engine was asked as often as was allowed."""


@dataclass(frozen=True, slots=True)
class Found:
    """The smallest answers, in order, and the smallest of markings alone; `stopped`: some were not tried.

    No answer and not stopped: no `MOST_CHANGES` changes, nor fewer, turn the refusal.
    """

    answers: tuple[Changes, ...]
    asked: int
    stopped: bool


@dataclass(frozen=True, slots=True)
class _Tried:
    """What came of some changes: released, or the ways in which something stands."""

    released: bool
    ways: tuple[_Way, ...] = ()


class Trials:
    """A portion that is not released to a recipient, and what was tried on it. Not for several threads at once."""

    def __init__(self, engine: Engine, case: Case, most_asked: int, parts: Parts | None = None) -> None:
        """`most_asked`: how often the engine may be asked. `parts`: those of its policy, if they are at hand."""
        self._case = case
        self._most = most_asked
        self._parts = parts or parts_of(engine.policy, engine.directory)
        self._engines = {Changes(): (engine, engine.over(engine.directory, self._parts.policy))}
        self._tried: dict[Changes, _Tried] = {}
        self.asked = 0

    def search(self) -> Found:
        """The smallest changes that turn the refusal."""
        half = self.asked + (self._most - self.asked) // 2
        markings, early = self._smallest(frozenset({Nature.MARKING}), MOST_CHANGES, half)
        upto = len(markings[0]) if markings else MOST_CHANGES
        anything, late = self._smallest(frozenset(Nature), upto, self._most)
        found = sorted({*markings, *anything}, key=order)
        return Found(tuple(found), self.asked, early or late)

    def with_changes(self, changes: Changes) -> tuple[Engine, Case]:
        """The portion's case with the changes made, and an engine over the directory that it is then decided by."""
        engine, _ = self._engine(changes)
        case = self._case
        return engine, Case(
            engine.directory,
            case.originator,
            case.kind,
            relabelled(case.portions, sorted(changes, key=lambda c: c.place)),
            case.name,
            case.recipient,
            case.at_ms,
        )

    def _smallest(
        self, natures: Set[Nature], most_changes: int, most_asked: int
    ) -> tuple[list[Changes], bool]:
        frontier, seen, answers = [Changes()], {Changes()}, list[Changes]()
        try:
            for size in range(most_changes):
                reached: list[Changes] = []
                for made in frontier:
                    tried = self._try(made, most_asked)
                    for change in sorted(
                        _next(tried.ways, made, natures, most_changes - size), key=lambda c: c.place
                    ):
                        changes = made | {change}
                        if changes in seen:
                            continue
                        seen.add(changes)
                        if self._try(changes, most_asked).released:
                            answers.append(changes)
                        else:
                            reached.append(changes)
                if answers:
                    break
                frontier = reached
        except BoundMet:
            return answers, True
        return answers, False

    def _try(self, changes: Changes, most_asked: int) -> _Tried:
        tried = self._tried.get(changes)
        if tried is None:
            if self.asked >= most_asked:
                raise BoundMet
            tried = self._tried[changes] = self._decide(changes)
        return tried

    def _decide(self, changes: Changes) -> _Tried:
        engine, case = self.with_changes(changes)
        if refusal(engine, case.originator, case.kind, case.portions, case.at_ms) is not None:
            return _Tried(False)
        verdict = self._ask(engine, case)
        label, directory = case.portion.label, case.directory
        is_addressed = case.recipient in addressed(label, case.originator, directory, case.at_ms)
        if outcome(verdict, is_addressed) is None:
            return _Tried(True)
        if verdict.effect is Effect.FORBID and not verdict.rules:  # the rules could not be asked
            return _Tried(False)
        standing: list[Changes] = []
        if verdict.barred:
            standing.append(levers(case, GATE))
        if directory.suspended(case.recipient, case.at_ms):
            standing.append(levers(case, SUSPENSION))
        if not _named(case):
            standing.append(frozenset(c for c in levers(case, ADDRESSING) if c.verb is not Verb.REMOVE))
        if verdict.effect is Effect.FORBID:
            standing += [levers(case, engine.policy.rules[rule].reads) for rule in verdict.rules]
        if verdict.effect is not Effect.NONE:
            return _Tried(False, (tuple(standing),))
        told = self._ask(self._engine(changes)[1], case)
        lacking = self._parts.lacking(told).values()
        return _Tried(
            False, tuple((*standing, *(levers(case, part.reads) for part in parts)) for parts in lacking)
        )

    def _ask(self, engine: Engine, case: Case) -> Verdict:
        self.asked += 1
        return asked(engine, case)

    def _engine(self, changes: Changes) -> tuple[Engine, Engine]:
        """The engine, and the one that tells parts; over a directory of its own where the changes are about it."""
        about = frozenset(c for c in changes if c.nature is Nature.DIRECTORY)
        found = self._engines.get(about)
        if found is None:
            engine, parts = self._engines[Changes()]
            directory = restated(engine.directory, self._case.recipient, sorted(about, key=lambda c: c.place))
            found = self._engines[about] = (engine.over(directory), parts.over(directory))
        return found


def asked(engine: Engine, case: Case) -> Verdict:
    """The engine's verdict on the case. Raises: `KeyError` for an unknown portion or recipient."""
    return engine.verdict(
        case.recipient,
        originator=case.originator,
        kind=case.kind,
        portion=case.name,
        label=case.portion.label,
        record=whole(case.kind, case.portions),
        at_ms=case.at_ms,
    )


def merged(answers: Iterable[Changes]) -> list[tuple[Change, ...]]:
    """Answers that differ in nothing but one value of one field, told as one that leaves the choice."""
    rest = [tuple(sorted(answer, key=lambda c: c.place)) for answer in answers]
    told: list[tuple[Change, ...]] = []
    while rest:
        first, *rest = rest
        alike = max((_alike(first, i, rest) for i in range(len(first))), key=len)
        if alike:
            ((where, _),) = [(i, c) for i, c in enumerate(first) if c != alike[0][i]]
            change = _choice([answer[where] for answer in (first, *alike)])
            told.append((*first[:where], change, *first[where + 1 :]))
            rest = [answer for answer in rest if answer not in alike]
        else:
            told.append(first)
    return told


def _choice(changes: Sequence[Change]) -> Change:
    """One change that leaves the choice between their values, in the order of the closed list."""
    first = changes[0]
    codes = [str(code) for code in {**CODES, **CHOICES}.get(first.field, ())]
    values = [change.value for change in changes]
    ranked = sorted(values, key=lambda v: codes.index(v) if v in codes else len(codes))
    return Change(first.portion, first.field, first.verb, tuple(ranked))


def _alike(
    first: Sequence[Change], at: int, others: Sequence[tuple[Change, ...]]
) -> list[tuple[Change, ...]]:
    """The others that differ from the first in the value at one place alone."""
    mine = first[at]
    return [
        other
        for other in others
        if len(other) == len(first)
        and all(o == m for i, (o, m) in enumerate(zip(other, first, strict=True)) if i != at)
        and (other[at].portion, other[at].field, other[at].verb) == (mine.portion, mine.field, mine.verb)
    ]


def _next(ways: Iterable[_Way], made: Changes, natures: Set[Nature], left: int) -> set[Change]:
    """The changes to try next, so that `left` of them, this one among them, could touch all that stands in a way."""
    found: set[Change] = set()
    for way in ways:
        open_to = [
            frozenset(c for c in one if c.nature in natures and not any(c.excludes(m) for m in made))
            for one in way
        ]
        if not open_to or _apart(open_to) > left:
            continue
        found |= frozenset.intersection(*open_to) if left == 1 else min(open_to, key=len)
    return found


def _apart(standing: Sequence[Changes]) -> int:
    """So many changes at least it takes to touch all of them: one for each of some that have none in common."""
    taken: set[Change] = set()
    count = 0
    for one in sorted(standing, key=len):
        if not one:
            return MOST_CHANGES + 1
        if taken.isdisjoint(one):
            taken |= one
            count += 1
    return count


def _named(case: Case) -> bool:
    """Whether the label names the recipient, by itself, in a community or in an officer, be it suspended or not."""
    routing, directory = case.portion.label.routing, case.directory
    return (
        case.recipient in routing.agencies
        or any(case.recipient in directory.members(c, case.at_ms) for c in routing.communities)
        or any(home_of(o) == case.recipient and directory.posted(o, case.at_ms) for o in routing.officers)
    )


def order(changes: Iterable[Change]) -> tuple[object, ...]:
    """Fewest first; among as many those of markings, then those of the directory, before facts."""
    changes = list(changes)
    natures = [c.nature for c in changes]
    rank = (natures.count(Nature.FACT), natures.count(Nature.DIRECTORY))
    return len(changes), *rank, sorted(c.place for c in changes)
