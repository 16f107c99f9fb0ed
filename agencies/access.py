"""The node's own decision: may this officer be shown this portion, for this purpose, now. Pure; every doubt denies.

- The broker decided agency x portion; this decides officer x portion, and never widens what the agency was given.
- An officer of the house stands on its roster; a liaison officer of another agency in the directory, hosted here. Whom
  the directory names acts in that posting alone: before its start and from its end on, they are shown nothing.
- The protection gate is asked again, with the states that see what the officer sees: everything that the home agency
  and the one that shows it are exposed to now, and the officer's own posting. No clearance and no name opens it.
- One reason is told, the first in the order of `Denied`; it is for the log alone, since a refusal has no reason.
"""

from dataclasses import dataclass
from enum import StrEnum

from schemas.clearance import Clearance
from schemas.codes import Purpose
from schemas.directory import Directory, Interval
from schemas.gate import barred
from schemas.ids import AgencyId, OfficerId
from schemas.labels import Handling, home_of
from schemas.records import bears_persons


class Denied(StrEnum):
    """Why an officer is not shown a portion, the strongest first."""

    GATE = "protection_gate"
    SUSPENDED = "agency_suspended"
    NO_POSTING = "no_posting_now"
    NO_CLEARANCE = "no_clearance"
    NOT_NAMED = "named_for_others"
    TLP = "above_tlp_ceiling"
    HANDLING_CODE = "handling_code_not_cleared"
    SPECIAL_CATEGORY = "special_category_not_cleared"
    PURPOSE = "purpose_not_in_label"
    RETENTION = "retain_until_passed"
    UNREADABLE = "label_unreadable"


@dataclass(frozen=True, slots=True)
class Employment:
    """An own officer as the house's roster has them: since when, until when, cleared for what."""

    during: Interval
    clearance: Clearance | None


@dataclass(frozen=True, slots=True)
class Reader:
    """An officer who asks at an agency's node. `employment`: None for whom its roster does not name."""

    officer: OfficerId
    agency: AgencyId
    employment: Employment | None


@dataclass(frozen=True, slots=True)
class Held:
    """A portion that the agency holds, without its content.

    `handling` is None for a label that cannot be read; `officers` are the agency's own who were named for it.
    """

    originator: AgencyId
    record_id: bytes
    manifest: bytes
    kind: str
    name: str
    handling: Handling | None
    officers: tuple[str, ...]


def standing(reader: Reader, directory: Directory, at_ms: int) -> Denied | None:
    """Why the officer may not be shown anything at all now; None: what a portion's label allows."""
    home = home_of(reader.officer)
    known = directory.agency_ids
    if reader.agency not in known or home not in known:
        return Denied.NO_POSTING
    if directory.suspended(reader.agency, at_ms) or directory.suspended(home, at_ms):
        return Denied.SUSPENDED
    posting = directory.officer(reader.officer)
    if posting is not None and not posting.holds(at_ms):
        return Denied.NO_POSTING
    if home == reader.agency:
        if reader.employment is None or not reader.employment.during.holds(at_ms):
            return Denied.NO_POSTING
    elif posting is None or posting.host != reader.agency:
        return Denied.NO_POSTING
    return Denied.NO_CLEARANCE if clearance(reader, directory) is None else None


def clearance(reader: Reader, directory: Directory) -> Clearance | None:
    """What the officer may be shown here: by the roster in their own house, by the arrangement in another."""
    if home_of(reader.officer) == reader.agency:
        return None if reader.employment is None else reader.employment.clearance
    posting = directory.officer(reader.officer)
    return None if posting is None else posting.clearance


def decide(
    reader: Reader, portion: Held, purpose: Purpose, directory: Directory, at_ms: int
) -> Denied | None:
    """Why the officer is not shown the portion for the purpose at an instant of domain time; None: it is shown."""
    handling = portion.handling
    if handling is None:
        return Denied.UNREADABLE
    if _barred(reader, portion, handling, directory, at_ms):
        return Denied.GATE
    nothing = standing(reader, directory, at_ms)
    if nothing is not None:
        return nothing
    cleared = clearance(reader, directory)
    assert cleared is not None  # or `standing` had said so
    if portion.officers and reader.officer not in portion.officers:
        return Denied.NOT_NAMED
    if not cleared.reaches(handling.tlp):
        return Denied.TLP
    if not cleared.handling_codes >= set(handling.handling_codes):
        return Denied.HANDLING_CODE
    if not cleared.special >= set(handling.special):
        return Denied.SPECIAL_CATEGORY
    if purpose not in handling.purposes:
        return Denied.PURPOSE
    if at_ms // 86_400_000 > handling.retain_until:
        return Denied.RETENTION
    return None


def _barred(reader: Reader, portion: Held, handling: Handling, directory: Directory, at_ms: int) -> bool:
    """The gate, on the officer. Whatever is unknown to the arrangement is exposed to every state."""
    try:
        persons = bears_persons(portion.kind, portion.name)
        houses = {home_of(reader.officer), reader.agency}
        exposed = [directory.exposed_states(house, at_ms, (reader.officer,)) for house in houses]
    except KeyError:
        return True
    return any(barred(persons, handling, states) for states in exposed)
