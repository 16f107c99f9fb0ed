"""One change of a portion's label, or of what the directory says of a recipient; and what comes of it.

- A marking is the originator's choice. A fact is about persons, sources or content: it holds or does not, and to write
  what is not so is no choice. What the directory says is the members' to sign.
- Nothing here changes the originator, a record's kind, or which portions it has: to send a portion apart from its
  record would only hide from the rules what they are to see.
- Pure: labels and directories are made anew.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import msgspec

from broker.policy.entities import CHOICES, CODES
from broker.policy.foreseeing import Portion
from schemas.codes import (
    AgencyRole,
    PortionName,
    State,
)
from schemas.directory import Agency, Community, Directory, Membership, Officer
from schemas.ids import AgencyId
from schemas.labels import Label, ordered


class Nature(StrEnum):
    """Who could bring a change about: the originator, the members together, or nobody by writing it."""

    MARKING = "marking"
    DIRECTORY = "directory"
    FACT = "fact"


class Verb(StrEnum):
    """What is done to a field."""

    SET = "set"
    ADD = "add"
    REMOVE = "remove"


@dataclass(frozen=True, slots=True)
class Change:
    """One change. `portion`: whose label; None: it is about the recipient. `values`: one of them is meant."""

    portion: PortionName | None
    field: str
    verb: Verb
    values: tuple[str, ...]

    @property
    def value(self) -> str:
        """The first of the values: a change that was tried has no other."""
        return self.values[0]

    @property
    def nature(self) -> Nature:
        if self.portion is None:
            return Nature.DIRECTORY
        return Nature.FACT if self.field in FACTS else Nature.MARKING

    @property
    def place(self) -> tuple[str, ...]:
        """Where it stands among others: markings, then the directory, then facts."""
        return (str(list(Nature).index(self.nature)), self.portion or "", self.field, self.verb, *self.values)

    def excludes(self, other: "Change") -> bool:
        """Whether the two cannot be made together: both say what one field, or one code in it, is to be."""
        if (self.portion, self.field) != (other.portion, other.field):
            return False
        return Verb.SET in (self.verb, other.verb) or self.value == other.value


#: Fields of a label that state what is so.
FACTS: Final = frozenset(
    {"subjects", "grounds", "protection_cleared", "origins", "special", "source", "information"}
)

ROUTES: Final = ("agencies", "communities", "officers")


def relabelled(portions: Sequence[Portion], changes: Iterable[Change]) -> tuple[Portion, ...]:
    """The portions with the changes of their labels."""
    labels = {portion.name: portion.label for portion in portions}
    for change in changes:
        if change.portion is not None:
            labels[change.portion] = _label(labels[change.portion], change)
    return tuple(Portion(portion.name, labels[portion.name]) for portion in portions)


def _label(label: Label, change: Change) -> Label:
    if change.field in ROUTES:
        routing = msgspec.structs.replace(
            label.routing, **{change.field: _members(getattr(label.routing, change.field), change)}
        )
        return msgspec.structs.replace(label, routing=routing)
    return msgspec.structs.replace(
        label, handling=msgspec.structs.replace(label.handling, **{change.field: _value(label, change)})
    )


def _value(label: Label, change: Change) -> object:
    if change.field == "protection_cleared":
        return change.value == "true"
    if change.field == "retain_until":
        return int(change.value)
    if change.field in CHOICES:
        return CHOICES[change.field](change.value)
    code = CODES[change.field](change.value)
    return _members(getattr(label.handling, change.field), change, code)


def _members(present: tuple[str, ...], change: Change, code: str | None = None) -> tuple[str, ...]:
    value = change.value if code is None else code
    match change.verb:
        case Verb.ADD:
            return ordered((*present, value))
        case Verb.REMOVE:
            return tuple(one for one in present if one != value)
        case Verb.SET:
            return (value,)


def restated(directory: Directory, recipient: AgencyId, changes: Iterable[Change]) -> Directory:
    """The directory with what it is to say of the recipient instead; the same one if nothing is changed."""
    for change in changes:
        if change.portion is None:
            directory = _restated(directory, recipient, change)
    return directory


def _restated(directory: Directory, recipient: AgencyId, change: Change) -> Directory:
    agencies, communities = directory.agencies, directory.communities
    officers, suspensions = directory.officers, directory.suspensions
    match change.field:
        case "community":
            communities = tuple(
                _community(c, recipient, change.verb) if c.id == change.value else c for c in communities
            )
        case "suspended":
            suspensions = tuple(s for s in suspensions if s.agency != recipient)
        case "host":
            officers = tuple(_unhosted(o) if o.id == change.value else o for o in officers)
        case _:
            agencies = tuple(_agency(a, change) if a.id == recipient else a for a in agencies)
    # A model's copy would keep the answers that the directory remembers, which are no longer true
    return Directory(
        agencies=agencies,
        officers=officers,
        communities=communities,
        suspensions=suspensions,
        lanes=directory.lanes,
    )


def _agency(agency: Agency, change: Change) -> Agency:
    said = {name: getattr(agency, name) for name in Agency.model_fields}
    match change.field:
        case "role":
            said["role"] = AgencyRole(change.value)
        case "coordinating":
            said["coordinating"] = change.value == "true"
        case "exposed_states":
            declared = agency.exposed_states or frozenset()
            said["exposed_states"] = declared - {State(change.value)} if change.value else frozenset()
    return Agency(**said)


def _community(community: Community, recipient: AgencyId, verb: Verb) -> Community:
    others = tuple(member for member in community.members if member.agency != recipient)
    said = {name: getattr(community, name) for name in Community.model_fields}
    if verb is Verb.ADD:
        # One that is not in force now is meant to be: a membership in it would else say nothing
        return Community(
            **{**said, "members": (*others, Membership(agency=recipient)), "start": None, "end": None}
        )
    return Community(**{**said, "members": others}) if others else community


def _unhosted(officer: Officer) -> Officer:
    said = {name: getattr(officer, name) for name in Officer.model_fields}
    return Officer(**{**said, "host": None, "clearance": None})
