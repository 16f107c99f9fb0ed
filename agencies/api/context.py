"""What every operation works with: the parts of the node, who asks, and as whom the house knows them.

- A token says who somebody is; what they are here, the roster and the arrangement say now.
- Who is neither of the house nor may be a liaison officer is refused before anything is looked for.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from re import fullmatch
from typing import Annotated, Final, TypeVar

from fastapi import Depends, Request
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer
from sqlalchemy import Connection

from agencies.access import Denied, Reader, standing
from agencies.api.broker import BrokerDoor
from agencies.api.publishing import Publisher
from agencies.roster import RosterFile, StaffRole
from agencies.store import Store
from schemas.arrangement import Arrangement
from schemas.clock import Clock
from schemas.directory import Directory
from schemas.http.problems import ProblemType
from schemas.http.refusals import Refusal, check_json, check_names
from schemas.http.tokens import ApiRole, Caller
from schemas.ids import OFFICER_PATTERN, AgencyId, OfficerId
from schemas.labels import home_of

_T = TypeVar("_T")

STORE_S: Final = 20.0


@dataclass(frozen=True, slots=True)
class Parts:
    """What the node puts together."""

    agency: AgencyId
    store: Store
    publisher: Publisher
    roster: RosterFile
    arrangement: Callable[[], Arrangement]
    """The version that our lane is decided under."""
    clock: Clock
    """Domain time."""
    broker: BrokerDoor
    real_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class Context:
    """One request: who asks, under what holds now. `now_ms`: domain time."""

    parts: Parts
    reader: Reader
    roles: frozenset[StaffRole]
    """What they are in this house now; empty for a liaison officer, and for whom the house does not know."""
    lacking: Denied | None
    """Why nothing may be shown to them at all."""
    directory: Directory
    now_ms: int

    @property
    def home(self) -> AgencyId:
        """The officer's home agency."""
        return home_of(self.reader.officer)

    def of_house(self, *roles: StaffRole) -> None:
        """Raises: `Refusal` for whom the house has not given one of these roles."""
        if not self.roles & set(roles):
            raise Refusal(ProblemType.FORBIDDEN)

    async def run(self, work: Callable[[Connection], _T]) -> _T:
        """One transaction on the node's store. Raises: `Refusal` if its server is away for long."""
        return await within(self.parts.store.run(work), STORE_S, "store")


async def within(work: Awaitable[_T], seconds: float, what: str) -> _T:
    """Raises: `Refusal` if it takes longer; it may go on by itself then."""
    try:
        async with asyncio.timeout(seconds):
            return await work
    except TimeoutError:
        raise Refusal(ProblemType.NOT_READY, reason=what, retry_s=5) from None


def _parts(request: Request) -> Parts:
    parts: Parts = request.app.state.parts
    return parts


def _context(request: Request, parts: Annotated[Parts, Depends(_parts)]) -> Context:
    caller: Caller = request.state.caller
    if caller.role is not ApiRole.OFFICER or caller.agency != parts.agency:
        raise Refusal(ProblemType.FORBIDDEN)
    member = parts.roster.current().member(caller.subject)
    officer = member.id if member is not None else OfficerId(caller.subject)
    if not fullmatch(OFFICER_PATTERN, officer):
        raise Refusal(ProblemType.FORBIDDEN)
    reader = Reader(officer, parts.agency, None if member is None else member.employment)
    directory, now_ms = parts.arrangement().directory, parts.clock.now_ms()
    lacking = standing(reader, directory, now_ms)
    roles: frozenset[StaffRole] = frozenset()
    if member is not None and lacking in (None, Denied.NO_CLEARANCE):
        roles = member.roles
    return Context(parts, reader, roles, lacking, directory, now_ms)


def reads_json(request: Request) -> None:
    """Raises: `Refusal` for a body that is not sent as JSON."""
    check_json(request.headers.get("content-type", ""))


def named_once(request: Request) -> None:
    """Raises: `Refusal` for a query that has other names than the operation's, or one of them twice."""
    route: APIRoute = request.scope["route"]
    known = (field.alias for field in route.dependant.query_params)
    check_names(known, (name for name, _ in request.query_params.multi_items()))


#: For OpenAPI alone: `schemas.http.authentication` has let the caller in before the framework sees the request.
bearer = HTTPBearer(auto_error=False, bearerFormat="JWT", description="An access token, 15 minutes at most.")

ThisContext = Annotated[Context, Depends(_context)]
TheseParts = Annotated[Parts, Depends(_parts)]
