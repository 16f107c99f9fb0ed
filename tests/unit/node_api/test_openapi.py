"""The officers' API against its own OpenAPI document: schemathesis makes requests, good and bad, with all its checks.

As an officer of the house, as its data-protection officer and as a guest; and the document itself: each operation has a
summary, its problems and an example, and nothing from elsewhere.
"""

import json
import re
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
import schemathesis
from fastapi.routing import APIRoute
from hypothesis import HealthCheck, settings
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.core.parameters import ParameterLocation

from agencies.api import examples, health
from agencies.api.app import ROUTERS
from agencies.api.written import RecordBody
from schemas.records import KINDS
from tests.support.api import Desk
from tests.support.drafts import plain
from tests.support.elsewhere import Elsewhere
from tests.support.federation import NOW_MS, ceremony
from tests.support.house import House
from tests.unit.node_api.conftest import LIAISON, NCA, OLTIM

EXAMPLES = 15
WRITTEN = ("/v1/drafts", "/v1/previews", "/v1/records")

load_all_checks()
elsewhere = Elsewhere()


@cache
def house() -> House:
    """A house with two records and a broker's API, in a loop of its own."""
    folder = Path(mkdtemp())

    async def make() -> House:
        desk = Desk(ceremony(), NOW_MS)
        await desk.decide(await desk.lane(OLTIM), plain(3, NCA), plain(4, "it-pds"))
        broker = httpx.ASGITransport(app=desk.app)
        made = House(OLTIM, f"sqlite:///{folder / 'node.db'}", folder, broker=broker)
        await made.__aenter__()
        await made.receive(NCA, plain(1, OLTIM), plain(2, OLTIM, "it-pds"))
        return made

    return elsewhere.run(make())


@cache
def document() -> dict[str, Any]:
    found: dict[str, Any] = house().routes.openapi()
    return found


schema = schemathesis.openapi.from_dict(document())
schema.app = elsewhere.app(house().app)


@pytest.mark.parametrize("officer", ["fr-oltim/chief", "fr-oltim/dpo", LIAISON])
@schema.parametrize()
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
    database=None,
)
def test_every_answer_is_one_that_the_document_tells_of(case: schemathesis.Case[Any], officer: str) -> None:
    headers = {"Authorization": f"Bearer {house().token(officer)}"}
    response = case.call(headers=headers)
    excluded = passed_over(case, response.request.url or "")
    checks: list[Any] = [check for check in CHECKS.get_all() if check.__name__ not in excluded]
    case.validate_response(response, checks, headers=headers, transport_kwargs={"headers": headers})


def passed_over(case: schemathesis.Case[Any], url: str) -> set[str]:
    """Checks that would judge a request other than the one that was sent, or more than a schema can say.

    - The tool fills cases that it calls good with a header that it calls bad. And what it calls bad may not be on the
      wire: a query name whose value is an empty list, a token that this test puts back.
    - What a kind's portions are, which check digits are right and whom the arrangement knows is told by 422, of a
      record that the schema alone would take.
    """
    assert case.meta is not None
    bad = {place for place, part in case.meta.components.items() if part.mode.is_negative}
    if case.meta.generation.mode.is_positive:
        return {"positive_data_acceptance"} if bad or case.path in WRITTEN else set()
    sent = {name for name, _ in parse_qsl(urlsplit(url).query, keep_blank_values=True)}
    strange = {str(name) for name in case.query or {}} - {p.name for p in case.operation.query}
    key = dict(case.headers or {}).get("Idempotency-Key")
    unseen = {
        ParameterLocation.QUERY: bool(strange) and not strange & sent,
        ParameterLocation.HEADER: case.path != "/v1/records"
        or (key is not None and re.fullmatch(r"[A-Za-z0-9_-]{8,128}", key) is not None),
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
            ((_, content),) = operation["responses"]["200"]["content"].items()
            made = models[path].model_validate(content["example"])
            assert json.loads(made.model_dump_json()) == content["example"], path


def test_the_contents_of_each_kind_are_described() -> None:
    told, known = document()["x-entente-contents"], document()["components"]["schemas"]
    assert told.keys() == KINDS.keys()
    for name, kind in KINDS.items():
        assert told[name].keys() == kind.portions.keys()
        for place in told[name].values():
            assert place["$ref"].removeprefix("#/components/schemas/") in known
    record = RecordBody.model_validate(examples.RECORD)
    (portion,) = record.portions
    KINDS[record.kind].portions[portion.name].content.model_validate_json(json.dumps(portion.content))


def test_the_document_leads_nowhere_else() -> None:
    # `https://[a-z` is the pattern of an address and no address
    assert not re.findall(r"https?://(?!broker\.example|\[a-z)[^\s\"]*", json.dumps(document()))
