"""Where the time goes: cProfile over each stage of a record's way, and over rulings; dearest functions first.

- The profiler charges every call, so calls look dearer than they are: read it for the order, not for the sums.
- Of several rounds each function's cheapest counts, so that what else the machine did stays out.
"""

import cProfile
import pstats
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from broker.lane import fold
from broker.policy import Engine
from broker.step import build_step
from broker.versions import make_version
from schemas.entropy import SystemEntropy
from tests.bench.crypto import Way
from tests.bench.material import message
from tests.bench.members import Members, commit
from tests.bench.rulings import Question, planned_questions

_TOP = 14
_PLANNED = 300
_NATIVE = re.compile(r"<(?:built-in )?method '?([^ '>]+)'?(?: of '([^']+)' objects)?>")

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Row:
    """One function: calls and microseconds a record, own and with all that it calls."""

    function: str
    calls: float
    own_us: float
    all_us: float

    def as_json(self) -> dict[str, str | float]:
        return {
            "function": self.function,
            "calls": round(self.calls, 2),
            "own_us": round(self.own_us, 2),
            "all_us": round(self.all_us, 2),
        }


class _Stages:
    """The profiles of each stage, one a round."""

    def __init__(self) -> None:
        self._profiles: dict[str, list[cProfile.Profile]] = {}

    def run(self, stage: str, work: Callable[[], _T]) -> _T:
        profile = cProfile.Profile()
        self._profiles.setdefault(stage, []).append(profile)
        return profile.runcall(work)

    def rows(self, stage: str, records: int) -> list[Row]:
        """The dearest functions, a record."""
        best: dict[str, Row] = {}
        for profile in self._profiles[stage]:
            for row in _rows(profile, records):
                known = best.get(row.function, row)
                best[row.function] = Row(
                    row.function,
                    row.calls,
                    min(row.own_us, known.own_us),
                    min(row.all_us, known.all_us),
                )
        return sorted(best.values(), key=lambda row: -row.own_us)[:_TOP]

    def __iter__(self) -> Iterator[str]:
        return iter(self._profiles)


def run_profiles(members: Members, planned: Members, rounds: int) -> dict[str, Sequence[Row]]:
    """The top functions of each stage, a record; for rulings, of `planned` records and an engine that is empty."""
    way, stages = Way(members), _Stages()
    way.open(way.step(way.close(way.drafts())))
    for at in range(1, rounds + 1):
        drafts, version = way.drafts(), way.fresh()
        data = stages.run("closing", partial(way.close, drafts))
        stages.run("admission", partial(way.admit, data, version))
        fold(way.lane, [message(data, at)], members.versions())
        versions = members.versions()
        folded = stages.run("fold", partial(fold, way.lane, [message(data, at)], versions))
        capsules = {**way.lane.capsules, **folded.capsules}
        pack = partial(
            build_step, [(folded, capsules)], members.arrangement, members.broker_pair, SystemEntropy()
        )
        outputs = stages.run("packing", pack)
        commit(way.lane, folded)
        mine = [value for agency, value in outputs.deliver if agency == way.recipients[0]]
        stages.run("opening", partial(way.open, mine))
    found: dict[str, Sequence[Row]] = {stage: stages.rows(stage, way.window) for stage in stages}
    asked, rulings = list(planned_questions(planned.directory, _PLANNED)), _Stages()
    for _ in range(min(rounds, 4)):
        engine = make_version(planned.arrangement).engine
        rulings.run("rulings", partial(_ask, engine, asked))
    return {**found, "rulings": rulings.rows("rulings", _PLANNED)}


def _ask(engine: Engine, asked: Sequence[Question]) -> None:
    for question in asked:
        question.ask(engine)


def _rows(profile: cProfile.Profile, records: int) -> Iterator[Row]:
    found: dict[tuple[str, int, str], tuple[int, int, float, float, Any]] = vars(pstats.Stats(profile))[
        "stats"
    ]
    for (file, line, name), (_, calls, own, whole, _) in found.items():
        where = _native(name) if file == "~" else f"{'/'.join(Path(file).parts[-2:])}:{line} {name}"
        yield Row(where, calls / records, own / records * 1e6, whole / records * 1e6)


def _native(name: str) -> str:
    """`AESGCM.encrypt` for what the interpreter calls a method of a class in a module's depth."""
    match = _NATIVE.fullmatch(name)
    if match is None:
        return name
    method, owner = match.groups()
    return f"{owner.rpartition('.')[2]}.{method}" if owner else method
