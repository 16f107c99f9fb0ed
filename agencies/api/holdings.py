"""What the house holds, for an officer: what came in, what a search finds, and the content itself.

- Each portion is decided on by `agencies.access` before anything of it is told. What the officer may not see is as if
  it were not there: in lists, in counts, in where a page goes on, and in the one 404.
- Each act is a row of the disclosure log, granted or refused, before anything is shown; that of a read is written in
  the transaction that found the content. Why something was refused stands there alone.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Body, Depends, Query
from pydantic import Field, JsonValue, TypeAdapter
from sqlalchemy import Connection

from agencies.access import Denied, Held, decide
from agencies.api import examples
from agencies.api.context import Context, ThisContext, reads_json
from agencies.store import holdings
from agencies.store.disclosures import Act, Disclosure, Outcome, note
from agencies.store.holdings import HeldRecord, Reception
from agencies.store.search import Found, find
from schemas.clock import instant
from schemas.codes import Purpose
from schemas.directory import AgencyField
from schemas.http.labels import HandlingBody
from schemas.http.problems import ProblemType
from schemas.http.refusals import Refusal, described, not_found
from schemas.ids import AgencyId, record_text
from schemas.model import Model

router = APIRouter(tags=["holdings"])

MOST: Final = 100
_SCAN: Final = 200
"""Rows looked at in one transaction: the node's other work comes in between."""

Text = Annotated[str, Field(min_length=1, max_length=1000, pattern=r"^[^\x00]*[^\x00\s][^\x00]*$")]
HexDigest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
_PLACE: Final = r"^[a-z]{2}-[a-z0-9]{2,12}\.[0-9a-f]{64}$"
_HIT: Final = r"^[a-z]{2}-[a-z0-9]{2,12}\.[0-9a-f]{32}\.[0-9a-f]{64}\.[a-z_]{1,40}$"

_content: TypeAdapter[dict[str, JsonValue]] = TypeAdapter(dict[str, JsonValue])


class PortionHead(Model):
    """A portion that the officer may read, without its content."""

    name: str
    label: HandlingBody


class RecordHead(Model):
    """A record of which the officer may read something. `admitted`: null for the house's own."""

    originator: AgencyField
    record: UUID
    manifest: HexDigest
    kind: str
    created: datetime
    admitted: datetime | None
    portions: tuple[PortionHead, ...]


class InboxBody(Model):
    """The newest first. `next`: the page after, null where this is the last."""

    records: tuple[RecordHead, ...]
    next: str | None


class SearchRequest(Model):
    """Words, all of which must occur; `"words in quotes"` together, `-word` not at all, `word*` as a beginning."""

    query: Text
    purpose: Purpose
    justification: Text | None = None
    limit: Annotated[int, Field(ge=1, le=MOST)] = 20
    after: Annotated[str, Field(pattern=_HIT)] | None = None
    """The `next` of the page before."""


class HitBody(Model):
    """A portion in which the words occur, and which the officer may read."""

    originator: AgencyField
    record: UUID
    manifest: HexDigest
    portion: str
    kind: str
    label: HandlingBody


class HitsBody(Model):
    """The newest first. `next`: the page after, null where this is the last."""

    hits: tuple[HitBody, ...]
    next: str | None


class ReadRequest(Model):
    """Which record, what for, and why. `manifest`: one revision; null: the newest."""

    originator: AgencyField
    record: UUID
    manifest: HexDigest | None = None
    purpose: Purpose
    justification: Text


class PortionContent(Model):
    """A portion in clear."""

    name: str
    label: HandlingBody
    content: dict[str, JsonValue]


class ReadBody(Model):
    """What of a record the officer may read."""

    originator: AgencyField
    record: UUID
    manifest: HexDigest
    kind: str
    created: datetime
    admitted: datetime | None
    portions: tuple[PortionContent, ...]


@router.get(
    "/v1/inbox",
    summary="What came in",
    responses=described(examples.INBOX, ProblemType.FORBIDDEN, ProblemType.CONFLICT),
)
async def inbox(
    context: ThisContext,
    purpose: Annotated[Purpose, Query(description="What for; only what may be used for it is told.")],
    limit: Annotated[int, Query(ge=1, le=MOST)] = 20,
    after: Annotated[str | None, Query(pattern=_PLACE, description="The `next` of the page before.")] = None,
) -> InboxBody:
    """Records received, without content, of which the officer may read a portion for the purpose."""
    before = None if after is None else await _reception(context, purpose, after)
    heads: list[RecordHead] = []
    while context.lacking is None and len(heads) <= limit:
        lines, seen = await context.run(lambda c, b=before: _received(c, context, purpose, b))  # type: ignore[misc]
        heads += seen
        if len(lines) < _SCAN:
            break
        before = lines[-1].place
    shown = heads[:limit]
    names = tuple(f"{_name(h.originator, h.record)}:{p.name}" for h in shown for p in h.portions)
    await context.run(lambda c: _note(c, context, Act.LIST, purpose, portions=names))
    last = f"{shown[-1].originator}.{shown[-1].manifest}" if len(heads) > limit else None
    return InboxBody(records=tuple(shown), next=last)


