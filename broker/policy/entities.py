"""What a rule can see of a portion and of a recipient: each attribute, its Cedar type and its value.

- `PORTION`, `AGENCY` and `CLOSED_LISTS` say which attributes there are; an arrangement's schema declares
  those it wants, by these names and types, and the loader checks it.
- One table for both uses: Cedar's JSON (`attributes`) and the ruling's key (`values`) cannot differ.
- `protected` is the gate's word: the portion bears persons, and protection is on.
- `record_protected`, `record_origins` and `record_origins_known` speak of the whole record, not of the portion alone.
- `exposed_states` of a recipient counts the posting of its officers that the label names, as the gate does.
- Memberships are no attributes but a recipient's parents: see `roster`.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping, Set
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from broker.policy.faults import Fault
from broker.policy.instants import FIRST_MS, LAST_MS, instant
from broker.policy.schema import Schema
from schemas.codes import (
    UNKNOWN_STATE,
    AgencyRole,
    Caveat,
    HandlingCode,
    InformationGrade,
    Kind,
    PortionName,
    ProtectionGround,
    Purpose,
    SourceGrade,
    SpecialCategory,
    State,
    SubjectCategory,
    Tlp,
)
from schemas.directory import Agency
from schemas.gate import ALL_STATES, Surroundings, protected
from schemas.labels import Handling, Routing, home_of

CLOSED_LISTS: Mapping[str, type[StrEnum]] = {
    "Tlp": Tlp,
    "HandlingCode": HandlingCode,
    "SourceGrade": SourceGrade,
    "InformationGrade": InformationGrade,
    "Purpose": Purpose,
    "SubjectCategory": SubjectCategory,
    "SpecialCategory": SpecialCategory,
    "Caveat": Caveat,
    "ProtectionGround": ProtectionGround,
    "AgencyRole": AgencyRole,
    "PortionName": PortionName,
    "Kind": Kind,
    "State": State,
}

#: A label's fields that are one code, and those that are a set of codes, each with its closed list.
CHOICES: Mapping[str, type[StrEnum]] = {"tlp": Tlp, "source": SourceGrade, "information": InformationGrade}
CODES: Mapping[str, type[StrEnum]] = {
    "handling_codes": HandlingCode,
    "purposes": Purpose,
    "subjects": SubjectCategory,
    "special": SpecialCategory,
    "caveats": Caveat,
    "grounds": ProtectionGround,
    "origins": State,
}

DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Portion:
    """What a portion's attributes are made of. `originator` is the directory's entry."""

    originator: Agency
    kind: str
    name: str
    bears_persons: bool
    handling: Handling
    routing: Routing
    record: Surroundings


@dataclass(frozen=True, slots=True)
class Standing:
    """What a recipient's attributes are made of; `exposed` as `Directory.exposed_states` says it."""

    entry: Agency
    exposed: frozenset[str] | None
    suspended: bool


_F = TypeVar("_F")
Provided = Mapping[str, tuple[str, Callable[[_F], Hashable]]]
"""Attribute -> its Cedar type, and its value: a set, a truth, an id or code, milliseconds."""

AGENCY: Provided[Standing] = {
    "role": ("AgencyRole", lambda s: s.entry.role),
    "states": ("Set<State>", lambda s: s.entry.states),
    "coordinating": ("Bool", lambda s: s.entry.coordinating),
    "exposed_states": ("Set<State>", lambda s: s.exposed or frozenset()),
    "exposed_known": ("Bool", lambda s: s.exposed is not ALL_STATES),
    "suspended": ("Bool", lambda s: s.suspended),
}

