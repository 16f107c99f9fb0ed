"""What analysts usually write: kinds by the role of their agency, and the portions that they take the time for."""

from random import Random
from typing import Final

from agencies.simulation.story import Story
from schemas.codes import AgencyRole, Kind, PortionName
from schemas.records import KINDS

#: role -> kinds by weight.
_KINDS: Final[dict[AgencyRole, dict[Kind, int]]] = {
    AgencyRole.POLICE: {
        Kind.SMUGGLING_ROUTE: 3,
        Kind.ORGANISED_GROUP: 3,
        Kind.TRAVEL_DOCUMENT: 2,
        Kind.CONCEALMENT_METHOD: 2,
        Kind.EXPERTISE: 1,
        Kind.TECHNICAL_INFORMATION: 2,
        Kind.BOAT_SUPPLY: 4,
        Kind.ONLINE_ADVERT: 4,
        Kind.ASSET_SEIZURE: 2,
        Kind.RETURN_CASE: 2,
        Kind.DEBRIEF: 4,
        Kind.INFORMATION_REQUEST: 3,
        Kind.INFORMATION_RESPONSE: 3,
        Kind.JOINT_OPERATION: 1,
        Kind.OFFICER_DEPLOYMENT: 1,
    },
    AgencyRole.BORDER: {
        Kind.DEBRIEF: 5,
        Kind.TRAVEL_DOCUMENT: 4,
        Kind.CONCEALMENT_METHOD: 4,
        Kind.BOAT_SUPPLY: 3,
        Kind.RETURN_CASE: 3,
        Kind.SMUGGLING_ROUTE: 2,
        Kind.INFORMATION_REQUEST: 2,
        Kind.INFORMATION_RESPONSE: 1,
        Kind.TECHNICAL_INFORMATION: 1,
        Kind.OFFICER_DEPLOYMENT: 1,
    },
    AgencyRole.FINANCIAL: {
        Kind.ASSET_SEIZURE: 6,
        Kind.ORGANISED_GROUP: 3,
        Kind.BOAT_SUPPLY: 2,
        Kind.INFORMATION_REQUEST: 2,
        Kind.INFORMATION_RESPONSE: 2,
        Kind.EXPERTISE: 1,
    },
    AgencyRole.UNION_BODY: {
        Kind.ORGANISED_GROUP: 4,
        Kind.SMUGGLING_ROUTE: 3,
        Kind.EXPERTISE: 3,
        Kind.INFORMATION_RESPONSE: 3,
        Kind.INFORMATION_REQUEST: 2,
        Kind.JOINT_OPERATION: 2,
        Kind.ONLINE_ADVERT: 2,
        Kind.TECHNICAL_INFORMATION: 2,
    },
    AgencyRole.COORDINATION: {Kind.EXPERTISE: 3, Kind.OFFICER_DEPLOYMENT: 2, Kind.JOINT_OPERATION: 1},
    AgencyRole.SOURCE_STATE: {
        Kind.TRAVEL_DOCUMENT: 3,
        Kind.SMUGGLING_ROUTE: 3,
        Kind.RETURN_CASE: 2,
        Kind.INFORMATION_RESPONSE: 2,
        Kind.BOAT_SUPPLY: 1,
        Kind.ONLINE_ADVERT: 1,
    },
    AgencyRole.PLATFORM: {Kind.ONLINE_ADVERT: 1},
}

#: How likely a portion is written beside the base; a kind of its own where it differs.
_PORTIONS: Final[dict[PortionName, float]] = {
    PortionName.BASE: 1.0,
    PortionName.SOURCES: 0.5,
    PortionName.PERSONS: 0.6,
    PortionName.FINANCIAL: 0.5,
    PortionName.REFERRAL: 0.9,
    PortionName.REMOVAL: 0.0,
}
_PERSONS: Final[dict[Kind, float]] = {
    Kind.DEBRIEF: 0.95,
    Kind.RETURN_CASE: 0.85,
    Kind.INFORMATION_REQUEST: 0.8,
    Kind.ONLINE_ADVERT: 0.3,
}


def usual_kind(random: Random, role: AgencyRole) -> Kind:
    """The kind of an agency's next record."""
    kinds = _KINDS[role]
    return random.choices(list(kinds), list(kinds.values()))[0]


def usual_portions(story: Story, kind: Kind) -> tuple[PortionName, ...]:
    """The portions that an analyst of the story's agency writes; a platform reports a removal and little more."""
    random = story.stream("portions")
    if story.agency.role is AgencyRole.PLATFORM:
        return (PortionName.REMOVAL,) if random.random() < 0.9 else (PortionName.BASE, PortionName.REMOVAL)
    chances = _PORTIONS | {PortionName.PERSONS: _PERSONS.get(kind, _PORTIONS[PortionName.PERSONS])}
    return tuple(name for name in map(PortionName, KINDS[kind].portions) if random.random() < chances[name])
