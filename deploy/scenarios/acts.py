"""The acts that a timeline writes: short forms in full, corrections with all that they keep.

What cannot be written in full (a correction of nothing) is told as a fault, with the path of the field.
"""

from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field, replace

from deploy.scenarios.model import (
    AdvertTakenDown,
    Correct,
    Entry,
    PortionTerms,
    Publish,
    ReturnCase,
    Scenario,
    Seizure,
)
from deploy.scenarios.names import hint
from schemas.codes import Kind, PortionName
from schemas.directory import instant_ms
from schemas.lined_yaml import Path, field_name

Fault = Callable[[Path, str], None]


@dataclass(frozen=True)
class WrittenAct:
    """An act in full, and where it stands in the file. `places`: portion -> the path of whom it is for."""

    path: Path
    id: str
    agency: str
    kind: Kind
    at_ms: int
    portions: Mapping[str, PortionTerms]
    places: Mapping[str, Path] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)
    exactly: bool = False
    corrects: str | None = None
    """The act of the first revision."""


def written_acts(scenario: Scenario, fault: Fault) -> dict[str, WrittenAct]:
    """All acts by id, in the order of the timeline; one that a fault is told of is left out."""
    removed = {e.advert_taken_down.advert for e in scenario.timeline if e.advert_taken_down is not None}
    acts: dict[str, WrittenAct] = {}
    for place, entry in enumerate(scenario.timeline):
        path: Path = ("timeline", place, entry.deed)
        act = _written(path, entry, acts, fault)
        if act is None:
            continue
        if act.id in acts:
            fault((*path, "id"), f"the id '{act.id}' stands twice; first in {field_name(acts[act.id].path)}")
        else:
            acts[act.id] = _told_apart(act, removed)
    return acts


def _told_apart(act: WrittenAct, removed: Set[str]) -> WrittenAct:
    """An advert whose removal is reported later is one of its own, if it is no other already."""
    if act.id not in removed or "advert" in act.links:
        return act
    return replace(act, links={**act.links, "advert": f"advert-{act.id}"})


def _written(path: Path, entry: Entry, earlier: Mapping[str, WrittenAct], fault: Fault) -> WrittenAct | None:
    at_ms = instant_ms(entry.at)
    if entry.publish is not None:
        return _publish(path, at_ms, entry.publish)
    if entry.seizure is not None:
        return _seizure(path, at_ms, entry.seizure)
    if entry.return_case is not None:
        return _return_case(path, at_ms, entry.return_case)
    if entry.advert_taken_down is not None:
        return _taken_down(path, at_ms, entry.advert_taken_down, earlier, fault)
    if entry.correct is not None:
        return _correction(path, at_ms, entry.correct, earlier, fault)
    return None


def _publish(path: Path, at_ms: int, said: Publish) -> WrittenAct:
    places: dict[str, Path] = {name: (*path, "portions", name, "to") for name in said.portions}
    return WrittenAct(
        path, said.id, said.agency, said.kind, at_ms, said.portions, places, said.links, said.exactly
    )


def _seizure(path: Path, at_ms: int, said: Seizure) -> WrittenAct:
    portions: dict[str, PortionTerms] = {PortionName.BASE: PortionTerms(to=said.to)}
    places: dict[str, Path] = {PortionName.BASE: (*path, "to")}
    if said.money_to:
        portions[PortionName.FINANCIAL] = PortionTerms(to=said.money_to)
        places[PortionName.FINANCIAL] = (*path, "money_to")
    if said.persons_to:
        portions[PortionName.PERSONS] = PortionTerms(
            to=said.persons_to, subjects=said.subjects, origins=said.origins or None, cleared=said.cleared
        )
        places[PortionName.PERSONS] = (*path, "persons_to")
    return WrittenAct(
        path, said.id, said.agency, Kind.ASSET_SEIZURE, at_ms, portions, places, said.links, said.exactly
    )


def _return_case(path: Path, at_ms: int, said: ReturnCase) -> WrittenAct:
    portions: dict[str, PortionTerms] = {
        PortionName.BASE: PortionTerms(to=said.to),
        PortionName.PERSONS: PortionTerms(
            to=said.to,
            subjects=said.subjects,
            grounds=said.grounds,
            origins=said.origins,
            cleared=said.cleared,
        ),
    }
    places: dict[str, Path] = dict.fromkeys(portions, (*path, "to"))
    return WrittenAct(
        path, said.id, said.agency, Kind.RETURN_CASE, at_ms, portions, places, said.links, said.exactly
    )


def _taken_down(
    path: Path, at_ms: int, said: AdvertTakenDown, earlier: Mapping[str, WrittenAct], fault: Fault
) -> WrittenAct | None:
    advert = earlier.get(said.advert)
    if advert is None:
        fault((*path, "advert"), f"no act '{said.advert}' stands before{hint(said.advert, earlier)}")
        return None
    if advert.kind is not Kind.ONLINE_ADVERT:
        fault((*path, "advert"), f"expected an online_advert; '{said.advert}' is of kind {advert.kind}")
        return None
    if advert.at_ms >= at_ms:
        fault((*path, "advert"), f"'{said.advert}' is not earlier than this")
        return None
    portions: dict[str, PortionTerms] = {PortionName.REMOVAL: PortionTerms(to=said.to)}
    places: dict[str, Path] = {PortionName.REMOVAL: (*path, "to")}
    links = {"advert": advert.links["advert"]}
    return WrittenAct(
        path, said.id, said.agency, Kind.ONLINE_ADVERT, at_ms, portions, places, links, said.exactly
    )


def _correction(
    path: Path, at_ms: int, said: Correct, earlier: Mapping[str, WrittenAct], fault: Fault
) -> WrittenAct | None:
    before = earlier.get(said.of)
    if before is None:
        fault((*path, "of"), f"no act '{said.of}' stands before{hint(said.of, earlier)}")
        return None
    if before.agency != said.agency:
        fault((*path, "of"), f"'{said.of}' is a record of {before.agency}, which alone may correct it")
        return None
    if before.at_ms >= at_ms:
        fault((*path, "of"), f"'{said.of}' is not earlier than its correction")
        return None
    portions = {**before.portions, **said.portions}
    for name in said.portions.keys() & before.portions.keys():
        new = said.portions[name]
        update = {changed: getattr(new, changed) for changed in new.model_fields_set}
        portions[name] = before.portions[name].model_copy(update=update)
    own = [
        name
        for name, terms in said.portions.items()
        if name not in before.portions or "to" in terms.model_fields_set
    ]
    places = {**before.places, **{name: (*path, "portions", name, "to") for name in own}}
    return WrittenAct(
        path,
        said.id,
        before.agency,
        before.kind,
        at_ms,
        portions,
        places,
        before.links,
        said.exactly,
        before.corrects or before.id,
    )
