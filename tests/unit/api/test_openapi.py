"""The service against its own OpenAPI document: schemathesis makes requests, good and bad, with all of its checks.

Once for each role, and the document itself: each operation has a summary, its problems, and nothing from elsewhere.
"""

import asyncio
import json
import re
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import schemathesis
from fastapi.routing import APIRoute
from hypothesis import HealthCheck, settings
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.core.parameters import ParameterLocation

from broker.api import cursor, health
from broker.api.app import ROUTERS
from schemas.http.tokens import ApiRole
from schemas.ids import AgencyId
from tests.support.api import Desk, g7
from tests.support.drafts import plain
from tests.support.federation import NOW_MS

NCA, OLTIM = AgencyId("gb-nca"), AgencyId("fr-oltim")
EXAMPLES = 15

load_all_checks()


@cache
def desk() -> Desk:
    async def make() -> Desk:
        # No time for drafts, which some hundreds of requests bear: an answer too, and `test_drafts` has the others.
        made = Desk(g7(), NOW_MS, most_streams=10_000, most_work_s=0)
        await made.decide(await made.lane(NCA), plain(1, OLTIM), plain(2, "de-bpol"))
        return made

    return asyncio.run(make())


@cache
def document() -> dict[str, Any]:
    found: dict[str, Any] = desk().routes.openapi()
    return found


schema = schemathesis.openapi.from_dict(document())
schema.app = desk().app


def token(role: ApiRole, path: str) -> str:
    """A stream ends with its token: that of a stream is to end soon."""
    agency = NCA if role is ApiRole.OFFICER else AgencyId("gb-bsc") if role is ApiRole.COORDINATOR else None
    return desk().token(role, agency, life_s=1 if path == "/v1/events" else 600)


@pytest.mark.parametrize("role", list(ApiRole))
@schema.parametrize()
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
    database=None,
)
def test_every_answer_is_one_that_the_document_tells_of(case: schemathesis.Case[Any], role: ApiRole) -> None:
    headers = {"Authorization": f"Bearer {token(role, case.path)}"}
    response = case.call(headers=headers)
    excluded = passed_over(case, response.request.url or "")
    checks: list[Any] = [check for check in CHECKS.get_all() if check.__name__ not in excluded]
    case.validate_response(
        response,
        checks,
        headers=headers,
        transport_kwargs={"headers": headers},
    )


def passed_over(case: schemathesis.Case[Any], url: str) -> set[str]:
    """Checks that would judge a request other than the one that was sent; none for nearly every case.

    The tool fills cases that it calls good with a header that it calls bad. And what it calls bad may not be on the
    wire: a query name whose value is an empty list, a token that this test puts back.
    """
    assert case.meta is not None
    bad = {place for place, part in case.meta.components.items() if part.mode.is_negative}
    if case.meta.generation.mode.is_positive:
        # No schema can tell which text is a policy.
        is_draft = case.path.startswith("/v1/drafts/")
        return {"positive_data_acceptance"} if bad or is_draft else set()
    sent = {name for name, _ in parse_qsl(urlsplit(url).query, keep_blank_values=True)}
    strange = {str(name) for name in case.query or {}} - {p.name for p in case.operation.query}
    last = dict(case.headers or {}).get("last-event-id")
    unseen = {
        ParameterLocation.QUERY: bool(strange) and not strange & sent,
        ParameterLocation.HEADER: last is None or bool(re.fullmatch(cursor.PATTERN, last)),
    }
    return {"negative_data_rejection"} if all(unseen.get(place, False) for place in bad) else set()


def test_every_operation_is_described() -> None:
    for path, methods in document()["paths"].items():
        for operation in methods.values():
            assert operation["summary"], path
            assert operation["description"], path
            told = operation["responses"]
            assert {"200", "400", "401", "408", "413", "422", "429", "500", "503"} <= told.keys(), path
            for status, response in told.items():
                if status != "200":
                    assert list(response["content"]) == ["application/problem+json"], path
            assert ("security" in operation) == (path not in ("/healthz", "/readyz")) or operation[
                "security"
            ] == []


def test_every_operation_has_an_example_that_its_model_takes() -> None:
    known = [route for router in (health.router, *ROUTERS) for route in router.routes]
    models = {route.path: route.response_model for route in known if isinstance(route, APIRoute)}
    for path, methods in document()["paths"].items():
        for operation in methods.values():
            ((media, content),) = operation["responses"]["200"]["content"].items()
            if media == "application/json":
                made = models[path].model_validate(content["example"])
                assert json.loads(made.model_dump_json()).keys() == content["example"].keys(), path


def test_the_document_leads_nowhere_else() -> None:
    assert not re.findall(r"https?://(?!login\.example)[^\s\"]*", json.dumps(document()))
