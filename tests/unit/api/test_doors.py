"""Every operation of the document with a missing, malformed, expired and wrong-role token, and with bad input."""

import json
from typing import Any, NamedTuple

import pytest

from schemas.http.doors import OPEN_PATHS
from schemas.http.tokens import ApiRole
from schemas.ids import AgencyId
from tests.support.api import WIDE, Desk, g7
from tests.support.federation import NOW_MS

NCA = AgencyId("gb-nca")
_FILLED = {"originator": "gb-nca", "agency": "gb-nca", "community": "jit-channel", "number": "1"}
_FILLED |= {"record": "00000000-0000-0000-0000-000000000000", "digest": "0" * 64}
_NEEDED = {
    "/v1/matrix": "?kind=boat_supply",
    "/v1/ledgers/{originator}/proofs/inclusion": "?index=0&size=1",
    "/v1/ledgers/{originator}/proofs/consistency": "?first=1&second=1",
}
#: In which roles each operation is used at all; the others are told 403.
_ROLES = {
    "/v1/arrangement": set(ApiRole),
    "/v1/status": {ApiRole.AUDITOR, ApiRole.OPERATOR},
    "/v1/previews": {ApiRole.AUDITOR, ApiRole.OFFICER},
    "/v1/matrix": {ApiRole.AUDITOR, ApiRole.OFFICER},
}
_OF_LEDGERS = {ApiRole.AUDITOR, ApiRole.OFFICER}
_OF_ALL_BUT_OPERATORS = set(ApiRole) - {ApiRole.OPERATOR}


class Operation(NamedTuple):
    """One that is behind the doors."""

    method: str
    template: str

    @property
    def url(self) -> str:
        return self.template.format(**_FILLED) + _NEEDED.get(self.template, "")

    @property
    def roles(self) -> set[ApiRole]:
        if self.template.startswith(("/v1/ledgers/", "/v1/drafts/")):
            return _OF_LEDGERS
        return _ROLES.get(self.template, _OF_ALL_BUT_OPERATORS)


@pytest.fixture(scope="module")
def desk() -> Desk:
    return Desk(g7(), NOW_MS)


def operations() -> list[Operation]:
    paths: dict[str, Any] = Desk(g7(), NOW_MS).routes.openapi()["paths"]
    found = [Operation(method.upper(), path) for path, methods in paths.items() for method in methods]
    return [operation for operation in found if operation.template not in OPEN_PATHS]


OPERATIONS = operations()
each = pytest.mark.parametrize("operation", OPERATIONS, ids=lambda o: f"{o.method} {o.template}")


def test_there_are_operations() -> None:
    assert len(OPERATIONS) > 12


@each
async def test_without_a_token_that_holds(desk: Desk, operation: Operation) -> None:
    good = desk.token(ApiRole.AUDITOR)
    head, payload, signature = good.split(".")
    bad = [
        None,
        "",
        "nonsense",
        good[:-1],
        f"{head}.{payload}.",
        f"{head}.{payload[:-2]}.{signature}",
        "a" * 5000,
        desk.token(ApiRole.AUDITOR, now_s=1_000_000_000),
        desk.token(ApiRole.AUDITOR, life_s=3600),
        desk.token(ApiRole.AUDITOR, issuer="operators"),
        desk.token(ApiRole.OFFICER, NCA, issuer="fr-oltim"),
    ]
    answers = set()
    for token in bad:
        async with desk.client(token) as client:
            answered = await client.request(operation.method, operation.url)
        assert answered.status_code == 401, token
        answers.add(answered.content)
    assert len(answers) == 1


@each
@pytest.mark.parametrize("role", list(ApiRole))
async def test_in_a_role_that_has_no_part_in_it(desk: Desk, operation: Operation, role: ApiRole) -> None:
    agency = {ApiRole.OFFICER: NCA, ApiRole.COORDINATOR: AgencyId("gb-bsc")}.get(role)
    body = json.dumps({"kind": "boat_supply", "portions": []}) if operation.method == "POST" else None
    async with desk.client(desk.token(role, agency), {"content-type": "application/json"}) as client:
        if operation.template == "/v1/events" and role in operation.roles:
            return  # a stream: it has tests of its own
        answered = await client.request(operation.method, operation.url, content=body)
    # A body that is not as expected is told before the role is asked, and says nothing of anything that is there
    allowed = {403} if role not in operation.roles else {200, 404, 409}
    assert answered.status_code in (allowed if operation.method == "GET" else allowed | {422})


@each
async def test_bad_input(desk: Desk, operation: Operation) -> None:
    async with desk.auditor() as client:
        large = await client.request(operation.method, operation.url, content=b"x" * (WIDE.most_body + 1))
        assert large.status_code == 413
        unknown = await client.request(operation.method, operation.url.partition("?")[0] + "?x=1")
        assert unknown.status_code in (415, 422)
        for name in _FILLED:
            if f"{{{name}}}" not in operation.template:
                continue
            for value in ("A" * 3000, "%00", "..%2f..", "'--", "-1", "1e9", "%F0%9F%98%80", "9" * 50):
                path = operation.template.replace(f"{{{name}}}", value).format(**_FILLED)
                answered = await client.request(operation.method, path + _NEEDED.get(operation.template, ""))
                assert answered.status_code in (404, 422), path
                assert answered.headers["content-type"] == "application/problem+json"
        wrong = "PATCH" if operation.method != "PATCH" else "PUT"
        assert (await client.request(wrong, operation.url)).status_code == 405


async def test_a_crash_behind_the_doors_is_a_problem(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_: object) -> None:
        raise ValueError("secret")

    desk = Desk(g7(), NOW_MS)
    monkeypatch.setattr(desk.ledgers, "frontier", broken)
    async with desk.auditor() as auditor:
        answered = await auditor.get("/v1/ledgers/gb-nca")
    assert answered.status_code == 500
    assert answered.headers["content-type"] == "application/problem+json"
    assert answered.json()["type"] == "urn:entente:problem:internal"
    assert "secret" not in answered.text + caplog.text
