"""The service put together: routes behind the doors that every request passes (`schemas.http.doors`)."""

from collections.abc import Iterator
from typing import Any, Final

from fastapi import Depends, FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from broker.api import (
    certificates,
    checkpoints,
    decisions,
    directory,
    drafts,
    events,
    health,
    ledger,
    policy,
    previews,
    proofs,
    status,
)
from broker.api.context import Parts, bearer, named_once
from broker.api.handlers import add_handlers
from schemas.http.answers import Answers
from schemas.http.asgi import App
from schemas.http.callers import Callers
from schemas.http.doors import Doors
from schemas.http.openapi import Operation, finish

ROUTERS: Final = tuple(
    part.router
    for part in (
        directory,
        previews,
        policy,
        drafts,
        decisions,
        events,
        ledger,
        checkpoints,
        proofs,
        certificates,
        status,
    )
)
"""Everything behind the doors."""

_ABOUT = """\
Decisions, ledgers and proofs of a federation. Content is nowhere here: the broker has none.

Tokens: `Authorization: Bearer`, a signed JWT of at most 15 minutes. What does not exist and what the caller may not see
are the same 404. Every refusal is a problem (RFC 9457) of a closed list. Instants are domain time, in UTC.
"""


def make_app(parts: Parts, callers: Callers, doors: Doors) -> App:
    """The ASGI application."""
    return doors.before(routes(parts), callers)


def routes(parts: Parts) -> FastAPI:
    """The routes and their OpenAPI document; no page that would fetch anything from elsewhere."""
    app = FastAPI(
        title="Entente broker API",
        version="1",
        description=_ABOUT,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.parts = parts
    # A crash is told inside: further out the framework has answered in its own words
    app.add_middleware(Answers)
    add_handlers(app)
    app.include_router(health.router, dependencies=[Depends(named_once)])
    for part in ROUTERS:
        app.include_router(part, dependencies=[Depends(bearer), Depends(named_once)])
    document = _document(app)
    app.openapi = lambda: document  # type: ignore[method-assign]  # the way that FastAPI documents
    return app


def _document(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(
        title=app.title, version=app.version, description=app.description, routes=app.routes
    )
    finish(document, _operations())
    return document


def _operations() -> Iterator[Operation]:
    for router in (health.router, *ROUTERS):
        for route in router.routes:
            if isinstance(route, APIRoute):
                yield Operation(route.path, next(iter(route.methods or ())), route.responses[200])
