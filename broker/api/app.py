"""The service put together: routes behind the doors that every request passes.

From the outside in: headers and crashes, rate of the address, who calls, size of the body, routes. What a door refuses
costs nothing of what is behind it.
"""

from dataclasses import dataclass
from typing import Any

from fastapi import Depends, FastAPI
from fastapi.openapi.utils import get_openapi

from broker.api import certificates, decisions, directory, events, health, ledger, previews, status
from broker.api.context import Parts, bearer
from broker.api.refusals import add_handlers
from broker.api.settings import Rates
from schemas.http.answers import Answers
from schemas.http.asgi import App
from schemas.http.authentication import Authentication
from schemas.http.callers import Callers
from schemas.http.limits import BodyLimit, Buckets, RateLimit
from schemas.http.problems import Problem

OPEN_PATHS = ("/healthz", "/readyz", "/openapi.json")

_ABOUT = """\
Decisions, ledgers and proofs of a federation. Content is nowhere here: the broker has none.

Tokens: `Authorization: Bearer`, a signed JWT of at most 15 minutes. What does not exist and what the caller may not see
are the same 404. Every refusal is a problem (RFC 9457) of a closed list. Instants are domain time, in UTC.
"""


@dataclass(frozen=True, slots=True)
class Doors:
    """How much a caller may ask for."""

    most_body: int
    address_rate: Rates
    caller_rate: Rates


def make_app(parts: Parts, callers: Callers, doors: Doors) -> App:
    """The ASGI application."""
    inner: App = BodyLimit(routes(parts), doors.most_body)
    by_caller = Buckets(doors.caller_rate.a_second, doors.caller_rate.burst)
    by_address = Buckets(doors.address_rate.a_second, doors.address_rate.burst)
    return Answers(RateLimit(Authentication(inner, callers, by_caller, OPEN_PATHS), by_address))


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
    add_handlers(app)
    app.include_router(health.router)
    for part in (directory, previews, decisions, events, ledger, certificates, status):
        app.include_router(part.router, dependencies=[Depends(bearer)])
    document = _document(app)
    app.openapi = lambda: document  # type: ignore[method-assign]  # the way that FastAPI documents
    return app


def _document(app: FastAPI) -> dict[str, Any]:
    """OpenAPI with the problem as a shared schema, instead of the framework's own form of a refusal."""
    document = get_openapi(
        title=app.title, version=app.version, description=app.description, routes=app.routes
    )
    schemas: dict[str, Any] = document.setdefault("components", {}).setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(problem.pop("$defs", {}))
    schemas["Problem"] = problem
    return document
