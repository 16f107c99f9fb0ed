"""Decisions with their reasons: what became of each record, portion by portion and agency by agency.

Officers see their own agency's, coordinators their country's without labels, auditors all; operators none.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Path, Query
from pydantic import Field

from broker.api import cursor, examples
from broker.api.context import Context, ThisContext
from broker.api.evidence import Event
from broker.api.reasons import OutcomeBody, RuleBody, rules_of
from broker.policy.recorded import outcomes
from broker.versions import Version
from schemas.clock import instant
from schemas.directory import AgencyField
from schemas.http.labels import HandlingBody, LabelBody, RoutingBody
from schemas.http.problems import ProblemType
from schemas.http.refusals import Refusal, described, not_found
from schemas.ids import AGENCY_PATTERN, AgencyId, Digest, RuleId, record_text
from schemas.labels import parse_handling, parse_routing
from schemas.ledger import Admitted, LedgerPortion, Quarantined
from schemas.model import Model
from schemas.rulings import Ruling
from schemas.verdicts import Refused

router = APIRouter(tags=["decisions"])

MOST = 200
LAST_NUMBER = 2**53 - 1
"""The largest leaf number that is asked for: JSON's numbers are exact up to there."""

HexDigest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
EventId = Annotated[str, Field(pattern=cursor.PATTERN, max_length=100_000)]
LeafNumber = Annotated[int, Field(ge=0, le=LAST_NUMBER)]


class DecidedPortion(Model):
    """A portion and what each other active agency got of it. `label` is null for who may not see labels."""

    name: str
    label: LabelBody | None
    ruling: HexDigest
    outcomes: tuple[OutcomeBody, ...]


class DecisionBody(Model):
    """What became of one entry of an originator's lane."""

    event: EventId | None
    """Where a page or a stream goes on after it; null in answers that are no page."""
    originator: AgencyField
    number: LeafNumber
    """The leaf's number in the originator's ledger."""
    at: datetime
    """Admission time."""
    outcome: Literal["admitted", "quarantined"]
    refused: Refused | None
    """Why it was quarantined."""
    record: UUID | None
    manifest: HexDigest | None
    kind: str | None
    revision: int | None
    sequence: int | None
    created: datetime | None
    arrangement: HexDigest | None
    """The version that decided."""
    portions: tuple[DecidedPortion, ...]
    rules: dict[RuleId, RuleBody]
    """Those that decided an outcome, with their reasons in plain words."""


class DecisionsBody(Model):
    """A page. `next` goes on after it, and is itself a place to wait at when the page is empty."""

    decisions: tuple[DecisionBody, ...]
    next: EventId


@router.get(
    "/v1/decisions",
    summary="Decisions, page by page",
    responses=described(
        examples.DECISIONS, ProblemType.FORBIDDEN, ProblemType.NOT_FOUND, ProblemType.CONFLICT
    ),
)
async def decisions(
    context: ThisContext,
    after: Annotated[
        str | None, Query(pattern=cursor.PATTERN, max_length=100_000, examples=["5f2c41aa.12"])
    ] = None,
    limit: Annotated[int, Query(ge=1, le=MOST)] = 50,
    originator: Annotated[str | None, Query(pattern=AGENCY_PATTERN, examples=["gb-nca"])] = None,
) -> DecisionsBody:
    """Those after an event id, in the order of admission; `originator` asks for one lane alone."""
    lanes = lanes_of(context, originator)
    wanted = place_of(after, lanes)
    page = await following(context, wanted, limit)
    return DecisionsBody(decisions=tuple(page), next=cursor.text(wanted))


@router.get(
    "/v1/records/{originator}/{record}",
    summary="The decisions on one record",
    responses=described(examples.DECISIONS, ProblemType.FORBIDDEN, ProblemType.NOT_FOUND),
)
async def of_record(
    context: ThisContext,
    originator: Annotated[str, Path(pattern=AGENCY_PATTERN, examples=["gb-nca"])],
    record: Annotated[UUID, Path(description="The record's id, as its originator has it.")],
) -> DecisionsBody:
    """Every revision of a record that was decided on, the first one first."""
    context.allow(bool(context.sight.lanes))
    lane = context.lane(originator)
    found = await context.parts.evidence.of_record({lane}, record.bytes)
    if not found:
        raise not_found()
    bodies = await told(context, found)
    return DecisionsBody(decisions=tuple(bodies), next=cursor.text({lane: found[-1].leaf.number + 1}))


