"""Who would get which portion of each kind of record, under the labels that are typical for it.

- A row is one portion alone in its record, under one label; a cell is what one agency gets of it, decided as in a
  preview.
- A typical label is the one that the kind starts from (`schemas.records`), addressed to every agency by name, or to one
  community. Where the portion bears persons there is a row for each typical person, once with the origin of a source
  state of the directory, and once with an origin that is not known.
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Final

import msgspec

from broker.policy.drafted import DraftedLabel
from broker.policy.foreseeing import Foreseen, Portion, foresee
from broker.policy.ruling import Engine
from schemas.codes import (
    UNKNOWN_STATE,
    AgencyRole,
    Kind,
    PortionName,
    ProtectionGround,
    State,
    SubjectCategory,
)
from schemas.directory import Directory
from schemas.ids import AgencyId, CommunityId
from schemas.labels import Label, Routing
from schemas.records import KINDS

BY_NAME: Final = "by name"
"""How a row is addressed that names every agency."""


@dataclass(frozen=True, slots=True)
class Person:
    """A typical person of a portion: who it is, in words, and what a label says of such a one."""

    words: str
    subjects: tuple[SubjectCategory, ...]
    grounds: tuple[ProtectionGround, ...] = ()
    cleared: bool = False


PERSONS: Final = (
    Person("suspect, cleared", (SubjectCategory.SUSPECT,), cleared=True),
    Person("suspect", (SubjectCategory.SUSPECT,)),
    Person("victim", (SubjectCategory.VICTIM,), (ProtectionGround.VICTIM,)),
    Person("minor", (SubjectCategory.OTHER_PARTY,), (ProtectionGround.MINOR,)),
    Person("seeks protection", (SubjectCategory.OTHER_PARTY,), (ProtectionGround.SEEKING_PROTECTION,)),
    Person("not known", (SubjectCategory.UNKNOWN,)),
)


@dataclass(frozen=True, slots=True)
class Row:
    """One portion under one label. `to`: `BY_NAME` or a community. `person`, `origin`: where it bears persons."""

    kind: Kind
    portion: PortionName
    to: str
    person: Person | None
    origin: State | None
    label: Label
    cells: tuple[Foreseen, ...]


def matrix(
    engine: Engine,
    originator: AgencyId,
    at_ms: int,
    kinds: Collection[Kind] = (),
    progress: Callable[[str], None] = lambda kind: None,
) -> Iterator[Row]:
    """The rows, kind by kind in the order of the closed list; cells in the order of the agencies' ids.

    `kinds`: only these, if any are given. Raises: `KeyError` for an unknown originator.
    """
    directory = engine.directory
    directory.agency(originator)
    for spec in KINDS.values():
        if kinds and spec.kind not in kinds:
            continue
        progress(spec.kind)
        for name, of in ((PortionName(n), of) for n, of in spec.portions.items()):
            plain = DraftedLabel().label(of.start, directory, at_ms)
            for to, routing in addressings(directory, originator):
                for person, origin, label in _persons(plain, of.bears_persons, directory):
                    addressed = msgspec.structs.replace(label, routing=routing)
                    (found,) = foresee(engine, originator, spec.kind, (Portion(name, addressed),), at_ms)
                    yield Row(spec.kind, name, to, person, origin, addressed, found.outcomes)


def addressings(directory: Directory, originator: AgencyId) -> Iterator[tuple[str, Routing]]:
    """Every agency by name; then each community."""
    yield BY_NAME, Routing(tuple(a for a in directory.agency_ids if a != originator), (), ())
    for community in directory.communities:
        yield community.id, Routing((), (CommunityId(community.id),), ())


def _persons(
    label: Label, bears_persons: bool, directory: Directory
) -> Iterator[tuple[Person | None, State | None, Label]]:
    if not bears_persons:
        yield None, None, label
        return
    for origin in (_origin(directory), State(UNKNOWN_STATE)):
        for person in PERSONS:
            handling = msgspec.structs.replace(
                label.handling,
                subjects=person.subjects,
                grounds=person.grounds,
                protection_cleared=person.cleared,
                origins=(origin,),
            )
            yield person, origin, msgspec.structs.replace(label, handling=handling)


def _origin(directory: Directory) -> State:
    """A state that persons come from: of the first source state; else of the first agency that has one."""
    ordered = sorted(directory.agencies, key=lambda a: (a.role is not AgencyRole.SOURCE_STATE, a.id))
    return next((min(a.states) for a in ordered if a.states), State(UNKNOWN_STATE))
