"""The house's books: who was shown what, what could not be opened, who receipted what, what was noticed.

- The disclosure log: a data-protection officer sees all of it, everybody else their own rows, numbered as such.
- Quarantine, receipts and alarms are the house's own affair: for its officers and its data-protection officer.
"""

import json
from datetime import datetime
from typing import Annotated, Final, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import Field
from sqlalchemy import Connection, func, select

from agencies.api import examples
from agencies.api.context import Context, ThisContext
from agencies.roster import StaffRole
from agencies.store.disclosures import Act, Disclosure, Outcome, disclosures
from agencies.store.tables import alarms, quarantine, receipts
from schemas.clock import instant
from schemas.codes import Purpose
from schemas.directory import AgencyField
from schemas.http.problems import ProblemType
from schemas.http.refusals import described
from schemas.ids import record_text
from schemas.model import Model

router = APIRouter(tags=["books"])

MOST: Final = 200
LAST: Final = 2**53 - 1

Limit = Annotated[int, Query(ge=1, le=MOST)]
Before = Annotated[int | None, Query(ge=1, le=LAST, description="Below this number.")]
Number = Annotated[int, Field(ge=1, le=LAST)]


class DisclosureBody(Model):
    """One act of an officer. `reason`, for the data-protection officer alone: why something was not shown."""

    number: Number
    at: datetime
    """Real time."""
    officer: str
    home: AgencyField
    act: Act
    purpose: Purpose | None
    justification: str | None
    query: str | None
    originator: str | None
    record: UUID | None
    manifest: str | None
    portions: tuple[str, ...]
    outcome: Outcome
    reason: str | None


class DisclosuresBody(Model):
    """The newest first. `next`: what to ask for as `before`, null where this is the last page."""

    disclosures: tuple[DisclosureBody, ...]
    whose: Literal["all", "own"]
    next: Number | None


class QuarantinedBody(Model):
    """Something that came in and could not be opened, whole or in part."""

    number: Number
    at: datetime
    lane: str | None
    record: UUID | None
    portion: str | None
    reason: str


class QuarantineBody(Model):
    """The newest first."""

    entries: tuple[QuarantinedBody, ...]
    next: Number | None


class ReceiptBody(Model):
    """A recipient says what of our lane it stored: the numbers (`after`, `upto`] of its chain but for exceptions."""

    number: Number
    at: datetime
    recipient: AgencyField
    after: int
    upto: int
    exceptions: tuple[tuple[int, str], ...]


class ReceiptsBody(Model):
    """The newest first."""

    receipts: tuple[ReceiptBody, ...]
    next: Number | None


class AlarmBody(Model):
    """Something that the node noticed and went on from."""

    number: Number
    at: datetime
    alarm: str
    detail: str


class AlarmsBody(Model):
    """The newest first."""

    alarms: tuple[AlarmBody, ...]
    next: Number | None


@router.get(
    "/v1/disclosures",
    summary="Who was shown what, and why",
    responses=described(examples.DISCLOSURES, ProblemType.FORBIDDEN),
)
async def disclosure_log(context: ThisContext, limit: Limit = 50, before: Before = None) -> DisclosuresBody:
    """Reads, searches and lists, granted or refused. All for the data-protection officer, else one's own."""
    everybody = StaffRole.DPO in context.roles
    officer = None if everybody else context.reader.officer
    rows = await context.run(lambda c: disclosures(c, officer, limit, before))
    return DisclosuresBody(
        disclosures=tuple(_disclosure(number, one, everybody) for number, one in rows),
        whose="all" if everybody else "own",
        next=_next(rows[-1][0] if rows else 1),
    )


