"""Searching, listing and reading: what an officer may not see is as if it were not there, and each act is a row."""

import json
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import insert, select

from agencies.store.tables import disclosure_log, portions
from schemas.codes import PortionName, Tlp
from schemas.directory import Directory, Officer
from schemas.http.labels import HandlingBody
from schemas.ids import OfficerId
from tests.support.drafts import base, draft, label, persons
from tests.support.house import House
from tests.unit.node_api.conftest import LIAISON, NCA, OLTIM, PROTECTED, Paris, to_paris, uuid

WHY = "Case 2026/114"


def reading(record: str, **change: Any) -> dict[str, Any]:
    return {
        "originator": NCA,
        "record": record,
        "purpose": "detection",
        "justification": WHY,
        **change,
    }


async def read(client: httpx.AsyncClient, record: str, **change: Any) -> httpx.Response:
    return await client.post("/v1/reads", json=reading(record, **change))


async def search(client: httpx.AsyncClient, query: str, **more: Any) -> dict[str, Any]:
    answered = await client.post("/v1/searches", json={"query": query, "purpose": "detection", **more})
    assert answered.status_code == 200, answered.text
    found: dict[str, Any] = answered.json()
    return found


async def logged(house: House) -> list[Any]:
    rows = await house.rows(lambda c: c.execute(select(disclosure_log).order_by(disclosure_log.c.id)).all())
    return list(rows)


def names(found: dict[str, Any]) -> list[tuple[str, str]]:
    return [(h["record"], h["portion"]) for h in found["hits"]]


async def test_an_officer_finds_and_reads_what_they_are_cleared_for(paris: Paris) -> None:
    async with paris.house.officer("analyst") as analyst, paris.house.officer("chief") as chief:
        assert set(names(await search(analyst, "orange"))) == {
            (paris.plain, "base"),
            (paris.mixed, "base"),
        } | {(paris.protected, "persons")}
        assert len(names(await search(chief, "orange"))) == 5
        whole = (await read(chief, paris.mixed)).json()
        part = (await read(analyst, paris.mixed)).json()
    assert [p["name"] for p in whole["portions"]] == ["base", "sources"]
    assert [p["name"] for p in part["portions"]] == ["base"]
    assert part["portions"][0]["content"]["summary"] == "Orange engines"
    assert part["portions"][0]["label"]["tlp"] == "GREEN"
    # A portion that is not shown leaves no trace in what is
    assert "sources" not in json.dumps(part)
    assert {**whole, "portions": part["portions"]} == part


async def test_what_an_officer_may_not_read_is_as_unknown_as_what_is_not_there(paris: Paris) -> None:
    async with paris.house.officer("analyst") as analyst:
        unknown = await read(analyst, str(UUID(int=1)))
        assert unknown.status_code == 404
        answers = [
            await read(analyst, paris.secret),
            await read(analyst, paris.secret, manifest="0" * 64),
            await read(analyst, paris.plain, manifest="0" * 64),
            await read(analyst, paris.plain, originator="it-pds"),
            await read(analyst, paris.plain, originator="zz-nobody"),
            await read(analyst, paris.plain, purpose="takedown"),
        ]
    for answered in answers:
        assert (answered.status_code, answered.content) == (404, unknown.content)
        assert dict(answered.headers) == dict(unknown.headers)


async def test_each_read_is_a_row_granted_or_refused(paris: Paris) -> None:
    house = paris.house
    async with house.officer("analyst") as analyst:
        await read(analyst, paris.mixed)
        await read(analyst, paris.secret, purpose="investigation")
        await read(analyst, str(UUID(int=1)))
    granted, refused, unknown = await logged(house)
    assert (granted.officer, granted.home, granted.act) == ("fr-oltim/analyst", OLTIM, "read")
    assert (granted.purpose, granted.justification, granted.outcome) == ("detection", WHY, "granted")
    assert json.loads(granted.portions) == ["base"]
    assert granted.reason == "sources: above_tlp_ceiling"
    assert (refused.outcome, json.loads(refused.portions)) == ("refused", [])
    assert (refused.lane, refused.record_id, refused.purpose) == (
        NCA,
        UUID(paris.secret).bytes,
        "investigation",
    )
    assert refused.reason == "sources: above_tlp_ceiling"
    assert (unknown.outcome, unknown.reason, unknown.manifest) == ("refused", "no such record", None)


async def test_nothing_is_shown_that_could_not_be_logged(paris: Paris) -> None:
    await paris.house.rows(lambda c: disclosure_log.drop(c))
    async with paris.house.officer("chief") as chief:
        for answered in (
            await read(chief, paris.plain),
            await chief.post("/v1/searches", json={"query": "orange", "purpose": "detection"}),
            await chief.get("/v1/inbox", params={"purpose": "detection"}),
        ):
            assert answered.status_code == 500
            assert "range" not in answered.text


