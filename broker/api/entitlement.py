"""Who may see what, decided before anything is looked for: so that what one may not see is as if it were not there.

- An officer: what its own agency originated. An auditor: everything. An operator: that the service lives, and counts.
- A coordinator: the decisions on what its country's agencies originated, without labels, and counts of what was
  delivered to these; nothing of what others originated.
- A role is what the token says, an agency's right to it is what the arrangement says now.
"""

from dataclasses import dataclass

from schemas.codes import AgencyRole
from schemas.directory import Directory
from schemas.http.tokens import ApiRole, Caller
from schemas.ids import AgencyId

#: Bodies that have a seat in a state and are none of its agencies.
_OF_NO_STATE = (AgencyRole.UNION_BODY, AgencyRole.PLATFORM)


@dataclass(frozen=True, slots=True)
class Sight:
    """What a caller may see."""

    directory: bool = False
    """Agencies and communities, as the arrangement has them."""
    lanes: frozenset[AgencyId] = frozenset()
    """Whose decisions."""
    labels: bool = False
    """The labels in them, and the ledger's own bytes, which hold labels."""
    previews_for: frozenset[AgencyId] = frozenset()
    delivered_to: frozenset[AgencyId] = frozenset()
    """Counts of what was delivered to whom."""
    service: bool = False
    """State and counts of the service itself."""


NOTHING = Sight()


def sight(caller: Caller, directory: Directory) -> Sight:
    """What the caller may see under this directory."""
    everybody = frozenset(directory.agency_ids)
    if caller.role is ApiRole.AUDITOR:
        return Sight(True, everybody, True, everybody, everybody, True)
    if caller.role is ApiRole.OPERATOR:
        return Sight(service=True)
    agency = caller.agency
    if agency is None or agency not in everybody:
        return NOTHING
    own = frozenset({agency})
    if caller.role is ApiRole.OFFICER:
        return Sight(True, own, True, own, own)
    if not directory.agency(agency).coordinating:
        return NOTHING
    country = compatriots(agency, directory)
    return Sight(True, country, delivered_to=country)


def compatriots(coordinator: AgencyId, directory: Directory) -> frozenset[AgencyId]:
    """The agencies of a coordinator's own states, itself among them; bodies of no state are nobody's."""
    states = directory.agency(coordinator).states
    return frozenset(
        a.id
        for a in directory.agencies
        if a.id == coordinator or (a.states and a.states <= states and a.role not in _OF_NO_STATE)
    )