@router.get(
    "/v1/quarantine",
    summary="What could not be opened",
    responses=described(examples.QUARANTINE, ProblemType.FORBIDDEN),
)
async def quarantined(context: ThisContext, limit: Limit = 50, before: Before = None) -> QuarantineBody:
    """What came in and was kept unopened, with the reason."""
    _house(context)

    def look(connection: Connection) -> tuple[QuarantinedBody, ...]:
        q = quarantine
        wanted = select(q.c.id, q.c.at_ms, q.c.lane, q.c.record_id, q.c.portion, q.c.reason)
        rows = connection.execute(
            wanted.where(q.c.id < (before or LAST)).order_by(q.c.id.desc()).limit(limit)
        )
        return tuple(
            QuarantinedBody(
                number=r.id,
                at=instant(r.at_ms),
                lane=r.lane,
                record=UUID(record_text(r.record_id)) if r.record_id and len(r.record_id) == 16 else None,
                portion=r.portion or None,
                reason=r.reason,
            )
            for r in rows
        )

    entries = await context.run(look)
    return QuarantineBody(entries=entries, next=_next(entries[-1].number if entries else 1))


@router.get(
    "/v1/receipts",
    summary="What recipients say they stored",
    responses=described(examples.RECEIPTS, ProblemType.FORBIDDEN),
)
async def received_receipts(context: ThisContext, limit: Limit = 50, before: Before = None) -> ReceiptsBody:
    """Receipts of what we published. A receipt is a statement, not a proof."""
    _house(context)

    def look(connection: Connection) -> tuple[ReceiptBody, ...]:
        order = (receipts.c.received_at_ms, receipts.c.id)
        numbered = select(receipts, func.row_number().over(order_by=order).label("number")).subquery()
        rows = connection.execute(
            select(numbered)
            .where(numbered.c.number < (before or LAST))
            .order_by(numbered.c.number.desc())
            .limit(limit)
        )
        return tuple(
            ReceiptBody(
                number=r.number,
                at=instant(r.received_at_ms),
                recipient=r.recipient,
                after=r.after,
                upto=r.upto,
                exceptions=tuple((number, reason) for number, reason in json.loads(r.exceptions)),
            )
            for r in rows
        )

    found = await context.run(look)
    return ReceiptsBody(receipts=found, next=_next(found[-1].number if found else 1))


@router.get(
    "/v1/alarms",
    summary="What the node noticed",
    responses=described(examples.ALARMS, ProblemType.FORBIDDEN),
)
async def noticed(context: ThisContext, limit: Limit = 50, before: Before = None) -> AlarmsBody:
    """Breaks in chains, receipts that differ, and whatever else was noticed and gone on from."""
    _house(context)

    def look(connection: Connection) -> tuple[AlarmBody, ...]:
        rows = connection.execute(
            select(alarms).where(alarms.c.id < (before or LAST)).order_by(alarms.c.id.desc()).limit(limit)
        )
        return tuple(
            AlarmBody(number=r.id, at=instant(r.at_ms), alarm=r.alarm, detail=r.detail) for r in rows
        )

    found = await context.run(look)
    return AlarmsBody(alarms=found, next=_next(found[-1].number if found else 1))


def _house(context: Context) -> None:
    context.of_house(StaffRole.OFFICER, StaffRole.DPO)


def _next(number: int) -> int | None:
    """Numbers begin at 1, so below 1 there is nothing."""
    return number if number > 1 else None


def _disclosure(number: int, one: Disclosure, everybody: bool) -> DisclosureBody:
    return DisclosureBody(
        number=number,
        at=instant(one.at_ms),
        officer=one.officer,
        home=one.home,
        act=one.act,
        purpose=one.purpose,
        justification=one.justification,
        query=one.query,
        originator=one.lane,
        record=None if one.record_id is None else UUID(record_text(one.record_id)),
        # What an officer was refused must tell them nothing, the revision that was looked at neither
        manifest=one.manifest.hex()
        if one.manifest is not None and (everybody or one.outcome is Outcome.GRANTED)
        else None,
        portions=one.portions,
        outcome=one.outcome,
        reason=one.reason if everybody else None,
    )