async def test_a_search_and_a_list_are_rows_with_what_was_shown(paris: Paris) -> None:
    async with paris.house.officer("analyst") as analyst:
        await search(analyst, "orange hulls", justification=WHY)
        await search(analyst, "ledger")
        assert (await analyst.get("/v1/inbox", params={"purpose": "prevention"})).status_code == 200
    found, nothing, listed = await logged(paris.house)
    assert (found.act, found.query, found.purpose, found.justification) == (
        "search",
        "orange hulls",
        "detection",
        WHY,
    )
    assert json.loads(found.portions) == [f"{NCA}/{paris.plain}:base"]
    assert (nothing.query, nothing.outcome, json.loads(nothing.portions)) == ("ledger", "granted", [])
    assert (listed.act, listed.purpose, listed.outcome) == ("list", "prevention", "granted")
    assert len(json.loads(listed.portions)) == 3


async def test_pages_of_a_search_meet_and_tell_nothing_of_what_lies_between(paris: Paris) -> None:
    async with paris.house.officer("analyst") as analyst, paris.house.officer("chief") as chief:
        for client, count in ((analyst, 3), (chief, 5)):
            whole, seen, after = await search(client, "orange"), list[tuple[str, str]](), None
            assert whole["next"] is None
            while True:
                page = await search(client, "orange", limit=1, **({"after": after} if after else {}))
                seen += names(page)
                after = page["next"]
                if after is None:
                    break
            assert seen == names(whole)
            assert len(seen) == count
        asked = {"query": "orange", "purpose": "detection"}
        # A place that an officer may not know of is no place, and neither is one that does not exist
        hidden = next(h for h in (await search(chief, "ledger"))["hits"])
        place = f"{NCA}.{UUID(hidden['record']).hex}.{hidden['manifest']}.sources"
        forged = f"{NCA}.{UUID(int=1).hex}.{'0' * 64}.sources"
        assert (await chief.post("/v1/searches", json={**asked, "after": place})).status_code == 200
        refused = await analyst.post("/v1/searches", json={**asked, "after": place})
        unknown = await analyst.post("/v1/searches", json={**asked, "after": forged})
        assert refused.status_code == unknown.status_code == 409
        assert refused.content == unknown.content


async def test_the_inbox_lists_what_may_be_read_page_by_page(paris: Paris) -> None:
    asked = {"purpose": "detection"}
    async with paris.house.officer("analyst") as analyst, paris.house.officer("chief") as chief:
        for client, records in ((analyst, 3), (chief, 4)):
            whole = (await client.get("/v1/inbox", params=asked)).json()
            assert len(whole["records"]) == records
            assert "content" not in json.dumps(whole)
            seen, after = list[str](), None
            while True:
                page = (
                    await client.get(
                        "/v1/inbox", params={**asked, "limit": 1, **({"after": after} if after else {})}
                    )
                ).json()
                seen += [r["record"] for r in page["records"]]
                after = page["next"]
                if after is None:
                    break
            assert seen == [r["record"] for r in whole["records"]]
        takedown = (await chief.get("/v1/inbox", params={"purpose": "takedown"})).json()
        assert takedown == {"records": [], "next": None}
        assert (await chief.get("/v1/inbox")).status_code == 422
        other = f"{NCA}.{'0' * 64}"
        assert (await chief.get("/v1/inbox", params={**asked, "after": other})).status_code == 409


async def test_many_hidden_hits_are_passed_over(store_url: str, tmp_path: Any) -> None:
    async with House(OLTIM, store_url, tmp_path) as house:
        hidden = label(OLTIM, by=None)
        many = [draft(n, (PortionName.BASE, base("orange"), hidden)) for n in range(250)]
        await house.receive(NCA, many[0])
        await house.receive("it-pds", *many[1:])  # type: ignore[arg-type]
        await house.rows(
            lambda c: c.execute(
                portions.update()
                .where(portions.c.originator == "it-pds")
                .values(officers=json.dumps(["fr-oltim/chief"]))
            )
        )
        async with house.officer("analyst") as analyst:
            found = await search(analyst, "orange", limit=1)
            assert [h["originator"] for h in found["hits"]] == [NCA]
            assert found["next"] is None


async def test_a_liaison_officer_reads_at_the_host_by_what_the_arrangement_says(paris: Paris) -> None:
    house = paris.house
    async with house.officer(LIAISON) as guest:
        assert (await read(guest, paris.plain)).status_code == 200
        assert (await read(guest, paris.secret)).status_code == 404
        (posting,) = (o for o in house.directory.officers if o.id == LIAISON)
        assert posting.end_ms is not None
        house.clock.set(posting.end_ms)
        assert (await read(guest, paris.plain)).status_code == 404
        assert await search(guest, "orange") == {"hits": [], "next": None}
        assert (await guest.get("/v1/inbox", params={"purpose": "detection"})).json()["records"] == []
    rows = await logged(house)
    assert [(r.outcome, r.home) for r in rows] == [("granted", "it-pds")] + [("refused", "it-pds")] * 4
    assert rows[-1].reason == "no_posting_now"


