"""Every operation of the officers' API with tokens that are none, tokens that ended, wrong roles, and bad bodies."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from agencies.api import examples
from schemas.http.doors import Doors
from schemas.http.problems import MEDIA_TYPE
from schemas.http.settings import Rates
from schemas.http.tokens import ApiRole, broker_audience, node_audience
from tests.support.federation import ceremony
from tests.support.house import WIDE, House
from tests.unit.node_api.conftest import NCA, OLTIM

KEY = {"idempotency-key": "key-number-1"}
RECORD = "00000000-0000-0000-0000-000000000001"

#: Method, path, body, query of each operation behind the doors; a test compares them with the document.
OPERATIONS: list[tuple[str, str, Any]] = [
    ("GET", "/v1/me", None),
    ("POST", "/v1/drafts", examples.RECORD),
    ("POST", "/v1/previews", examples.RECORD),
    ("POST", "/v1/records", examples.RECORD),
    ("GET", "/v1/inbox?purpose=detection", None),
    ("POST", "/v1/searches", examples.SEARCH),
    ("POST", "/v1/reads", examples.READING),
    ("GET", "/v1/disclosures", None),
    ("GET", "/v1/quarantine", None),
    ("GET", "/v1/receipts", None),
    ("GET", "/v1/alarms", None),
    ("GET", "/v1/decisions", None),
    ("GET", f"/v1/decisions/{RECORD}", None),
    ("POST", "/v1/broker-tokens", None),
]
WITH_BODY = [(m, p, b) for m, p, b in OPERATIONS if b is not None]
operations = pytest.mark.parametrize("method, path, body", OPERATIONS)
bodies = pytest.mark.parametrize("method, path, body", WITH_BODY)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    folder = tmp_path_factory.mktemp("house")
    async with House(OLTIM, f"sqlite:///{folder / 'node.db'}", folder) as made:
        yield made


async def ask(client: httpx.AsyncClient, method: str, path: str, body: Any) -> httpx.Response:
    return await client.request(method, path, json=body, headers=KEY)


def problem(answered: httpx.Response, status: int) -> dict[str, Any]:
    assert answered.status_code == status, answered.text
    assert answered.headers["content-type"] == MEDIA_TYPE
    assert answered.headers["cache-control"] == "no-store"
    found: dict[str, Any] = answered.json()
    assert found["status"] == status
    return found


async def test_these_are_all_operations(house: House) -> None:
    told = {
        (method.upper(), path)
        for path, methods in house.routes.openapi()["paths"].items()
        for method in methods
        if path.startswith("/v1/")
    }
    assert told == {(m, p.split("?")[0].replace(RECORD, "{record}")) for m, p, _ in OPERATIONS}


@operations
async def test_nobody_comes_in_without_a_token_that_holds(
    house: House, method: str, path: str, body: Any
) -> None:
    now, federation = int(time.time()), ceremony().arrangement.body.federation
    seed = (ceremony().agency(OLTIM) / "keys" / "signing.key").read_bytes()[:32]
    analyst = "fr-oltim/analyst"
    tokens = {
        "none": None,
        "no token": "x.y.z",
        "expired": house.token(analyst, now_s=now - 1000),
        "not yet": house.token(analyst, now_s=now + 1000),
        "too long": house.token(analyst, life_s=86_400),
        "another's": house.token(analyst, seed=b"\x0d" * 32),
        "for another node": house.token(analyst, audience=node_audience(federation, NCA)),
        "for the broker": house.token(analyst, seed=seed, audience=broker_audience(federation)),
        "of another agency": house.token(analyst, agency=NCA),
        "as auditor": house.token(analyst, role=ApiRole.AUDITOR),
        "as coordinator": house.token(analyst, role=ApiRole.COORDINATOR),
        "as operator": house.token(analyst, role=ApiRole.OPERATOR, agency=None),
    }
    answers = set()
    for token in tokens.values():
        async with house.client(token) as client:
            answered = await ask(client, method, path, body)
            problem(answered, 401)
            answers.add(answered.content)
            # What is not there at all is answered alike
            assert (await client.get("/v1/nothing-here")).content == answered.content
    assert len(answers) == 1


@operations
async def test_whom_the_house_cannot_know(house: House, method: str, path: str, body: Any) -> None:
    for subject in ("desk", "fr-oltim", "FR-OLTIM/x", "fr-oltim/x/y", "https://id.example/7"):
        async with house.client(house.token(subject)) as client:
            problem(await ask(client, method, path, body), 403)


@operations
async def test_whoever_has_no_part_in_it(house: House, method: str, path: str, body: Any) -> None:
    """A stranger with a good token: nothing is theirs, and nothing is told of what there is."""
    async with house.client(house.token("it-pds/not-posted-here")) as client:
        answered = await ask(client, method, path, body)
    if path.split("?")[0] in ("/v1/me", "/v1/disclosures", "/v1/inbox", "/v1/searches"):
        assert answered.status_code == 200
        told = answered.json()
        assert [told.get(k) for k in ("clearance", "records", "hits", "next")] in (
            [None, None, None, None],
            [None, [], None, None],
            [None, None, [], None],
        )
    else:
        problem(answered, 404 if path == "/v1/reads" else 403)


@bodies
async def test_bodies_that_are_none(house: House, method: str, path: str, body: Any) -> None:
    async with house.officer("chief") as client:
        bad: list[tuple[bytes, int]] = [
            (b"", 422),
            (b"{", 400),
            (b"\xff\xfe", 400),
            (b"[" * 100_000, 400),
            (b'{"a": ' * 50_000 + b"1" + b"}" * 50_000, 400),
            (b"null", 422),
            (b"[]", 422),
            (b'"\\ud800"', 422),
            (b"{}", 422),
            (b'{"unknown": 1}', 422),
        ]
        for content, status in bad:
            answered = await client.request(
                method, path, content=content, headers={**KEY, "content-type": "application/json"}
            )
            problem(answered, status)
        for media in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
            problem(
                await client.request(method, path, content=b"{}", headers={**KEY, "content-type": media}), 415
            )
        large = b'{"query": "' + b"x" * (7 * 1024 * 1024) + b'"}'
        problem(
            await client.request(
                method, path, content=large, headers={**KEY, "content-type": "application/json"}
            ),
            413,
        )


@bodies
async def test_an_unknown_field_is_told_without_its_value(
    house: House, method: str, path: str, body: Any
) -> None:
    async with house.officer("chief") as client:
        answered = await ask(client, method, path, {**body, "colour": "7f3a-secret"})
    assert problem(answered, 422)["faults"][0]["where"] == "body.colour"
    assert "7f3a" not in answered.text


@pytest.mark.parametrize(
    "path, body",
    [
        ("/v1/searches", {**examples.SEARCH, "query": "a\x00b"}),
        ("/v1/searches", {**examples.SEARCH, "query": " "}),
        ("/v1/searches", {**examples.SEARCH, "query": "x" * 1001}),
        ("/v1/searches", {**examples.SEARCH, "limit": 101}),
        ("/v1/searches", {**examples.SEARCH, "limit": 0}),
        ("/v1/searches", {**examples.SEARCH, "purpose": "curiosity"}),
        ("/v1/searches", {**examples.SEARCH, "after": "gb-nca.1.2.base"}),
        ("/v1/reads", {**examples.READING, "justification": ""}),
        ("/v1/reads", {**examples.READING, "justification": "\n \t"}),
        ("/v1/reads", {**examples.READING, "justification": None}),
        ("/v1/reads", {**examples.READING, "purpose": None}),
        ("/v1/reads", {**examples.READING, "record": "1"}),
        ("/v1/reads", {**examples.READING, "originator": "GB"}),
        ("/v1/reads", {**examples.READING, "manifest": "00"}),
    ],
)
async def test_a_purpose_and_a_justification_are_stated(house: House, path: str, body: Any) -> None:
    async with house.officer("chief") as client:
        problem(await client.post(path, json=body), 422)


@pytest.mark.parametrize(
    "path",
    [
        "/v1/inbox",
        "/v1/inbox?purpose=detection&purpose=takedown",
        "/v1/inbox?purpose=detection&colour=red",
        "/v1/inbox?purpose=detection&limit=0",
        "/v1/inbox?purpose=detection&after=x",
        "/v1/disclosures?before=0",
        "/v1/disclosures?before=99999999999999999999",
        "/v1/disclosures?limit=201",
        "/v1/quarantine?limit=x",
        "/v1/alarms?before=-1",
        "/v1/receipts?limit=1&limit=2",
        "/v1/decisions?after=x",
        "/v1/decisions/1",
        "/v1/me?verbose=1",
    ],
)
async def test_queries_that_are_none(house: House, path: str) -> None:
    async with house.officer("chief") as client:
        problem(await client.get(path), 422)


async def test_methods_and_paths_that_are_none(house: House) -> None:
    async with house.officer("chief") as client:
        problem(await client.delete("/v1/records"), 405)
        problem(await client.get("/v1/nothing-here"), 404)
        problem(await client.get("/v1/me/"), 404)
    async with house.client(None) as nobody:
        assert (await nobody.get("/healthz")).json() == {"status": "alive"}
        assert (await nobody.get("/readyz")).json() == {"status": "ready"}
        assert (await nobody.get("/openapi.json")).status_code == 200


async def test_who_asks_too_often_waits(tmp_path: Path) -> None:
    doors = Doors(WIDE.most_body, WIDE.address_rate, Rates(a_second=0.01, burst=3))
    async with House(OLTIM, f"sqlite:///{tmp_path / 'n.db'}", tmp_path, doors) as house:
        async with house.officer("chief") as client:
            seen = [(await client.get("/v1/me")).status_code for _ in range(4)]
            assert seen == [200, 200, 200, 429]
        async with house.officer("analyst") as other:
            assert (await other.get("/v1/me")).status_code == 200


async def test_a_store_that_is_away_is_told_and_waited_for(house: House) -> None:
    free = asyncio.Event()
    loop = asyncio.get_running_loop()

    def block(_: object) -> None:
        asyncio.run_coroutine_threadsafe(free.wait(), loop).result()

    held = asyncio.ensure_future(house.rows(block))
    async with house.client(None) as nobody:
        refused = await nobody.get("/readyz")
        assert problem(refused, 503)["reason"] == "store"
        assert (await nobody.get("/healthz")).status_code == 200
        free.set()
        await held
        assert (await nobody.get("/readyz")).status_code == 200
