"""What a decision costs: the ruling on a portion from memory, for a label not met in these bytes, or from the rules."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from agencies.simulation.plan import planned_draft
from broker.policy import Engine
from broker.versions import make_version
from deploy.stage.work import shares
from schemas.clock import ManualClock
from schemas.codes import Kind, PortionName
from schemas.directory import Directory
from schemas.entropy import SystemEntropy
from schemas.gate import Surroundings, surroundings
from schemas.ids import AgencyId
from schemas.labels import Label
from schemas.records import bears_persons
from tests.bench.members import NOW_MS, Members
from tests.bench.rounds import Timer

HOW = ("hit, same label", "hit, other label", "miss")


@dataclass(slots=True)
class Rulings:
    """Microseconds a ruling by how it was found; hit rates of planned records, for an engine that starts empty."""

    arrangement: str
    agencies: int
    ways: dict[str, Timer] = field(default_factory=lambda: {h: Timer() for h in HOW})
    rates: dict[int, float] = field(default_factory=dict)
    misses: dict[int, int] = field(default_factory=dict)
    remembered: dict[int, float] = field(default_factory=dict)
    """Share of a new ruling's answers that were known from other labels."""

    def as_json(self) -> dict[str, Any]:
        return {
            "arrangement": self.arrangement,
            "agencies": self.agencies,
            "us": {h: {**t.as_json(), "count": len(t.samples)} for h, t in self.ways.items() if t.samples},
            "hit_rate": {str(n): round(rate, 4) for n, rate in self.rates.items()},
            "misses": {str(n): m for n, m in self.misses.items()},
            "answers_remembered": {str(n): round(rate, 4) for n, rate in self.remembered.items()},
        }


@dataclass(frozen=True, slots=True)
class Question:
    """What the engine is asked about one portion."""

    originator: AgencyId
    kind: Kind
    portion: PortionName
    label: Label
    record: Surroundings

    def ask(self, engine: Engine) -> None:
        engine.rule(
            originator=self.originator,
            kind=self.kind,
            portion=self.portion,
            label=self.label,
            record=self.record,
            at_ms=NOW_MS + 1000,
        )


def planned_questions(directory: Directory, records: int) -> Iterator[Question]:
    """Every portion of the demo's planned records, in the order in which they come."""
    counts = shares(directory, records)
    for at in range(max(counts.values())):
        for agency in (a for a, share in counts.items() if at < share):
            draft = planned_draft(agency, directory, 1, at, ManualClock(NOW_MS), SystemEntropy())
            whole = surroundings(
                (bears_persons(draft.kind, p.name), p.label.handling) for p in draft.portions
            )
            for portion in draft.portions:
                yield Question(agency, draft.kind, portion.name, portion.label, whole)


def run_rulings(members: Members, counts: tuple[int, ...]) -> Rulings:
    """Ask an engine that starts empty; times are of the longest run."""
    out = Rulings(members.source.federation, len(members.agencies))
    for records in counts:
        engine = make_version(members.arrangement).engine
        seen: set[Question] = set()
        for question in planned_questions(members.directory, records):
            before = engine.stats.misses
            begun = time.process_time_ns()
            question.ask(engine)
            spent = time.process_time_ns() - begun
            how = HOW[2] if engine.stats.misses > before else HOW[question not in seen]
            seen.add(question)
            if records == counts[-1]:
                out.ways[how].add(spent, 1)
        out.rates[records] = engine.stats.hit_rate
        out.misses[records] = engine.stats.misses
        out.remembered[records] = 1 - engine.stats.asked / max(1, engine.stats.answers)
    return out
