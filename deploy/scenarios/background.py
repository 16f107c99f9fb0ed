"""What agencies publish day by day, beside the acts of the timeline: when, and of which kind.

- Instants of an agency come from one random stream of its own, kinds from one stream an act: an agency, an entry or
  a surge more changes nothing for others.
- Rates add up where entries of the background overlap; a surge multiplies them.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from random import Random
from typing import Final

from agencies.simulation.habits import usual_kind
from agencies.simulation.script import Act
from deploy.scenarios.model import Scenario
from schemas.directory import Directory, instant_ms
from schemas.ids import AgencyId

_DAY_MS: Final = 86_400_000


@dataclass(frozen=True, slots=True)
class _Stretch:
    """A span in which an agency's rate stays the same. `rate`: records a millisecond."""

    start_ms: int
    end_ms: int
    rate: float


def chosen(names: Iterable[str], directory: Directory) -> tuple[AgencyId, ...]:
    """The agencies that ids and roles name, in the order of their ids; unknown names name nobody."""
    wanted = set(names)
    return tuple(a for a in directory.agency_ids if {a, str(directory.agency(a).role)} & wanted)


def background_acts(scenario: Scenario, directory: Directory, agency: AgencyId, seed: int) -> tuple[Act, ...]:
    """An agency's acts, `background/<agency>/<n>`, in the order of time; portions are the analyst's choice."""
    key = f"{seed}/{agency}/background"
    role = directory.agency(agency).role
    instants = _instants(_random(key), _stretches(scenario, directory, agency))
    return tuple(
        Act(
            name=f"background/{agency}/{n}",
            agency=agency,
            at_ms=at_ms,
            kind=usual_kind(_random(f"{key}/{n}"), role),
        )
        for n, at_ms in enumerate(instants)
    )


def _random(key: str) -> Random:
    return Random(key)  # noqa: S311  # a simulation wants a seeded generator


def _instants(random: Random, stretches: Iterable[_Stretch]) -> Iterator[int]:
    """A Poisson process: unit steps, stretched by the rate that holds where they fall."""
    step = random.expovariate(1.0)
    for stretch in stretches:
        at = float(stretch.start_ms)
        while step <= (left := stretch.rate * (stretch.end_ms - at)):
            at += step / stretch.rate
            if int(at) < stretch.end_ms:
                yield int(at)
            step = random.expovariate(1.0)
        step -= left


def _stretches(scenario: Scenario, directory: Directory, agency: AgencyId) -> Sequence[_Stretch]:
    first, last = instant_ms(scenario.start), instant_ms(scenario.end)
    rates = [
        (
            first if entry.start is None else instant_ms(entry.start),
            last if entry.until is None else instant_ms(entry.until),
            entry.per_day / _DAY_MS,
        )
        for entry in scenario.background
        if agency in chosen(entry.agencies, directory)
    ]
    surges = [
        (instant_ms(entry.at), instant_ms(entry.surge.until), entry.surge.times)
        for entry in scenario.timeline
        if entry.surge is not None and agency in chosen(entry.surge.agencies, directory)
    ]
    turns = sorted({first, last, *(t for start, end, _ in (*rates, *surges) for t in (start, end))})
    found = []
    for start, end in pairwise(turns):
        rate = sum(r for begin, stop, r in rates if begin <= start < stop)
        for begin, stop, times in surges:
            rate *= times if begin <= start < stop else 1
        if rate:
            found.append(_Stretch(start, end, rate))
    return found