PORTION: Provided[Portion] = {
    "originator": ("Agency", lambda p: p.originator.id),
    "originator_role": ("AgencyRole", lambda p: p.originator.role),
    "originator_states": ("Set<State>", lambda p: p.originator.states),
    "kind": ("Kind", lambda p: p.kind),
    "name": ("PortionName", lambda p: p.name),
    "bears_persons": ("Bool", lambda p: p.bears_persons),
    "protected": ("Bool", lambda p: p.bears_persons and protected(p.handling)),
    "protection_cleared": ("Bool", lambda p: p.handling.protection_cleared),
    "grounds": ("Set<ProtectionGround>", lambda p: frozenset(p.handling.grounds)),
    "subjects": ("Set<SubjectCategory>", lambda p: frozenset(p.handling.subjects)),
    "origins": ("Set<State>", lambda p: frozenset(p.handling.origins)),
    "origins_known": ("Bool", lambda p: bool(p.handling.origins) and UNKNOWN_STATE not in p.handling.origins),
    "record_protected": ("Bool", lambda p: p.record.protected),
    "record_origins": ("Set<State>", lambda p: p.record.origins),
    "record_origins_known": ("Bool", lambda p: p.record.origins_known),
    "tlp": ("Tlp", lambda p: p.handling.tlp),
    "handling_codes": ("Set<HandlingCode>", lambda p: frozenset(p.handling.handling_codes)),
    "source": ("SourceGrade", lambda p: p.handling.source),
    "information": ("InformationGrade", lambda p: p.handling.information),
    "purposes": ("Set<Purpose>", lambda p: frozenset(p.handling.purposes)),
    "special": ("Set<SpecialCategory>", lambda p: frozenset(p.handling.special)),
    "caveats": ("Set<Caveat>", lambda p: frozenset(p.handling.caveats)),
    "retain_until": ("datetime", lambda p: p.handling.retain_until * DAY_MS),
    "to_agencies": ("Set<Agency>", lambda p: frozenset(p.routing.agencies)),
    "to_communities": ("Set<Community>", lambda p: frozenset(p.routing.communities)),
    "to_officers_of": ("Set<Agency>", lambda p: frozenset(home_of(o) for o in p.routing.officers)),
}

CONTEXT: Provided[int] = {"at": ("datetime", lambda at_ms: at_ms)}


_PROVIDED: Mapping[str, Mapping[str, tuple[str, object]]] = {
    "principal": AGENCY,
    "resource": PORTION,
    "context": CONTEXT,
}


def schema_faults(schema: Schema) -> Iterable[Fault]:
    """Where a schema differs from the closed lists, or declares what is not provided here."""
    lines = schema.text.split("\n")
    for name, closed in CLOSED_LISTS.items():
        if name not in schema.enums:
            yield Fault(schema.file, 1, None, None, f"entity type '{name}' is missing; it is a closed list")
            continue
        line = schema.enum_lines[name]
        values, expected = schema.enums[name], {str(member.value) for member in closed}
        for what, different in (
            ("lacks", expected - set(values)),
            ("has the unknown", set(values) - expected),
        ):
            if different:
                listed = ", ".join(f"'{v}'" for v in sorted(different)[:5])
                yield Fault(
                    schema.file, line, None, None, f"closed list '{name}' {what} {listed}", lines[line - 1]
                )
        if len(set(values)) < len(values):
            yield Fault(
                schema.file, line, None, None, f"closed list '{name}' names a code twice", lines[line - 1]
            )
    for name in sorted(schema.enums.keys() - CLOSED_LISTS.keys()):
        line = schema.enum_lines[name]
        yield Fault(schema.file, line, None, None, f"'{name}' is no closed list of codes", lines[line - 1])
    types = {v: {name: t for name, (t, _) in p.items()} for v, p in _PROVIDED.items()}
    for variable, provided in types.items():
        for name, attribute in schema.attributes[variable].items():
            place = (schema.file, attribute.line, None, None)
            if name not in provided:
                yield Fault(
                    *place,
                    f"'{variable}.{name}' is an attribute that nothing provides",
                    lines[attribute.line - 1],
                )
            elif str(attribute.type) != provided[name]:
                message = f"'{variable}.{name}' is {provided[name]}, not {attribute.type}"
                yield Fault(*place, message, lines[attribute.line - 1])


def attributes(provided: Provided[_F], names: Iterable[str], facts: _F) -> dict[str, object]:
    """The named attributes in Cedar's JSON."""
    return {name: _json(provided[name][0], provided[name][1](facts)) for name in sorted(names)}


def values(provided: Provided[_F], names: Iterable[str], facts: _F) -> tuple[Hashable, ...]:
    """The named attributes as plain values, in the order of `names`: a part of a key."""
    return tuple([provided[name][1](facts) for name in names])


def _json(kind: str, value: Hashable) -> object:
    if kind.startswith("Set<") and isinstance(value, Set):
        return [_json(kind[4:-1], member) for member in sorted(value)]
    if kind == "Bool":
        return value
    if kind == "datetime" and isinstance(value, int):
        return instant(value)
    return {"__entity": {"type": kind, "id": value}}


def expressible(portion: Portion) -> bool:
    """Whether every datetime of the portion is an instant that Cedar can say."""
    return all(
        isinstance(at := value(portion), int) and FIRST_MS <= at <= LAST_MS
        for kind, value in PORTION.values()
        if kind == "datetime"
    )
