"""The service put together: routes behind the doors that every request passes.

From the outside in: headers and crashes, rate of the address, who calls, size of the body, routes. What a door refuses
costs nothing of what is behind it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from fastapi import Depends, FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic.json_schema import models_json_schema

from agencies.api import decisions, drafts, health, holdings, logbooks, person
from agencies.api.context import Parts, bearer, named_once
from agencies.api.refusals import add_handlers
from agencies.api.settings import Rates
from schemas.http.answers import Answers
from schemas.http.asgi import App
from schemas.http.authentication import Authentication
from schemas.http.callers import Callers
from schemas.http.limits import BodyLimit, Buckets, RateLimit
from schemas.http.problems import Problem
from schemas.records import KINDS

ROUTERS: Final = tuple(part.router for part in (person, drafts, holdings, logbooks, decisions))
"""Everything behind the doors."""

OPEN_PATHS: Final = ("/healthz", "/readyz", "/openapi.json")

_ABOUT = """\
What an agency holds, for its officers and for liaison officers whom it hosts; and what they publish through it.

Tokens: `Authorization: Bearer`, a signed JWT of at most 15 minutes whose subject is the officer. What does not exist
and what the officer may not see are the same 404. Every read is logged with its purpose and justification, granted or
refused. Every refusal is a problem (RFC 9457) of a closed list. Instants are domain time, in UTC, but for the log's.
The content of a portion is described for each kind under `x-entente-contents`.
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
    contents, definitions = models_json_schema(
        [(p.content, "validation") for kind in KINDS.values() for p in kind.portions.values()],
        ref_template="#/components/schemas/{model}",
    )
    schemas.update(definitions.get("$defs", {}))
    document["x-entente-contents"] = {
        name: {portion: contents[p.content, "validation"] for portion, p in kind.portions.items()}
        for name, kind in KINDS.items()
    }
    for route in _known_routes():
        # The framework leaves out each null of an example, and a null here says something
        good = document["paths"][route.path][next(iter(route.methods or ())).lower()]["responses"]["200"][
            "content"
        ]
        if "application/json" in good:
            good["application/json"]["example"] = route.responses[200]["content"]["application/json"][
                "example"
            ]
    for methods in document["paths"].values():
        for operation in methods.values():
            for parameter in operation.get("parameters", ()):
                parameter["schema"] = _never_null(parameter["schema"])
    return document


def _known_routes() -> Iterator[APIRoute]:
    for router in (health.router, *ROUTERS):
        yield from (route for route in router.routes if isinstance(route, APIRoute))


def _never_null(schema: dict[str, Any]) -> dict[str, Any]:
    """A parameter that may be left out is told of as one that may be null, which no text can be."""
    kinds = [kind for kind in schema.get("anyOf", ()) if kind != {"type": "null"}]
    if len(kinds) != 1:
        return schema
    return {**{k: v for k, v in schema.items() if k not in ("anyOf", "default")}, **kinds[0]}