@router.get(
    "/v1/decisions/{originator}/{number}",
    summary="One decision",
    responses=described(examples.DECISION, ProblemType.FORBIDDEN, ProblemType.NOT_FOUND),
)
async def one_decision(
    context: ThisContext,
    originator: Annotated[str, Path(pattern=AGENCY_PATTERN, examples=["gb-nca"])],
    number: Annotated[int, Path(ge=0, le=LAST_NUMBER, description="The leaf's number in the ledger.")],
) -> DecisionBody:
    """The decision that a leaf of an originator's ledger holds."""
    context.allow(bool(context.sight.lanes))
    lane = context.lane(originator)
    found = await context.parts.evidence.events({lane: number}, 1)
    if not found or found[0].leaf.number != number:
        raise not_found()
    return (await told(context, found))[0]


def lanes_of(context: Context, originator: str | None) -> frozenset[AgencyId]:
    """The lanes that are asked for. Raises: `Refusal`."""
    context.allow(bool(context.sight.lanes))
    return context.sight.lanes if originator is None else frozenset({context.lane(originator)})


def place_of(after: str | None, lanes: frozenset[AgencyId]) -> dict[AgencyId, int]:
    """Where to go on. Raises: `Refusal` for an event id of other lanes."""
    if after is None:
        return cursor.start(lanes)
    try:
        return cursor.parse(after, lanes)
    except cursor.BadCursor as error:
        # Well-formed, so no fault of a field: what the caller sees has changed since, or it was another's
        raise Refusal(ProblemType.CONFLICT, str(error), reason="event_id") from error


async def following(context: Context, wanted: dict[AgencyId, int], most: int) -> list[DecisionBody]:
    """The next decisions, each with its event id; `wanted` moves past them."""
    found = await context.parts.evidence.events(wanted, most)
    bodies = await told(context, found)
    numbered = []
    for event, body in zip(found, bodies, strict=True):
        wanted[event.lane] = event.leaf.number + 1
        numbered.append(body.model_copy(update={"event": cursor.text(wanted)}))
    return numbered


async def told(context: Context, events: Sequence[Event]) -> list[DecisionBody]:
    """Decisions as the caller may see them."""
    named: dict[AgencyId, set[Digest]] = {}
    for event in events:
        if isinstance(event.leaf, Admitted):
            named.setdefault(event.lane, set()).update(Digest(p.ruling) for p in event.leaf.portions)
    rulings = {lane: await context.parts.evidence.rulings(lane, wanted) for lane, wanted in named.items()}
    return [
        _admitted(context, event.lane, event.leaf, rulings[event.lane])
        if isinstance(event.leaf, Admitted)
        else _quarantined(event.lane, event.leaf)
        for event in events
    ]


def _admitted(
    context: Context, lane: AgencyId, leaf: Admitted, rulings: Mapping[Digest, Ruling]
) -> DecisionBody:
    portions = tuple(_portion(context, leaf, p, rulings[Digest(p.ruling)]) for p in leaf.portions)
    version = Digest(rulings[Digest(leaf.portions[0].ruling)].arrangement) if leaf.portions else None
    deciding = (rule for portion in portions for one in portion.outcomes for rule in one.rules)
    return DecisionBody(
        event=None,
        originator=lane,
        number=leaf.number,
        at=instant(leaf.at_ms),
        outcome="admitted",
        refused=None,
        record=UUID(record_text(leaf.record_id)),
        manifest=leaf.manifest.hex(),
        kind=leaf.kind,
        revision=leaf.revision,
        sequence=leaf.sequence,
        created=instant(leaf.created_s * 1000),
        arrangement=None if version is None else version.hex(),
        portions=portions,
        rules={} if version is None else rules_of(_version(context, version), deciding),
    )


def _version(context: Context, digest: Digest) -> Version:
    """Raises: `Refusal` for one that a lane has activated and this process has not read yet."""
    version = context.parts.signed.versions.get(digest)
    if version is None:
        raise Refusal(ProblemType.NOT_READY, "a version of the arrangement is not read yet", retry_s=1)
    return version


def _portion(context: Context, leaf: Admitted, portion: LedgerPortion, ruling: Ruling) -> DecidedPortion:
    label = None
    if context.sight.labels:
        label = LabelBody(
            handling=HandlingBody.of(parse_handling(portion.handling)),
            releasable_to=RoutingBody.of(parse_routing(portion.routing)),
        )
    return DecidedPortion(
        name=portion.name,
        label=label,
        ruling=portion.ruling.hex(),
        outcomes=tuple(OutcomeBody.of(one) for one in outcomes(leaf, portion, ruling)),
    )


def _quarantined(lane: AgencyId, leaf: Quarantined) -> DecisionBody:
    return DecisionBody(
        event=None,
        originator=lane,
        number=leaf.number,
        at=instant(leaf.at_ms),
        outcome="quarantined",
        refused=leaf.reason,
        record=UUID(record_text(leaf.record_id)) if leaf.record_id else None,
        manifest=leaf.manifest.hex() or None,
        kind=None,
        revision=None,
        sequence=leaf.sequence,
        created=None,
        arrangement=None,
        portions=(),
        rules={},
    )