@router.post(
    "/v1/searches",
    summary="Search what the house holds",
    responses=described(examples.HITS, ProblemType.FORBIDDEN, ProblemType.CONFLICT, ProblemType.MEDIA_TYPE),
    dependencies=[Depends(reads_json)],
)
async def search(
    context: ThisContext,
    request: Annotated[
        SearchRequest, Body(openapi_examples={"hulls": {"summary": "two words", "value": examples.SEARCH}})
    ],
) -> HitsBody:
    """Portions that the officer may read and in which the words occur, received and published ones, without content."""
    purpose = request.purpose
    before = None if request.after is None else await _found(context, purpose, request.after)
    hits: list[tuple[Found, Held]] = []
    while context.lacking is None and len(hits) <= request.limit:
        looked, seen = await context.run(
            lambda c, b=before: _looked(c, context, request, b)  # type: ignore[misc]
        )
        hits += seen
        if len(looked) < _SCAN:
            break
        before = looked[-1].place
    shown = hits[: request.limit]
    names = tuple(f"{_name(h.originator, h.record_id)}:{h.portion}" for h, _ in shown)
    await context.run(
        lambda c: _note(
            c, context, Act.SEARCH, purpose, request.justification, query=request.query, portions=names
        )
    )
    return HitsBody(
        hits=tuple(_hit(hit, held) for hit, held in shown),
        next=_after(shown[-1][0]) if len(hits) > request.limit else None,
    )


@router.post(
    "/v1/reads",
    summary="Read a record",
    responses=described(examples.READ, ProblemType.FORBIDDEN, ProblemType.NOT_FOUND, ProblemType.MEDIA_TYPE),
    dependencies=[Depends(reads_json)],
)
async def read(
    context: ThisContext,
    request: Annotated[
        ReadRequest, Body(openapi_examples={"one": {"summary": "the newest", "value": examples.READING}})
    ],
) -> ReadBody:
    """The portions of a record that the officer may read, in clear. Logged, granted or refused, before it is shown."""
    found = await context.run(lambda c: _read(c, context, request))
    if found is None:
        raise not_found()
    record, shown = found
    return ReadBody(
        originator=record.originator,
        record=UUID(record_text(record.record_id)),
        manifest=record.manifest.hex(),
        kind=record.kind,
        created=instant(record.created_s * 1000),
        admitted=None if record.admitted_ms is None else instant(record.admitted_ms),
        portions=tuple(
            PortionContent(name=h.name, label=_label(h), content=_content.validate_json(content))
            for h, content in shown
        ),
    )


def _read(
    connection: Connection, context: Context, request: ReadRequest
) -> tuple[HeldRecord, list[tuple[Held, str]]] | None:
    """What may be shown, with the row that says so in the same transaction."""
    manifest = None if request.manifest is None else bytes.fromhex(request.manifest)
    record = holdings.revision(
        connection, context.parts.agency, request.originator, request.record.bytes, manifest
    )
    shown, refused = list[tuple[Held, str]](), list[str]()
    for held, content in () if record is None else record.portions:
        denied = _denied(context, held, request.purpose)
        if denied is None:
            shown.append((held, content))
        else:
            refused.append(f"{held.name}: {denied}")
    why = "; ".join(refused) or None
    if record is None:
        why = "no such record"
    elif not record.portions:
        why = "no portion of it"
    _note(
        connection,
        context,
        Act.READ,
        request.purpose,
        request.justification,
        lane=request.originator,
        record_id=request.record.bytes,
        manifest=manifest if record is None else record.manifest,
        portions=tuple(held.name for held, _ in shown),
        granted=bool(shown),
        reason=why,
    )
    return (record, shown) if record is not None and shown else None


def _received(
    connection: Connection, context: Context, purpose: Purpose, before: int | None
) -> tuple[Sequence[Reception], list[RecordHead]]:
    """The next lines of the reception log, and those of them that the officer may know of."""
    lines = holdings.receptions(connection, _SCAN, before)
    heads: list[RecordHead] = []
    for line in lines:
        record = holdings.revision(
            connection, context.parts.agency, line.originator, line.record_id, line.manifest
        )
        heads += [] if record is None else _head(context, record, purpose)
    return lines, heads


