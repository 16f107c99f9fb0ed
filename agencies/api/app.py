"""The service put together: routes behind the doors that every request passes (`schemas.http.doors`)."""

from collections.abc import Iterator
from typing import Any, Final

from fastapi import Depends, FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic.json_schema import models_json_schema

from agencies.api import decisions, drafts, health, holdings, logbooks, person
from agencies.api.context import Parts, bearer, named_once
from agencies.api.handlers import add_handlers
from schemas.http.answers import Answers
from schemas.http.asgi import App
from schemas.http.callers import Callers
from schemas.http.doors import Doors
from schemas.http.openapi import REFERENCE, Operation, finish, shared
from schemas.records import KINDS

ROUTERS: Final = tuple(part.router for part in (person, drafts, holdings, logbooks, decisions))
"""Everything behind the doors."""

_ABOUT = """\
What an agency holds, for its officers and for liaison officers whom it hosts; and what they publish through it.

Tokens: `Authorization: Bearer`, a signed JWT of at most 15 minutes whose subject is the officer. What does not exist
and what the officer may not see are the same 404. Every read is logged with its purpose and justification, granted or
refused. Every refusal is a problem (RFC 9457) of a closed list. Instants are domain time, in UTC, but for the log's.
The content of a portion is described for each kind under `x-entente-contents`.
"""


def make_app(parts: Parts, callers: Callers, doors: Doors) -> App:
    """The ASGI application."""
    return doors.before(routes(parts), callers)


def routes(parts: Parts) -> FastAPI:
    """The routes and their OpenAPI document; no page that would fetch anything from elsewhere."""
    app = FastAPI(
        title="Entente officers' API",
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
    contents, definitions = models_json_schema(
        [(p.content, "validation") for kind in KINDS.values() for p in kind.portions.values()],
        ref_template=REFERENCE,
    )
    shared(document).update(definitions.get("$defs", {}))
    document["x-entente-contents"] = {
        name: {portion: contents[p.content, "validation"] for portion, p in kind.portions.items()}
        for name, kind in KINDS.items()
    }
    return document


def _operations() -> Iterator[Operation]:
    for router in (health.router, *ROUTERS):
        for route in router.routes:
            if isinstance(route, APIRoute):
                yield Operation(route.path, next(iter(route.methods or ())), route.responses[200])
