"""Agencies and communities as each role sees them, and the answers that every door gives."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from deploy.arrangements import SHIPPED, read_arrangement
from deploy.ceremony import hold_ceremony
from deploy.pki import Authority
from schemas.directory import Directory
from schemas.http.doors import Doors
from schemas.http.settings import Rates
from schemas.http.tokens import ApiRole
from schemas.ids import AgencyId
from tests.support.api import WIDE, Desk, g7
from tests.support.federation import NOW_MS

NCA, BSC, OLTIM = AgencyId("gb-nca"), AgencyId("gb-bsc"), AgencyId("fr-oltim")


@pytest.fixture(scope="module")
def desk() -> Desk:
    return Desk(g7(), NOW_MS)


PATHS = ["/v1/agencies", "/v1/agencies/gb-nca", "/v1/communities", "/v1/arrangement"]


async def test_members_and_auditors_see_the_public_arrangement(desk: Desk) -> None:
    for client in (desk.officer(OLTIM), desk.coordinator(BSC), desk.auditor()):
        async with client:
            found = (await client.get("/v1/agencies")).json()["agencies"]
            assert [a["id"] for a in found] == list(g7().arrangement.directory.agency_ids)
            one = (await client.get("/v1/agencies/gb-bsc")).json()
            assert one["coordinating"]
            assert one["states"] == ["GB"]
            ids = [c["id"] for c in (await client.get("/v1/communities")).json()["communities"]]
            assert ids == sorted(c.id for c in g7().arrangement.directory.communities)
            community = (await client.get(f"/v1/communities/{ids[0]}")).json()
            assert community["members"]
            held = (await client.get("/v1/arrangement")).json()
            assert held["digest"] == g7().arrangement.digest.hex()


async def test_an_operator_sees_no_partner(desk: Desk) -> None:
    async with desk.operator() as client:
        for path in PATHS[:3]:
            assert (await client.get(path)).status_code == 403
        assert (await client.get("/v1/arrangement")).status_code == 200


async def test_what_is_unknown_is_not_found(desk: Desk) -> None:
    async with desk.auditor() as client:
        for path in ("/v1/agencies/zz-nobody", "/v1/communities/no-such-team", "/v1/nothing", "/"):
            answered = await client.get(path)
            assert answered.status_code == 404
            assert answered.headers["content-type"] == "application/problem+json"
            assert answered.json() == {
                "type": "urn:entente:problem:not-found",
                "title": "nothing here for this caller",
                "status": 404,
            }


@pytest.mark.parametrize("path", [*PATHS, "/v1/previews", "/v1/nothing", "/"])
async def test_without_a_token_that_holds_everything_is_the_same(desk: Desk, path: str) -> None:
    holding = desk.token(ApiRole.AUDITOR)
    tokens = [
        None,
        "",
        "x",
        holding[:-4],
        desk.token(ApiRole.AUDITOR, now_s=0),
        desk.token(ApiRole.OFFICER, NCA, agency=OLTIM),
        desk.token(ApiRole.COORDINATOR, NCA),
        desk.token(ApiRole.AUDITOR, audience="entente:g7:node:gb-nca"),
    ]
    for token in tokens:
        async with desk.client(token) as client:
            for method in ("GET", "POST", "DELETE"):
                answered = await client.request(method, path)
                assert answered.status_code == 401, (token, method)
                assert answered.json()["type"] == "urn:entente:problem:unauthorised"
                assert answered.headers["www-authenticate"].startswith("Bearer")


def test_only_whom_the_arrangement_names_has_coordinators(desk: Desk) -> None:
    issuers = desk.signed.issuers(NOW_MS)
    assert {name for name, issuer in issuers.items() if ApiRole.COORDINATOR in issuer.roles} == {BSC}


async def test_a_signing_key_that_is_good_no_longer_issues_no_token(tmp_path: Path) -> None:
    source = read_arrangement(SHIPPED / "g7-small")
    ends = datetime.fromtimestamp(NOW_MS / 1000, UTC)
    agencies = tuple(
        a.model_copy(update={"signing_until": ends}) if a.id == NCA else a for a in source.directory.agencies
    )
    directory = Directory.model_validate(
        {**{f: getattr(source.directory, f) for f in Directory.model_fields}, "agencies": agencies}
    )
    ceremony = hold_ceremony(replace(source, directory=directory), tmp_path, Authority.create())
    for now_ms, status in ((NOW_MS - 1, 200), (NOW_MS, 401)):
        own = Desk(ceremony, now_ms)
        async with own.officer(NCA) as ended, own.officer(OLTIM) as other:
            assert (await ended.get("/v1/agencies")).status_code == status
            assert (await other.get("/v1/agencies")).status_code == 200


async def test_what_the_framework_refuses_is_a_problem_too(desk: Desk) -> None:
    async with desk.auditor() as client:
        refused: list[tuple[httpx.Response, int]] = [
            (await client.delete("/v1/agencies"), 405),
            (await client.get("/v1/agencies/NOT-AN-ID"), 422),
            (
                await client.post("/v1/previews", content=b"{", headers={"content-type": "application/json"}),
                400,
            ),
            (await client.post("/v1/previews", content=b"{}", headers={"content-type": "text/plain"}), 415),
            (await client.post("/v1/previews", json={}), 422),
            (await client.post("/v1/previews", content=b" " * (WIDE.most_body + 1)), 413),
        ]
    for answered, status in refused:
        assert answered.status_code == status
        assert answered.json()["status"] == status
        assert answered.headers["content-type"] == "application/problem+json"
        assert answered.headers["x-content-type-options"] == "nosniff"
    assert refused[0][0].headers["allow"] == "GET"


async def test_each_caller_has_a_bucket_of_its_own() -> None:
    few = Rates(a_second=0.001, burst=2)
    narrow = Desk(g7(), NOW_MS, Doors(1024, WIDE.address_rate, few))
    async with narrow.officer(NCA) as one, narrow.officer(OLTIM) as other:
        assert [(await one.get("/v1/agencies")).status_code for _ in range(3)] == [200, 200, 429]
        assert (await other.get("/v1/agencies")).status_code == 200


async def test_health_is_open_and_says_what_lacks() -> None:
    own = Desk(g7(), NOW_MS)
    async with own.client(None) as client:
        assert (await client.get("/healthz")).json() == {"status": "alive"}
        assert (await client.get("/readyz")).json() == {"status": "ready"}
        own.lacking = "projection"
        unready = await client.get("/readyz")
        assert unready.status_code == 503
        assert unready.json()["reason"] == "projection"
        document = (await client.get("/openapi.json")).json()
        assert document["openapi"].startswith("3.")
        assert (await client.get("/docs")).status_code == 401
