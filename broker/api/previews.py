"""`POST /v1/previews`: labels in, who would get which portion and why, as of now under the version that holds.

Nothing is sealed, sent or kept. It is asked of an engine of this process, which decides nothing.
"""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Body, Depends
from pydantic import Field

from broker.api import examples
from broker.api.context import Context, ThisContext, reads_json
from broker.api.reasons import OutcomeBody, RuleBody, rules_of
from broker.policy.foreseeing import ForeseenPortion, Portion, foresee, refusal
from schemas.clock import instant
from schemas.codes import Kind, PortionName
from schemas.directory import AgencyField
from schemas.envelope import MAX_PORTIONS
from schemas.http.labels import LabelBody
from schemas.http.problems import ProblemType
from schemas.http.refusals import described, not_found
from schemas.ids import AgencyId, RuleId
from schemas.model import Model
from schemas.verdicts import Refused

router = APIRouter(tags=["previews"])


class PortionLabel(Model):
    """A portion by its name, with the label that it would bear."""

    name: PortionName
    label: LabelBody


class PreviewRequest(Model):
    """A record's labels, without any content. `originator`: one's own agency where nothing is said."""

    originator: AgencyField | None = None
    kind: Kind
    portions: Annotated[tuple[PortionLabel, ...], Field(min_length=1, max_length=MAX_PORTIONS)]


class PortionOutcomes(Model):
    """A portion's outcome for every other active agency."""

    name: PortionName
    outcomes: tuple[OutcomeBody, ...]


class PreviewBody(Model):
    """What would become of the record. `refused`: why admission would quarantine it, null where it would not."""

    at: datetime
    originator: AgencyField
    kind: Kind
    arrangement: int
    refused: Refused | None
    portions: tuple[PortionOutcomes, ...]
    rules: dict[RuleId, RuleBody]
    """Those that decide an outcome, with their reasons in plain words."""


@router.post(
    "/v1/previews",
    summary="Who would get which portion, and why",
    responses=described(
        examples.PREVIEW, ProblemType.FORBIDDEN, ProblemType.NOT_FOUND, ProblemType.MEDIA_TYPE
    ),
    dependencies=[Depends(reads_json)],
)
async def preview(
    context: ThisContext,
    request: Annotated[
        PreviewRequest,
        Body(
            openapi_examples={"goods for two": {"summary": "one portion", "value": examples.PREVIEW_REQUEST}}
        ),
    ],
) -> PreviewBody:
    """Asks gate, addressees and rules as admission would now. Officers for their own agency, auditors for any."""
    context.allow(bool(context.sight.previews_for))
    originator, portions = originator_of(context, request.originator), labelled(request)
    refused = refusal(context.version.engine, originator, request.kind, portions, context.now_ms)
    foreseen: tuple[ForeseenPortion, ...] = ()
    if refused is None:
        foreseen = foresee(context.version.engine, originator, request.kind, portions, context.now_ms)
    return PreviewBody(
        at=instant(context.now_ms),
        originator=originator,
        kind=request.kind,
        arrangement=context.version.arrangement.body.number,
        refused=refused,
        portions=tuple(_portion(portion) for portion in foreseen),
        rules=rules_of(context.version, (r for p in foreseen for o in p.outcomes for r in o.rules)),
    )


def labelled(request: PreviewRequest) -> tuple[Portion, ...]:
    """The portions of a request, as they are asked about."""
    return tuple(Portion(portion.name, portion.label.label()) for portion in request.portions)


def originator_of(context: Context, named: AgencyId | None) -> AgencyId:
    """Whom the caller asks for. Raises: `Refusal`, the same as for an agency that is not there."""
    originator = named or context.caller.agency
    if originator is None or originator not in context.sight.previews_for:
        raise not_found()
    return originator


def _portion(portion: ForeseenPortion) -> PortionOutcomes:
    return PortionOutcomes(
        name=portion.name,
        outcomes=tuple(OutcomeBody.of(one) for one in portion.outcomes),
    )
