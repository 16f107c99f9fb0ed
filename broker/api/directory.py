"""Agencies and communities of interest, as the caller may see them.

The public part of the arrangement is known to each member, so officers, coordinators and auditors see it whole;
`_visible` is the one place where a private part would be cut.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import Field

from broker.api import examples
from broker.api.context import Context, ThisContext
from schemas.clock import instant
from schemas.codes import AgencyRole, State
from schemas.directory import Agency, AgencyField, Community, CommunityField
from schemas.http.problems import ProblemType
from schemas.http.refusals import described, not_found
from schemas.ids import AGENCY_PATTERN, COMMUNITY_PATTERN
from schemas.model import Model

router = APIRouter(tags=["directory"])


class ArrangementBody(Model):
    """The version that was signed last. `now`: domain time, as the clock has it that was signed last."""

    federation: str
    number: Annotated[int, Field(ge=0)]
    digest: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    threshold: int
    now: datetime


class AgencyBody(Model):
    """A partner. `active`: not suspended now. `exposed_states`: null stands for every state."""

    id: AgencyField
    name: str
    role: AgencyRole
    states: tuple[State, ...]
    exposed_states: tuple[State, ...] | None
    coordinating: bool
    active: bool
    communities: tuple[CommunityField, ...]
    """Those it is a member of now."""


class AgenciesBody(Model):
    """Every agency, in the order of their ids."""

    agencies: tuple[AgencyBody, ...]


class MemberBody(Model):
    """An agency in a community; `start` belongs to the time, `end` does not, null is open."""

    agency: AgencyField
    start: datetime | None
    end: datetime | None


class CommunityBody(Model):
    """A community of interest. `active`: whether it is in its own interval now."""

    id: CommunityField
    name: str
    lead: AgencyField | None
    start: datetime | None
    end: datetime | None
    active: bool
    members: tuple[MemberBody, ...]


class CommunitiesBody(Model):
    """Every community that the caller may see, in the order of their ids."""

    communities: tuple[CommunityBody, ...]


@router.get(
    "/v1/arrangement",
    summary="The arrangement that holds",
    responses=described(examples.ARRANGEMENT, ProblemType.FORBIDDEN),
)
async def arrangement(context: ThisContext) -> ArrangementBody:
    """Number and digest of the version that was signed last, to compare with one's own."""
    context.allow(context.sight.directory or context.sight.service)
    held = context.version.arrangement
    return ArrangementBody(
        federation=held.body.federation,
        number=held.body.number,
        digest=held.digest.hex(),
        threshold=held.body.threshold,
        now=instant(context.now_ms),
    )


@router.get(
    "/v1/agencies", summary="All agencies", responses=described(examples.AGENCIES, ProblemType.FORBIDDEN)
)
async def agencies(context: ThisContext) -> AgenciesBody:
    """The partners of the arrangement."""
    context.allow(context.sight.directory)
    directory = context.version.arrangement.directory
    return AgenciesBody(agencies=tuple(_agency(context, directory.agency(a)) for a in directory.agency_ids))


@router.get(
    "/v1/agencies/{agency}",
    summary="One agency",
    responses=described(examples.AGENCY, ProblemType.FORBIDDEN, ProblemType.NOT_FOUND),
)
async def one_agency(
    context: ThisContext,
    agency: Annotated[str, Path(pattern=AGENCY_PATTERN, examples=["gb-nca"])],
) -> AgencyBody:
    """A partner by its id."""
    context.allow(context.sight.directory)
    try:
        return _agency(context, context.version.arrangement.directory.agency(agency))
    except KeyError:
        raise not_found() from None


@router.get(
    "/v1/communities",
    summary="All communities",
    responses=described(examples.COMMUNITIES, ProblemType.FORBIDDEN),
)
async def communities(context: ThisContext) -> CommunitiesBody:
    """The communities of interest that the caller may see."""
    context.allow(context.sight.directory)
    seen = sorted(_visible(context), key=lambda c: c.id)
    return CommunitiesBody(communities=tuple(_community(context, c) for c in seen))


@router.get(
    "/v1/communities/{community}",
    summary="One community",
    responses=described(examples.COMMUNITY, ProblemType.FORBIDDEN, ProblemType.NOT_FOUND),
)
async def one_community(
    context: ThisContext,
    community: Annotated[str, Path(pattern=COMMUNITY_PATTERN, examples=["jit-north-sea"])],
) -> CommunityBody:
    """A community of interest by its id; one that the caller may not see is as unknown as any other."""
    context.allow(context.sight.directory)
    found = next((c for c in _visible(context) if c.id == community), None)
    if found is None:
        raise not_found()
    return _community(context, found)


def _visible(context: Context) -> Iterable[Community]:
    return context.version.arrangement.directory.communities


def _agency(context: Context, agency: Agency) -> AgencyBody:
    directory, seen = context.version.arrangement.directory, {c.id for c in _visible(context)}
    return AgencyBody(
        id=agency.id,
        name=agency.name,
        role=agency.role,
        states=tuple(sorted(agency.states)),
        exposed_states=None if agency.exposed is None else tuple(sorted(agency.exposed)),
        coordinating=agency.coordinating,
        active=not directory.suspended(agency.id, context.now_ms),
        communities=tuple(c for c in directory.communities_of(agency.id, context.now_ms) if c in seen),
    )


def _community(context: Context, community: Community) -> CommunityBody:
    return CommunityBody(
        id=community.id,
        name=community.name,
        lead=community.lead,
        start=community.start,
        end=community.end,
        active=community.holds(context.now_ms),
        members=tuple(MemberBody(agency=m.agency, start=m.start, end=m.end) for m in community.members),
    )
