"""Counts: of lanes for whoever runs the service, of deliveries for whoever they were made to.

An operator sees how many, never what or why of a record. A coordinator sees how many records reached each agency of
its country, of all originators together: not from whom, for that could tell of a team it does not know of.
"""

from collections.abc import Iterable

from fastapi import APIRouter
from pydantic import Field

from broker.api import examples
from broker.api.context import Context, ThisContext
from schemas.directory import AgencyField
from schemas.http.problems import ProblemType
from schemas.http.refusals import described
from schemas.ids import AgencyId
from schemas.model import Model
from schemas.verdicts import Refused

router = APIRouter(tags=["counts"])


class LaneBody(Model):
    """What a lane's ledger comes to."""

    originator: AgencyField
    leaves: int = Field(ge=0)
    admitted: int = Field(ge=0)
    quarantined: dict[Refused, int]
    duplicates: int = Field(ge=0)
    gaps: int = Field(ge=0)
    controls: int = Field(ge=0)


class StatusBody(Model):
    """The service and its lanes. `lacking`: what keeps it from being current, or null."""

    lacking: str | None
    arrangement: int
    lanes: tuple[LaneBody, ...]


class DeliveredBody(Model):
    """How many records of which a portion was released to each agency."""

    delivered: dict[AgencyField, int]


@router.get(
    "/v1/status",
    summary="The service and its lanes",
    responses=described(examples.STATUS, ProblemType.FORBIDDEN),
)
async def status(context: ThisContext) -> StatusBody:
    """For operators and auditors."""
    context.allow(context.sight.service)
    return StatusBody(
        lacking=await context.parts.lacking(),
        arrangement=context.version.arrangement.body.number,
        lanes=tuple([await _lane(context, lane) for lane in _all(context)]),
    )


@router.get(
    "/v1/delivered",
    summary="How much was delivered to whom",
    responses=described(examples.DELIVERED, ProblemType.FORBIDDEN),
)
async def delivered(context: ThisContext) -> DeliveredBody:
    """Officers see their own agency's count, coordinators those of their country, auditors all."""
    context.allow(bool(context.sight.delivered_to))
    totals = dict.fromkeys(sorted(context.sight.delivered_to), 0)
    for lane in _all(context):
        for recipient, count in (await context.parts.evidence.counts(lane)).delivered.items():
            if recipient in totals:
                totals[recipient] += count
    return DeliveredBody(delivered=totals)


def _all(context: Context) -> Iterable[AgencyId]:
    return context.version.arrangement.directory.agency_ids


async def _lane(context: Context, lane: AgencyId) -> LaneBody:
    counts = await context.parts.evidence.counts(lane)
    return LaneBody(
        originator=lane,
        leaves=counts.leaves,
        admitted=counts.admitted,
        quarantined=dict(sorted(counts.quarantined.items())),
        duplicates=counts.duplicates,
        gaps=counts.gaps,
        controls=counts.controls,
    )
