"""The staff of an agency in a run: a roster to begin with, for its node and for whoever wants to try the roles.

    <agency>/analyst-1   an officer who is shown what most of the work needs
    <agency>/chief       an officer who is shown everything
    <agency>/dpo         the data-protection officer
    and the agency's own officers who are posted elsewhere, as analysts

A real agency writes its own (`agencies.roster`).
"""

from pathlib import Path
from typing import Final

import yaml

from agencies.roster import Member, Roster, StaffRole
from schemas.clearance import Clearance
from schemas.codes import HandlingCode, SpecialCategory, Tlp
from schemas.directory import Directory
from schemas.ids import AgencyId, OfficerId

ROSTER: Final = "officers.yaml"

_ANALYST: Final = Clearance(
    tlp=Tlp.AMBER_STRICT, handling_codes=frozenset({HandlingCode.H0, HandlingCode.H1, HandlingCode.H2})
)
_CHIEF: Final = Clearance(
    tlp=Tlp.RED, handling_codes=frozenset(HandlingCode), special=frozenset(SpecialCategory)
)


def staff(agency: AgencyId, directory: Directory) -> Roster:
    """Who is on the roster of an agency."""
    analysts = [f"{agency}/analyst-1", *(o.id for o in directory.officers if o.home == agency)]
    officer = frozenset({StaffRole.OFFICER})
    return Roster(
        officers=(
            *(Member(id=OfficerId(a), roles=officer, clearance=_ANALYST) for a in analysts),
            Member(id=OfficerId(f"{agency}/chief"), roles=officer, clearance=_CHIEF),
            Member(id=OfficerId(f"{agency}/dpo"), roles=frozenset({StaffRole.DPO})),
        )
    )


def write_staff(folder: Path, agency: AgencyId, directory: Directory) -> Path:
    """Write the roster into an agency's folder, and return its file."""
    path = folder / ROSTER
    told = staff(agency, directory).model_dump(mode="json", exclude_none=True)
    for member in told["officers"]:
        for part in (member, member.get("clearance", {})):
            part.update({k: sorted(v) for k, v in part.items() if isinstance(v, list)})
    path.write_text(yaml.safe_dump(told, sort_keys=False))
    return path
