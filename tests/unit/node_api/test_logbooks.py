"""The house's books: the data-protection officer sees all of the log, others their own; the rest is the house's."""

import time
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import insert

from agencies.store.tables import alarms, quarantine, receipts
from schemas.http.tokens import ApiRole, broker_audience, verify_token
from tests.support.api import Desk
from tests.support.drafts import plain
from tests.support.federation import NOW_MS, ceremony
from tests.support.house import House
from tests.unit.node_api.conftest import LIAISON, NCA, OLTIM, Paris, uuid


async def page(client: httpx.AsyncClient, path: str, **query: Any) -> dict[str, Any]:
    answered = await client.get(path, params=query)
    assert answered.status_code == 200, answered.text
    found: dict[str, Any] = answered.json()
    return found


async def read(client: httpx.AsyncClient, record: str) -> int:
    body = {"originator": NCA, "record": record, "purpose": "detection", "justification": "a case"}
    return (await client.post("/v1/reads", json=body)).status_code


async def test_the_log_is_all_for_the_dpo_and_ones_own_for_others(paris: Paris) -> None:
    house = paris.house
    async with (
        house.officer("analyst") as analyst,
        house.officer("chief") as chief,
        house.officer(LIAISON) as guest,
        house.officer("dpo") as dpo,
    ):
        assert [await read(c, paris.secret) for c in (analyst, chief, guest)] == [404, 200, 404]
        assert [await read(c, paris.plain) for c in (analyst, chief)] == [200, 200]
        everything = await page(dpo, "/v1/disclosures")
        assert (everything["whose"], len(everything["disclosures"])) == ("all", 5)
        assert [d["number"] for d in everything["disclosures"]] == [5, 4, 3, 2, 1]
        refused = everything["disclosures"][-1]
        assert (refused["officer"], refused["outcome"], refused["reason"]) == (
            "fr-oltim/analyst",
            "refused",
            "sources: above_tlp_ceiling",
        )
        assert refused["manifest"] is not None
        own = await page(analyst, "/v1/disclosures")
        assert (own["whose"], [d["number"] for d in own["disclosures"]]) == ("own", [2, 1])
        hidden = own["disclosures"][1]
        # What was refused tells the officer nothing but what they asked
        assert (hidden["outcome"], hidden["reason"], hidden["manifest"], hidden["portions"]) == (
            "refused",
            None,
            None,
            [],
        )
        assert [d["record"] for d in (await page(guest, "/v1/disclosures"))["disclosures"]] == [paris.secret]
        seen, before = list[int](), None
        while True:
            part = await page(dpo, "/v1/disclosures", limit=2, **({"before": before} if before else {}))
            seen += [d["number"] for d in part["disclosures"]]
            before = part["next"]
            if before is None:
                break
        assert seen == [5, 4, 3, 2, 1]


async def test_an_unknown_and_a_refused_record_are_the_same_row_to_who_asked(paris: Paris) -> None:
    async with paris.house.officer("analyst") as analyst:
        await read(analyst, paris.secret)
        await read(analyst, str(UUID(int=1)))
        rows = (await page(analyst, "/v1/disclosures"))["disclosures"]
    asked = [{k: v for k, v in row.items() if k not in ("number", "at", "record")} for row in rows]
    assert asked[0] == asked[1]


async def fill(house: House) -> None:
    def write(connection: Any) -> None:
        for n in range(1, 4):
            connection.execute(
                insert(quarantine).values(
                    topic="t",
                    partition=0,
                    offset=n,
                    lane=NCA,
                    record_id=UUID(uuid("plain")).bytes if n == 1 else b"",
                    portion="base" if n == 1 else None,
                    reason="bad_wrap",
                    bytes=b"never shown",
                    at_ms=NOW_MS,
                )
            )
            connection.execute(insert(alarms).values(alarm="chain_break", detail=f"n {n}", at_ms=NOW_MS))
            connection.execute(
                insert(receipts).values(
                    id=bytes([n]) * 16,
                    recipient="it-pds",
                    after=n - 1,
                    upto=n,
                    head=b"h",
                    exceptions='[[1, "bad_wrap"]]' if n == 1 else "[]",
                    received_at_ms=NOW_MS + n,
                )
            )

    await house.rows(write)