def _head(context: Context, record: HeldRecord, purpose: Purpose) -> Iterator[RecordHead]:
    readable = [held for held, _ in record.portions if _denied(context, held, purpose) is None]
    if readable:
        yield RecordHead(
            originator=record.originator,
            record=UUID(record_text(record.record_id)),
            manifest=record.manifest.hex(),
            kind=record.kind,
            created=instant(record.created_s * 1000),
            admitted=None if record.admitted_ms is None else instant(record.admitted_ms),
            portions=tuple(PortionHead(name=held.name, label=_label(held)) for held in readable),
        )


def _looked(
    connection: Connection, context: Context, request: SearchRequest, before: int | None
) -> tuple[Sequence[Found], list[tuple[Found, Held]]]:
    """The next portions in which the words occur, and those of them that the officer may read."""
    found = find(connection, request.query, limit=_SCAN, before=before)
    return found, list(_readable(connection, context, request.purpose, found))


def _readable(
    connection: Connection, context: Context, purpose: Purpose, found: Iterable[Found]
) -> Iterator[tuple[Found, Held]]:
    for hit, held in holdings.found(connection, context.parts.agency, found):
        if held is not None and _denied(context, held, purpose) is None:
            yield hit, held


async def _reception(context: Context, purpose: Purpose, after: str) -> int:
    """Where a page goes on. Raises: `Refusal`, alike for what is not there and what the officer may not know of."""
    originator, manifest = after.split(".")
    digest = bytes.fromhex(manifest)

    def look(connection: Connection) -> int | None:
        place = holdings.reception_place(connection, originator, digest)
        if place is None or context.lacking is not None:
            return None
        (line,) = holdings.receptions(connection, 1, place + 1)
        record = holdings.revision(connection, context.parts.agency, originator, line.record_id, digest)
        return None if record is None or not list(_head(context, record, purpose)) else place

    return _placed(await context.run(look))


async def _found(context: Context, purpose: Purpose, after: str) -> int:
    """The same for a hit."""
    originator, record, manifest, portion = after.split(".")
    record_id, digest = bytes.fromhex(record), bytes.fromhex(manifest)

    def look(connection: Connection) -> int | None:
        place = holdings.search_place(connection, originator, record_id, digest, portion)
        if place is None or context.lacking is not None:
            return None
        hit = Found(place, originator, record_id, digest, portion, "")
        return place if list(_readable(connection, context, purpose, [hit])) else None

    return _placed(await context.run(look))


def _placed(place: int | None) -> int:
    if place is None:
        raise Refusal(ProblemType.CONFLICT, "no `next` of an earlier page", reason="page")
    return place


def _denied(context: Context, held: Held, purpose: Purpose) -> Denied | None:
    return decide(context.reader, held, purpose, context.directory, context.now_ms)


def _label(held: Held) -> HandlingBody:
    assert held.handling is not None  # nothing is shown whose label cannot be read
    return HandlingBody.of(held.handling)


def _hit(hit: Found, held: Held) -> HitBody:
    return HitBody(
        originator=AgencyId(hit.originator),
        record=UUID(record_text(hit.record_id)),
        manifest=hit.manifest.hex(),
        portion=hit.portion,
        kind=hit.kind,
        label=_label(held),
    )


def _after(hit: Found) -> str:
    return f"{hit.originator}.{hit.record_id.hex()}.{hit.manifest.hex()}.{hit.portion}"


def _name(originator: str, record: UUID | bytes) -> str:
    return f"{originator}/{record if isinstance(record, UUID) else record_text(record)}"


def _note(
    connection: Connection,
    context: Context,
    act: Act,
    purpose: Purpose,
    justification: str | None = None,
    *,
    query: str | None = None,
    lane: str | None = None,
    record_id: bytes | None = None,
    manifest: bytes | None = None,
    portions: tuple[str, ...] = (),
    granted: bool | None = None,
    reason: str | None = None,
) -> None:
    """A row of the disclosure log; a search or a list is refused where the officer may see nothing at all."""
    if granted is None:
        granted, reason = context.lacking is None, context.lacking
    note(
        connection,
        Disclosure(
            context.parts.real_ms(),
            context.reader.officer,
            context.home,
            act,
            purpose,
            justification,
            query,
            lane,
            record_id,
            manifest,
            portions,
            Outcome.GRANTED if granted else Outcome.REFUSED,
            reason,
        ),
    )
