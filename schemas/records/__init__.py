"""Record kinds, one file each: fields, portions, which portions bear persons, and the labels to start from.

The registry is closed: a kind that is not here is quarantined by its reason, never guessed at.
"""

from schemas.codes import Kind, PortionName
from schemas.records.asset_seizure import ASSET_SEIZURE
from schemas.records.boat_supply import BOAT_SUPPLY
from schemas.records.concealment_method import CONCEALMENT_METHOD
from schemas.records.debrief import DEBRIEF
from schemas.records.expertise import EXPERTISE
from schemas.records.information_request import INFORMATION_REQUEST
from schemas.records.information_response import INFORMATION_RESPONSE
from schemas.records.joint_operation import JOINT_OPERATION
from schemas.records.kind import KindSpec
from schemas.records.officer_deployment import OFFICER_DEPLOYMENT
from schemas.records.online_advert import ONLINE_ADVERT
from schemas.records.organised_group import ORGANISED_GROUP
from schemas.records.return_case import RETURN_CASE
from schemas.records.smuggling_route import SMUGGLING_ROUTE
from schemas.records.technical_information import TECHNICAL_INFORMATION
from schemas.records.travel_document import TRAVEL_DOCUMENT

#: In the order of the closed list.
KINDS: dict[str, KindSpec] = {
    spec.kind: spec
    for spec in (
        SMUGGLING_ROUTE,
        ORGANISED_GROUP,
        TRAVEL_DOCUMENT,
        CONCEALMENT_METHOD,
        EXPERTISE,
        TECHNICAL_INFORMATION,
        BOAT_SUPPLY,
        ONLINE_ADVERT,
        ASSET_SEIZURE,
        RETURN_CASE,
        DEBRIEF,
        INFORMATION_REQUEST,
        INFORMATION_RESPONSE,
        JOINT_OPERATION,
        OFFICER_DEPLOYMENT,
    )
}


def bears_persons(kind: Kind | str, portion: PortionName | str) -> bool:
    """Whether the portion of the kind bears persons. Raises: `KeyError` for an unknown kind or portion."""
    return KINDS[kind].portions[portion].bears_persons


__all__ = ["KINDS", "KindSpec", "bears_persons"]
