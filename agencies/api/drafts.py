"""From a written record to a sealed one, for the house's officers: is it in order, whom is it sealed for, publish it.

Nothing of a record that is validated or previewed is kept. Publishing takes an `Idempotency-Key` of the caller's: to
ask again with it, after whatever failure, publishes once and answers alike.
"""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Body, Depends, Header
from pydantic import Field

from agencies.api import examples
from agencies.api.context import Context, ThisContext, reads_json, within
from agencies.api.publishing import KeyTaken
from agencies.api.written import Faulty, RecordBody, draft
from agencies.drafting import Draft
from agencies.errors import DraftRefused
from agencies.roster import StaffRole
from schemas.audience import addressed, audience, named_officers
from schemas.clock import instant
from schemas.codes import PortionName
from schemas.directory import AgencyField
from schemas.gate import barred
from schemas.http.problems import ProblemType
from schemas.http.refusals import Refusal, described
from schemas.ids import AgencyId, RecordId, record_text
from schemas.labels import Label
from schemas.model import Model
from schemas.records import bears_persons

router = APIRouter(tags=["drafts"])

_SEALING_S: Final = 20.0
_NO_ID: Final = RecordId(bytes(16))


class NotSealedFor(StrEnum):
    """Why no key of a portion is wrapped for an agency, the strongest first."""

    GATE = "protection_gate"
    SUSPENDED = "suspended"
    NOT_ADDRESSED = "not_addressed"


class ValidBody(Model):
    """The record is in order, and could be published now."""

    valid: bool
    kind: str
    portions: tuple[PortionName, ...]


class SealedForBody(Model):
    """Whether the portion's key would be wrapped for an agency. `withheld`: why not, null where it would."""

    agency: AgencyField
    withheld: NotSealedFor | None
    officers: tuple[str, ...]
    """The agency's officers who are named: nobody else there would be shown the portion."""


class PortionAudience(Model):
    """A portion, and every other agency."""

    name: PortionName
    audience: tuple[SealedForBody, ...]


class AudienceBody(Model):
    """Whom the record would be sealed for now; the broker's rules then decide which of them get it."""

    at: datetime
    arrangement: int = Field(ge=0)
    portions: tuple[PortionAudience, ...]


class PublishedBody(Model):
    """A record that is sealed, and on its way. Its decision is told by `/v1/decisions/{record}`."""

    record: UUID
    manifest: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    sequence: int = Field(ge=1)
    revision: int = Field(ge=1)


Written = Annotated[
    RecordBody,
    Body(openapi_examples={"goods for two": {"summary": "one portion", "value": examples.RECORD}}),
]
Key = Annotated[
    str,
    Header(
        alias="Idempotency-Key",
        pattern=r"^[A-Za-z0-9_-]{8,128}$",
        description="Chosen by the caller, new for each record: a random UUID, for example.",
        examples=["8a3c7ee0-5f5e-4d8e-9f43-0d1f6d1f9f55"],
    ),
]


@router.post(
    "/v1/drafts",
    summary="Whether a record is in order",
    responses=described(examples.VALID, ProblemType.FORBIDDEN, ProblemType.MEDIA_TYPE),
    dependencies=[Depends(reads_json)],
)
async def validate(context: ThisContext, record: Written) -> ValidBody:
    """Checks content and labels as sealing would; each fault is told by the field where it stands."""
    made = _draft(context, record)
    return ValidBody(valid=True, kind=made.kind, portions=tuple(p.name for p in made.portions))


@router.post(
    "/v1/previews",
    summary="Whom a record would be sealed for",
    responses=described(examples.AUDIENCE, ProblemType.FORBIDDEN, ProblemType.MEDIA_TYPE),
    dependencies=[Depends(reads_json)],
)
async def preview(context: ThisContext, record: Written) -> AudienceBody:
    """For each portion every other agency: whether a key would be wrapped for it, or why not. Nothing is sealed."""
    made = _draft(context, record)
    return AudienceBody(
        at=instant(context.now_ms),
        arrangement=context.parts.arrangement().body.number,
        portions=tuple(
            PortionAudience(name=p.name, audience=_audience(context, made, p.name, p.label))
            for p in made.portions
        ),
    )


@router.post(
    "/v1/records",
    summary="Publish a record",
    responses=described(
        examples.PUBLISHED, ProblemType.FORBIDDEN, ProblemType.CONFLICT, ProblemType.MEDIA_TYPE
    ),
    dependencies=[Depends(reads_json)],
)
async def publish(context: ThisContext, record: Written, key: Key) -> PublishedBody:
    """Seals the record and answers once it is kept in the outbox, from where it is sent whatever happens."""
    _draft(context, record)
    publisher, directory = context.parts.publisher, context.directory
    if publisher.stopped:
        raise Refusal(
            ProblemType.NOT_READY,
            "this node's store is an older copy: it publishes nothing",
            reason="restored_copy",
        )

    def drafted(record_id: RecordId, created_s: int) -> Draft:
        return draft(record, record_id, created_s, directory)

    try:
        sealed = await within(
            publisher.publish(context.reader.officer, key, record.digest(), drafted), _SEALING_S, "sealing"
        )
    except KeyTaken:
        raise Refusal(
            ProblemType.CONFLICT, "another record was published under this key", reason="idempotency_key"
        ) from None
    except Faulty as error:
        raise Refusal(ProblemType.INVALID, faults=error.faults) from error
    except DraftRefused as error:
        raise Refusal(ProblemType.INVALID, str(error), reason="too_large") from error
    return PublishedBody(
        record=UUID(record_text(sealed.record_id)),
        manifest=sealed.manifest.hex(),
        sequence=sealed.sequence,
        revision=sealed.revision,
    )


def _draft(context: Context, record: RecordBody) -> Draft:
    context.of_house(StaffRole.OFFICER)
    try:
        return draft(record, _NO_ID, context.now_ms // 1000, context.directory)
    except Faulty as error:
        raise Refusal(ProblemType.INVALID, faults=error.faults) from error


def _audience(context: Context, made: Draft, name: PortionName, label: Label) -> tuple[SealedForBody, ...]:
    """The sealer's own questions, answered for each agency."""
    directory, own, at_ms = context.directory, context.parts.agency, made.created_s * 1000
    persons = bears_persons(made.kind, name)
    sealed_for = audience(label, persons, own, directory, at_ms)
    named = addressed(label, own, directory, at_ms)

    def withheld(agency: AgencyId) -> NotSealedFor | None:
        if agency in sealed_for:
            return None
        exposed = directory.exposed_states(agency, at_ms, named_officers(label, agency))
        if agency in named or barred(persons, label.handling, exposed):
            return NotSealedFor.GATE
        suspended = directory.suspended(agency, at_ms)
        return NotSealedFor.SUSPENDED if suspended else NotSealedFor.NOT_ADDRESSED

    return tuple(
        SealedForBody(agency=a, withheld=withheld(a), officers=named_officers(label, a))
        for a in directory.agency_ids
        if a != own
    )
