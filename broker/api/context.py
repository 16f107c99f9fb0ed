"""What every operation works with: the parts of the service, who calls, and what the caller may see."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer

from broker.api.certifying import Certificates
from broker.api.entitlement import Sight, sight
from broker.api.evidence import Evidence
from broker.api.signed import Followed
from broker.api.streams import Streams
from broker.api.workshop import Workshop
from broker.versions import Version
from schemas.http.problems import ProblemType
from schemas.http.refusals import Refusal, check_json, check_names, not_found
from schemas.http.tokens import Caller
from schemas.ids import AgencyId


@dataclass(frozen=True, slots=True)
class Parts:
    """What the composition root wires together."""

    signed: Followed
    evidence: Evidence
    certificates: Certificates
    streams: Streams
    workshop: Workshop
    lacking: Callable[[], Awaitable[str | None]]
    """What keeps the service from being current, or None."""
    real_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class Context:
    """One request's caller, under the version that holds now."""

    parts: Parts
    caller: Caller
    version: Version
    sight: Sight
    now_ms: int
    """Domain time."""

    def allow(self, may: bool) -> None:
        """Raises: `Refusal` where the caller's role has no part in the operation, whatever it asks for."""
        if not may:
            raise Refusal(ProblemType.FORBIDDEN)

    def lane(self, originator: str) -> AgencyId:
        """A lane that the caller may see. Raises: `Refusal`, the same as for one that is not there."""
        lane = AgencyId(originator)
        if lane not in self.sight.lanes:
            raise not_found()
        return lane


def _parts(request: Request) -> Parts:
    parts: Parts = request.app.state.parts
    return parts


def _context(request: Request, parts: Annotated[Parts, Depends(_parts)]) -> Context:
    return _now(parts, request.state.caller)


def renewed(context: Context) -> Context:
    """The same caller under what holds now; for an answer that goes on for long."""
    return _now(context.parts, context.caller)


def _now(parts: Parts, caller: Caller) -> Context:
    if not parts.signed.read:
        raise Refusal(ProblemType.NOT_READY, "no version of the arrangement is read yet", retry_s=1)
    version, clock = parts.signed.version, parts.signed.standing.clock
    seen = sight(caller, version.arrangement.directory)
    return Context(parts, caller, version, seen, clock.to_domain(parts.real_ms()))


def reads_json(request: Request) -> None:
    """Raises: `Refusal` for a body that is not sent as JSON."""
    check_json(request.headers.get("content-type", ""))


def named_once(request: Request) -> None:
    """Raises: `Refusal` for a query that has other names than the operation's, or one of them twice."""
    route: APIRoute = request.scope["route"]
    known = (field.alias for field in route.dependant.query_params)
    check_names(known, (name for name, _ in request.query_params.multi_items()))


#: For OpenAPI alone: `schemas.http.authentication` has let the caller in before the framework sees the request.
bearer = HTTPBearer(
    auto_error=False,
    bearerFormat="JWT",
    description="An access token, 15 minutes at most.",
)

ThisContext = Annotated[Context, Depends(_context)]
TheseParts = Annotated[Parts, Depends(_parts)]
