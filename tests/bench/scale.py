"""What a decision costs as a federation grows: agencies against rules, in an engine that starts empty.

- *miss*: the rules are asked about a portion whose label the engine has not met; *ruling hit*: the same label again;
  *key hit*: a label that differs in what no rule reads. Portions are those of the simulation's plan.
- A miss in a large federation takes seconds. Each cell of the table has a limit of time, and a count of what it came to
  in it; what was not reached is said to be so, and nothing is extrapolated.
- Memory of answers is the engine's own, so a recipient that no rule can tell from another is asked about once.
"""

import time
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from msgspec.structs import replace

from broker.policy import Engine, load_policy
from schemas.canonical import Domains
from schemas.codes import SourceGrade
from schemas.directory import Directory
from schemas.ids import Digest
from schemas.labels import Label
from tests.bench.federations import directory, rules, schema
from tests.bench.rounds import Timer
from tests.bench.rulings import Question, planned_questions

AGENCIES = (12, 200, 1000)
RULES = (30, 300, 3000)
_QUESTIONS = 60
_AGAIN = 20
_QUICK = 100_000  # agencies times rules


@dataclass(slots=True)
class Cell:
    """A federation of one size: microseconds of processor a decision."""

    agencies: int
    rules: int
    load_s: float = 0.0
    asked: int = 0
    """Answers that the engine gave for the misses."""
    ways: dict[str, Timer] = field(
        default_factory=lambda: {"ruling_hit": Timer(), "key_hit": Timer(), "miss": Timer()}
    )

    def as_json(self) -> dict[str, Any]:
        misses = len(self.ways["miss"].samples)
        return {
            "agencies": self.agencies,
            "rules": self.rules,
            "load_s": round(self.load_s, 2),
            "us": {
                how: {**t.as_json(), "count": len(t.samples)} for how, t in self.ways.items() if t.samples
            },
            "asked_a_miss": round(self.asked / misses, 1) if misses else None,
        }


def run_scale(limit_s: float, *, quick: bool) -> list[Cell]:
    """Each cell takes at most `limit_s` seconds of misses, and always one; `quick` leaves out the largest."""
    cells = []
    for agencies in AGENCIES:
        members = directory(agencies)
        asked = list(islice(planned_questions(members, 2 * _QUESTIONS), _QUESTIONS))
        for count in RULES:
            if quick and agencies * count > _QUICK:
                cells.append(Cell(agencies, count))
            else:
                cells.append(_cell(members, asked, count, limit_s))
    return cells


def _cell(members: Directory, asked: list[Question], count: int, limit_s: float) -> Cell:
    out = Cell(len(members.agencies), count)
    begun = time.process_time()
    policy = load_policy(rules(count, members), schema(), members)
    out.load_s = time.process_time() - begun
    assert len(policy.rules) == count
    engine = Engine(Domains("bench"), policy, members, Digest(b"\x01" * 32))
    deadline = time.monotonic() + limit_s
    for question in asked:
        before = engine.stats.misses
        spent = _spent(engine, question)
        if engine.stats.misses == before:
            continue  # one that the rules cannot tell from an earlier one
        out.ways["miss"].add(spent, 1)
        for _ in range(_AGAIN):
            out.ways["ruling_hit"].add(_spent(engine, question), 1)
        for grade in SourceGrade:
            if grade != question.label.handling.source:
                out.ways["key_hit"].add(_spent(engine, _regraded(question, grade)), 1)
        assert engine.stats.misses == before + 1
        if time.monotonic() > deadline:
            break
    assert engine.stats.errors == 0
    out.asked = engine.stats.asked
    return out


def _regraded(question: Question, grade: SourceGrade) -> Question:
    handling = replace(question.label.handling, source=grade)
    return Question(
        question.originator,
        question.kind,
        question.portion,
        Label(handling, question.label.routing),
        question.record,
    )


def _spent(engine: Engine, question: Question) -> int:
    begun = time.process_time_ns()
    question.ask(engine)
    return time.process_time_ns() - begun