@pytest.mark.parametrize("name", ["analyst", "dpo", "uncleared"])
async def test_the_houses_own_see_its_books(paris: Paris, name: str) -> None:
    await fill(paris.house)
    async with paris.house.officer(name) as client:
        kept = await page(client, "/v1/quarantine", limit=2)
        assert [e["number"] for e in kept["entries"]] == [3, 2]
        last = await page(client, "/v1/quarantine", before=kept["next"])
        assert last["next"] is None
        assert last["entries"][0] == {
            "number": 1,
            "at": "2026-09-21T14:13:20Z",
            "lane": NCA,
            "record": uuid("plain"),
            "portion": "base",
            "reason": "bad_wrap",
        }
        told = await page(client, "/v1/receipts", limit=2)
        assert [(r["number"], r["upto"]) for r in told["receipts"]] == [(3, 3), (2, 2)]
        assert (await page(client, "/v1/receipts", before=2))["receipts"][0]["exceptions"] == [
            [1, "bad_wrap"]
        ]
        assert [a["detail"] for a in (await page(client, "/v1/alarms"))["alarms"]] == ["n 3", "n 2", "n 1"]


@pytest.mark.parametrize("name", [LIAISON, "stranger", "xa-np/one"])
@pytest.mark.parametrize("path", ["/v1/quarantine", "/v1/receipts", "/v1/alarms", "/v1/decisions"])
async def test_a_guest_does_not(paris: Paris, name: str, path: str) -> None:
    async with paris.house.officer(name) as client:
        assert (await client.get(path)).status_code == 403
        assert (await client.post("/v1/broker-tokens")).status_code == 403


async def test_who_has_left_the_roster_is_nobody_at_once(paris: Paris) -> None:
    async with paris.house.officer("analyst") as client:
        assert await read(client, paris.plain) == 200
        assert (await page(client, "/v1/me"))["roles"] == ["officer"]
        paris.house.roster.write_text("officers: []\n")
        assert await read(client, paris.plain) == 404
        assert (await client.get("/v1/alarms")).status_code == 403
        assert (await page(client, "/v1/me")) == {
            "officer": "fr-oltim/analyst",
            "home": OLTIM,
            "node": OLTIM,
            "roles": [],
            "clearance": None,
        }


async def test_who_somebody_is(paris: Paris) -> None:
    async with paris.house.officer("analyst") as own, paris.house.officer(LIAISON) as guest:
        assert (await page(own, "/v1/me"))["clearance"] == {
            "tlp": "AMBER",
            "handling_codes": ["H0", "H1"],
            "special": [],
        }
        told = await page(guest, "/v1/me")
        assert (told["home"], told["roles"], told["clearance"]["tlp"]) == ("it-pds", [], "AMBER")


async def test_decisions_are_the_brokers_word(tmp_path: Any) -> None:
    """Against a real broker API, which believes the token that the node signs with the agency's signing key."""
    desk = Desk(ceremony(), NOW_MS)
    await desk.decide(await desk.lane(OLTIM), plain(1, NCA), plain(2, "it-pds"))
    await desk.decide(await desk.lane(NCA), plain(3, OLTIM))
    transport = httpx.ASGITransport(app=desk.app, client=("192.0.2.2", 1))
    url = f"sqlite:///{tmp_path / 'node.db'}"
    async with House(OLTIM, url, tmp_path, broker=transport) as house, house.officer("analyst") as client:
        found = await page(client, "/v1/decisions")
        assert [d["originator"] for d in found["decisions"]] == [OLTIM, OLTIM]
        outcomes = {o["recipient"]: o for o in found["decisions"][0]["portions"][0]["outcomes"]}
        assert outcomes[NCA]["withheld"] is None
        assert all(found["decisions"][0]["rules"][r]["reason"] for r in outcomes[NCA]["rules"])
        first = await page(client, "/v1/decisions", limit=1)
        rest = await page(client, "/v1/decisions", after=first["next"])
        assert [d["number"] for d in first["decisions"] + rest["decisions"]] == [1, 2]
        assert (await page(client, f"/v1/decisions/{uuid(1)}"))["decisions"][0]["number"] == 1
        # What others originated is as unknown as what nobody did
        foreign = await client.get(f"/v1/decisions/{uuid(3)}")
        unknown = await client.get(f"/v1/decisions/{UUID(int=1)}")
        assert foreign.status_code == unknown.status_code == 404
        assert foreign.content == unknown.content
        assert (await client.get("/v1/decisions", params={"after": "00000000.1"})).status_code == 409
        made = (await client.post("/v1/broker-tokens")).json()
        audience = broker_audience(ceremony().arrangement.body.federation)
        caller = verify_token(
            made["token"], desk.signed.issuers(time.time_ns() // 1_000_000), audience, int(time.time())
        )
        assert (caller.role, caller.agency, caller.subject) == (ApiRole.OFFICER, OLTIM, "fr-oltim/analyst")


async def test_a_broker_that_is_not_there_is_told(paris: Paris) -> None:
    async with paris.house.officer("analyst") as client:
        away = await client.get("/v1/decisions")
        assert (away.status_code, away.json()["reason"]) == (503, "broker")
