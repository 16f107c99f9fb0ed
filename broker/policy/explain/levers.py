"""Which single changes touch what is read: of a portion's label, of its record's other portions, of the recipient.

- What stands in the way (the gate, a rule, a part of a rule) reads a few attributes; unless one of them changes, it
  stands. So a search need not try anything else.
- A set has each code of its closed list added or taken away; states of origin are too many, so one is tried that does
  not see what the recipient holds. A recipient's own states, like the originator, are never changed.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from broker.policy.entities import CHOICES, CODES, DAY_MS
from broker.policy.explain.edits import Change, Verb
from broker.policy.foreseeing import Portion
from broker.policy.reads import Reads
from schemas.codes import UNKNOWN_STATE, AgencyRole, Kind, PortionName, State, SubjectCategory
from schemas.directory import Directory
from schemas.gate import ALL_STATES
from schemas.ids import AgencyId
from schemas.records import bears_persons

#: What the gate reads, as if it were a rule.
GATE: Final = Reads(
    principal=frozenset({"exposed_states", "exposed_known"}),
    resource=frozenset({"protected", "origins", "origins_known"}),
)
#: What it takes to be addressed.
ADDRESSING: Final = Reads(resource=frozenset({"to_agencies", "to_communities", "to_officers_of"}))
SUSPENSION: Final = Reads(principal=frozenset({"suspended"}))

_PROTECTION: Final = ("subjects", "grounds", "protection_cleared")
#: Attribute of the portion -> the fields of its own label that it is made of.
_OWN: Final = {
    **{name: (name,) for name in (*CHOICES, *CODES, "protection_cleared", "retain_until")},
    "protected": _PROTECTION,
    "origins_known": ("origins",),
    "to_agencies": ("agencies",),
    "to_communities": ("communities",),
    "to_officers_of": ("officers",),
}
#: Attribute of the portion -> the fields of every portion of the record that bears persons.
_OF_THE_RECORD: Final = {
    "record_protected": _PROTECTION,
    "record_origins": (*_PROTECTION, "origins"),
    "record_origins_known": (*_PROTECTION, "origins"),
}
_EXPOSURE: Final = frozenset({"exposed_states", "exposed_known"})


@dataclass(frozen=True, slots=True)
class Case:
    """A portion of a record on its way to one recipient, under a directory. `at_ms`: the admission time."""

    directory: Directory
    originator: AgencyId
    kind: Kind
    portions: tuple[Portion, ...]
    name: PortionName
    recipient: AgencyId
    at_ms: int

    @property
    def portion(self) -> Portion:
        """Raises: `KeyError` for a portion that the record does not have."""
        return named(self.portions, self.name)


def named(portions: Sequence[Portion], name: str) -> Portion:
    """Raises: `KeyError` for a portion that is not there."""
    found = next((portion for portion in portions if portion.name == name), None)
    if found is None:
        raise KeyError(name)
    return found


def levers(case: Case, reads: Reads) -> frozenset[Change]:
    """The changes that touch what is read."""
    return frozenset((*_of_labels(case, reads), *_of_directory(case, reads)))


def _of_labels(case: Case, reads: Reads) -> Iterator[Change]:
    attributes = set(reads.resource) | {m.attribute for m in reads.moments if m.attribute}
    fields = {(case.name, field) for name in attributes for field in _OWN.get(name, ())}
    for name in attributes & _OF_THE_RECORD.keys():
        for portion in case.portions:
            if bears_persons(case.kind, portion.name):
                fields |= {(portion.name, field) for field in _OF_THE_RECORD[name]}
    if reads.principal & _EXPOSURE:
        yield from _unnamed(case)
    for portion_name, field in sorted(fields):
        yield from _of_field(case, named(case.portions, portion_name), field, reads)


def _of_field(case: Case, portion: Portion, field: str, reads: Reads) -> Iterator[Change]:
    handling, name = portion.label.handling, portion.name
    match field:
        case "agencies" | "communities" | "officers":
            yield from _of_route(case, portion, field, reads)
        case "protection_cleared":
            yield Change(name, field, Verb.SET, (str(not handling.protection_cleared).lower(),))
        case "retain_until":
            yield Change(name, field, Verb.SET, (str(case.at_ms // DAY_MS + 1),))
        case "origins":
            yield from _of_origins(case, portion, reads)
        case _ if field in CHOICES:
            present = getattr(handling, field)
            yield from (Change(name, field, Verb.SET, (code,)) for code in CHOICES[field] if code != present)
        case _:
            present = getattr(handling, field)
            for code in CODES[field]:
                verb = Verb.REMOVE if code in present else Verb.ADD
                yield Change(name, field, verb, (str(code),))
            if field == "subjects":
                for code in (SubjectCategory.SUSPECT, SubjectCategory.CONVICTED):
                    if present != (code,):
                        yield Change(name, field, Verb.SET, (str(code),))


def _of_route(case: Case, portion: Portion, field: str, reads: Reads) -> Iterator[Change]:
    directory, routing, name = case.directory, portion.label.routing, portion.name
    present: tuple[str, ...] = getattr(routing, field)
    wanted: set[str] = set()
    match field:
        case "agencies":
            wanted = {case.recipient, *reads.agencies} - {case.originator}
        case "communities":
            wanted = {*directory.communities_of(case.recipient, case.at_ms), *reads.communities}
        case "officers":
            wanted = {o.id for o in directory.officers if o.home == case.recipient and o.holds(case.at_ms)}
    yield from (Change(name, field, Verb.ADD, (value,)) for value in sorted(wanted - set(present)))
    yield from (Change(name, field, Verb.REMOVE, (value,)) for value in present)


def _of_origins(case: Case, portion: Portion, reads: Reads) -> Iterator[Change]:
    present = portion.label.handling.origins
    stated = {value for kind, value in reads.literals if kind == "State"} - {UNKNOWN_STATE}
    yield from (
        Change(portion.name, "origins", Verb.ADD, (value,)) for value in sorted(stated - set(present))
    )
    if len(present) > 1:
        yield from (Change(portion.name, "origins", Verb.REMOVE, (value,)) for value in present)
    tried = _unseen_state(case, stated)
    if tried is not None and present != (tried,):
        yield Change(portion.name, "origins", Verb.SET, (tried,))


def _unseen_state(case: Case, stated: set[str]) -> str | None:
    """A state that does not see what the recipient holds, if possible one that persons flee from."""
    exposed = case.directory.exposed_states(case.recipient, case.at_ms)
    if exposed is ALL_STATES:
        return None
    sources = {s for a in case.directory.agencies if a.role is AgencyRole.SOURCE_STATE for s in a.states}
    for state in (*sorted(sources), *State):
        if state not in exposed and state not in stated and state != UNKNOWN_STATE:
            return str(state)
    return None


def _unnamed(case: Case) -> Iterator[Change]:
    """A named officer exposes the recipient to where the officer is posted."""
    for officer in case.portion.label.routing.officers:
        entry = case.directory.officer(officer)
        if entry is not None and entry.home == case.recipient and entry.posted_to is not None:
            yield Change(case.name, "officers", Verb.REMOVE, (officer,))


def _of_directory(case: Case, reads: Reads) -> Iterator[Change]:
    directory, recipient = case.directory, case.recipient
    entry = directory.agency(recipient)
    if "role" in reads.principal:
        yield from (Change(None, "role", Verb.SET, (r,)) for r in AgencyRole if r != entry.role)
    if "coordinating" in reads.principal:
        yield Change(None, "coordinating", Verb.SET, (str(not entry.coordinating).lower(),))
    if "suspended" in reads.principal and directory.suspended(recipient, case.at_ms):
        yield Change(None, "suspended", Verb.SET, ("false",))
    if reads.principal & _EXPOSURE:
        yield from _of_exposure(case, reads)
    of = set(reads.communities)
    if "to_communities" in reads.resource:
        of |= set(case.portion.label.routing.communities)
    member = set(directory.communities_of(recipient, case.at_ms))
    yield from (Change(None, "community", Verb.ADD, (c,)) for c in sorted(of - member))
    yield from (Change(None, "community", Verb.REMOVE, (c,)) for c in sorted(set(reads.communities) & member))


def _of_exposure(case: Case, reads: Reads) -> Iterator[Change]:
    directory, recipient = case.directory, case.recipient
    entry = directory.agency(recipient)
    watched: set[str] = {state for p in case.portions for state in p.label.handling.origins}
    watched |= {value for kind, value in reads.literals if kind == "State"}
    if entry.exposed_states is None:
        if entry.states:
            yield Change(None, "exposed_states", Verb.SET, ("",))
    else:
        seen = sorted((entry.exposed_states & watched) - entry.states)
        yield from (Change(None, "exposed_states", Verb.REMOVE, (state,)) for state in seen)
    for officer in directory.officers:
        if officer.host is None or not officer.holds(case.at_ms):
            continue
        if recipient in (officer.home, officer.host):
            other = directory.agency(officer.host if officer.home == recipient else officer.home).exposed
            if other is ALL_STATES or other & watched:
                yield Change(None, "host", Verb.REMOVE, (officer.id,))
