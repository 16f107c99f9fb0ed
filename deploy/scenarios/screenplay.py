"""What a run needs of a scenario, in full: every agency's acts, the marks of the clock, what must hold at the end.

It depends on the scenario and the seed alone, so that any process plays the same.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from agencies.simulation.script import Act, PortionHint
from deploy.arrangements import ArrangementSource
from deploy.scenarios.acts import WrittenAct
from deploy.scenarios.background import background_acts
from deploy.scenarios.expected import Expected
from deploy.scenarios.loader import ReadScenario
from deploy.scenarios.marks import Change, Mark, marks_of
from deploy.scenarios.model import PortionTerms
from schemas.codes import PortionName
from schemas.directory import instant_ms
from schemas.ids import AgencyId

__all__ = ["Change", "Mark", "Screenplay", "make_screenplay"]


@dataclass(frozen=True)
class Screenplay:
    """A scenario as it is played. `acts`: of every agency, in the order of time. Times are domain time."""

    name: str
    title: str
    source: ArrangementSource
    seed: int
    start_ms: int
    end_ms: int
    acts: Mapping[AgencyId, tuple[Act, ...]]
    marks: tuple[Mark, ...]
    expectations: tuple[Expected, ...]


def make_screenplay(read: ReadScenario, seed: int | None = None) -> Screenplay:
    """Expand a scenario. `seed` None: the scenario's own."""
    scenario, source = read.scenario, read.versions[0].source
    seed = scenario.seed if seed is None else seed
    acts: dict[AgencyId, tuple[Act, ...]] = {}
    for agency in source.directory.agency_ids:
        written = [_act(act) for act in read.acts.values() if act.agency == agency]
        # A stable sort: at one instant what the timeline says comes first, in its order.
        both = [*written, *background_acts(scenario, source.directory, agency, seed)]
        acts[agency] = tuple(sorted(both, key=lambda act: act.at_ms))
    return Screenplay(
        scenario.name,
        scenario.title,
        source,
        seed,
        instant_ms(scenario.start),
        instant_ms(scenario.end),
        acts,
        marks_of(scenario, read.acts.values(), read.versions),
        scenario.expectations,
    )


def _act(written: WrittenAct) -> Act:
    return Act(
        name=written.id,
        agency=AgencyId(written.agency),
        at_ms=written.at_ms,
        kind=written.kind,
        portions=tuple(_hint(name, terms) for name, terms in written.portions.items()),
        corrects=written.corrects,
        links=dict(written.links),
    )


def _hint(name: str, terms: PortionTerms) -> PortionHint:
    said = {field: getattr(terms, field) for field in PortionTerms.model_fields}
    return PortionHint(name=PortionName(name), **said)
