"""As whom the house knows the caller: who may do what starts here for a client."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import Field

from agencies.access import clearance
from agencies.api import examples
from agencies.api.context import ThisContext
from agencies.roster import StaffRole
from schemas.codes import HandlingCode, SpecialCategory, Tlp
from schemas.directory import AgencyField
from schemas.http.problems import ProblemType
from schemas.http.refusals import described
from schemas.model import Model

router = APIRouter(tags=["person"])


class ClearanceBody(Model):
    """What may be shown: marks up to `tlp`, and each code that may stand in a label."""

    tlp: Tlp
    handling_codes: tuple[HandlingCode, ...]
    special: tuple[SpecialCategory, ...]


class PersonBody(Model):
    """An officer here. `roles` is empty for a liaison officer; `clearance` is null for whom nothing is shown now."""

    officer: str
    home: AgencyField
    node: Annotated[AgencyField, Field(description="Whose node this is.")]
    roles: tuple[StaffRole, ...]
    clearance: ClearanceBody | None


@router.get("/v1/me", summary="Who I am here", responses=described(examples.PERSON, ProblemType.FORBIDDEN))
async def me(context: ThisContext) -> PersonBody:
    """The caller as roster and arrangement have them now."""
    held = clearance(context.reader, context.directory) if context.lacking is None else None
    return PersonBody(
        officer=context.reader.officer,
        home=context.home,
        node=context.parts.agency,
        roles=tuple(sorted(context.roles)),
        clearance=None
        if held is None
        else ClearanceBody(
            tlp=held.tlp,
            handling_codes=tuple(sorted(held.handling_codes)),
            special=tuple(sorted(held.special)),
        ),
    )
