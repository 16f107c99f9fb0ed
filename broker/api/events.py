"""New decisions as they come: server-sent events, which go on after `Last-Event-ID`.

- Each event's id is a place for the next request, be it this stream or a page; nothing is passed over or told twice.
- A stream ends with its token, and when the arrangement takes from the caller what it may see. Who reads slowly holds
  up nobody: the next events are looked for when the last ones are sent.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Query
from fastapi.responses import StreamingResponse
from fastapi.sse import format_sse_event

from broker.api import cursor
from broker.api.context import Context, ThisContext, renewed
from broker.api.decisions import following, lanes_of, place_of
from schemas.http.problems import ProblemType
from schemas.http.refusals import Refusal, described
from schemas.ids import AGENCY_PATTERN, AgencyId

router = APIRouter(tags=["decisions"])

_QUIET_S: Final = 15.0
_AT_ONCE: Final = 50
_MOMENT_S: Final = 0.2

_EVENT: Final = {
    "type": "object",
    "properties": {
        "event": {"type": "string"},
        "id": {"type": "string"},
        "retry": {"type": "integer"},
        "data": {
            "type": "string",
            "contentMediaType": "application/json",
            "contentSchema": {"$ref": "#/components/schemas/DecisionBody"},
        },
    },
}
_STREAM: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "events of type `decision`; `data` is a DecisionBody, `id` an event id",
        "content": {"text/event-stream": {"schema": _EVENT}},
    }
}


@router.get(
    "/v1/events",
    summary="New decisions as they come",
    response_class=StreamingResponse,
    responses={
        **described(None, ProblemType.FORBIDDEN, ProblemType.NOT_FOUND, ProblemType.CONFLICT),
        **_STREAM,
    },
)
async def events(
    context: ThisContext,
    last_event_id: Annotated[
        str | None, Header(pattern=cursor.PATTERN, max_length=100_000, examples=["5f2c41aa.12"])
    ] = None,
    after: Annotated[
        str | None, Query(pattern=cursor.PATTERN, max_length=100_000, examples=["5f2c41aa.12"])
    ] = None,
    originator: Annotated[str | None, Query(pattern=AGENCY_PATTERN, examples=["gb-nca"])] = None,
) -> StreamingResponse:
    """A stream (HTML 9.2) of the decisions after an event id, or of all, and of those that come later."""
    lanes = lanes_of(context, originator)
    wanted = place_of(last_event_id or after, lanes)
    context.parts.streams.check()
    return StreamingResponse(
        _stream(context, originator, wanted),
        media_type="text/event-stream",
        headers={"x-accel-buffering": "no"},
    )


async def _stream(
    context: Context, originator: str | None, wanted: dict[AgencyId, int]
) -> AsyncIterator[bytes]:
    lanes, seen = frozenset(wanted), 0
    ends = time.monotonic() + context.caller.expires_s - time.time()
    with context.parts.streams.open():
        yield format_sse_event(comment="decisions", retry=1000)
        while (left := ends - time.monotonic()) > 0 and _still(context, originator) == lanes:
            try:
                found = await following(context, wanted, _AT_ONCE)
            except Refusal:  # a version is not read yet: a moment later it is
                await asyncio.sleep(_MOMENT_S)
                continue
            for body in found:
                yield format_sse_event(event="decision", id=body.event, data_str=body.model_dump_json())
            if not found:
                seen, quiet = await _wait(context, seen, min(left, _QUIET_S))
                if quiet:
                    yield format_sse_event(comment="quiet")
            context = renewed(context)


def _still(context: Context, originator: str | None) -> frozenset[AgencyId] | None:
    """The lanes of the stream as the caller may see them now; None: it may not, asks again and is told."""
    try:
        return lanes_of(context, originator)
    except Refusal:
        return None


async def _wait(context: Context, seen: int, seconds: float) -> tuple[int, bool]:
    """Wait for news; True: there was none for so long."""
    try:
        async with asyncio.timeout(seconds):
            return await context.parts.evidence.news(seen), False
    except TimeoutError:
        return seen, True