async def test_a_guest_from_a_barred_state_is_refused_and_so_is_everybody_beside_them(paris: Paris) -> None:
    """The directory changes after delivery: what the house holds already is shut."""
    house = paris.house
    async with house.officer("chief") as chief, house.officer("xa-np/liaison-paris") as guest:
        assert (await read(chief, paris.protected)).status_code == 200
        everything = next(o.clearance for o in house.directory.officers if o.id == LIAISON)
        assert everything is not None
        posting = Officer(
            id=OfficerId("xa-np/liaison-paris"),
            host=OLTIM,
            clearance=everything.model_copy(update={"tlp": Tlp.RED}),
        )
        made = house.directory.model_copy(update={"officers": (*house.directory.officers, posting)})
        house.directory = Directory.model_validate(made.model_dump())
        assert (await read(guest, paris.plain)).status_code == 200
        for client in (guest, chief):
            assert (await read(client, paris.protected)).status_code == 404
            assert (paris.protected, "persons") not in names(await search(client, "orange"))
    refused = [r for r in await logged(house) if r.outcome == "refused"]
    assert [r.reason for r in refused] == ["persons: protection_gate"] * 2


async def test_what_was_published_is_held_with_the_label_that_it_was_sealed_with(paris: Paris) -> None:
    house = paris.house
    body = {
        "kind": "boat_supply",
        "portions": [
            _portion("base", base("A violet hull").model_dump(mode="json"), to_paris().handling),
            _portion("persons", persons("Violet Esempio").model_dump(mode="json"), PROTECTED),
        ],
    }
    async with house.officer("analyst") as analyst:
        made = await analyst.post("/v1/records", json=body, headers={"idempotency-key": "the-first-of-them"})
        assert made.status_code == 200, made.text
        record = made.json()["record"]
        found = await search(analyst, "violet")
        assert set(names(found)) == {(record, "base"), (record, "persons")}
        shown = await read(analyst, record, originator=OLTIM)
        assert shown.json()["portions"][1]["content"]["persons"][0]["name"] == "Violet Esempio"
        assert shown.json()["admitted"] is None
        assert shown.json()["portions"][1]["label"]["origins"] == ["XA"]
    async with house.officer("it-pds/liaison-paris") as guest:
        assert set(names(await search(guest, "violet"))) == {(record, "base"), (record, "persons")}
    late = house.directory.model_copy(
        update={
            "officers": (
                *house.directory.officers,
                Officer.model_validate({"id": "fr-oltim/analyst", "posted_to": "XA"}),
            )
        }
    )
    house.directory = Directory.model_validate(late.model_dump())
    async with house.officer("analyst") as analyst:
        assert names(await search(analyst, "violet")) == [(record, "base")]


def _portion(name: str, content: Any, handling: Any) -> dict[str, Any]:
    return {
        "name": name,
        "content": content,
        "label": {
            "handling": HandlingBody.of(handling).model_dump(mode="json"),
            "releasable_to": {"agencies": ["it-pds"]},
        },
    }


async def test_a_label_that_cannot_be_read_hides_its_portion(paris: Paris) -> None:
    row = {
        "originator": NCA,
        "record_id": UUID(paris.plain).bytes,
        "manifest": None,
        "portion": "persons",
        "tlp": "GREEN",
        "retain_until": 99999,
        "handling": '{"tlp": "PURPLE"}',
        "officers": "[]",
        "content": "{}",
    }

    def spoil(connection: Any) -> None:
        digest = connection.scalar(
            select(portions.c.manifest).where(portions.c.record_id == row["record_id"])
        )
        connection.execute(insert(portions).values(**{**row, "manifest": digest}))

    await paris.house.rows(spoil)
    async with paris.house.officer("chief") as chief:
        shown = (await read(chief, paris.plain)).json()
    assert [p["name"] for p in shown["portions"]] == ["base"]
    assert (await logged(paris.house))[-1].reason == "persons: label_unreadable"


@pytest.mark.parametrize("name", ["uncleared", "dpo", "stranger"])
async def test_who_is_cleared_for_nothing_sees_nothing(paris: Paris, name: str) -> None:
    async with paris.house.officer(name) as client:
        assert (await read(client, paris.plain)).status_code == 404
        assert await search(client, "orange") == {"hits": [], "next": None}
    assert {r.outcome for r in await logged(paris.house)} == {"refused"}
    assert uuid("plain") == paris.plain
