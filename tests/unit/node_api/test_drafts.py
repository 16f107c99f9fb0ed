"""From a written record to a sealed one: faults by field, the audience as it is sealed, and published once for all."""

import asyncio
import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from agencies.api import examples
from agencies.sealing import content_bytes
from agencies.store.tables import publications, published
from schemas.envelope import parse_broker_only
from schemas.frames import MAX_RECORD
from schemas.http.labels import LabelBody
from schemas.ids import AgencyId
from tests.support import federation
from tests.support.federation import drafts
from tests.support.house import House
from tests.unit.node_api.conftest import OLTIM, Paris

KEY = {"idempotency-key": "key-number-1"}


def record(**change: Any) -> dict[str, Any]:
    made: dict[str, Any] = deepcopy(dict(examples.RECORD))
    made["portions"][0]["label"]["releasable_to"] = {"agencies": ["it-pds"]}
    return {**made, **change}


def faults(answered: httpx.Response) -> dict[str, str]:
    assert answered.status_code == 422, answered.text
    return {f["where"]: f["expected"] for f in answered.json()["faults"]}


async def sequences(house: House) -> list[int]:
    found = await house.rows(lambda c: c.scalars(select(published.c.sequence)).all())
    return list(found)


async def test_the_example_is_in_order(paris: Paris) -> None:
    async with paris.house.officer("analyst") as client:
        answered = await client.post("/v1/drafts", json=record())
        assert answered.json() == {"valid": True, "kind": "boat_supply", "portions": ["base"]}
    assert await sequences(paris.house) == []


@pytest.mark.parametrize(
    "place, value, where",
    [
        (("kind",), "gossip", "body.kind"),
        (("portions",), [], "body.portions"),
        (("portions", 0, "name"), "persons", "body.portions.0.label.handling.subjects"),
        (("portions", 0, "name"), "referral", "body.portions.0.name"),
        (("portions", 0, "content", "items"), [], "body.portions.0.content.items"),
        (("portions", 0, "content", "items", 0, "count"), "twelve", "body.portions.0.content.items.0.count"),
        (("portions", 0, "content", "consignment"), "ABCU1234567", "body.portions.0.content.consignment"),
        (("portions", 0, "content", "secret"), "7f3a", "body.portions.0.content.secret"),
        (("portions", 0, "content", "items", 0, "count"), 1e400, "body.portions.0.content"),
        (("portions", 0, "label", "handling", "tlp"), "PURPLE", "body.portions.0.label.handling.tlp"),
        (
            ("portions", 0, "label", "handling", "retain_until"),
            "2020-01-01",
            "body.portions.0.label.handling.retain_until",
        ),
        (
            ("portions", 0, "label", "releasable_to", "agencies"),
            ["zz-nobody"],
            "body.portions.0.label.releasable_to",
        ),
        (
            ("portions", 0, "label", "releasable_to", "officers"),
            ["it-pds/nobody"],
            "body.portions.0.label.releasable_to",
        ),
    ],
)
async def test_each_fault_stands_by_its_field(
    paris: Paris, place: tuple[Any, ...], value: Any, where: str
) -> None:
    written: Any = record()
    at = written
    for step in place[:-1]:
        at = at[step]
    at[place[-1]] = value
    async with paris.house.officer("analyst") as client:
        for path in ("/v1/drafts", "/v1/previews", "/v1/records"):
            answered = await client.post(
                path, content=json.dumps(written), headers={**KEY, "content-type": "application/json"}
            )
            assert where in faults(answered)
            assert "7f3a" not in answered.text
    assert await sequences(paris.house) == []
    assert await paris.house.rows(lambda c: c.execute(select(publications)).all()) == []


async def test_a_portion_stands_once_and_persons_need_their_label(paris: Paris) -> None:
    twice = record()
    twice["portions"].append(deepcopy(twice["portions"][0]))
    twice["portions"].append({**deepcopy(twice["portions"][0]), "name": "persons"})
    async with paris.house.officer("analyst") as client:
        told = faults(await client.post("/v1/drafts", json=twice))
    assert told["body.portions.1.name"] == "each portion once"
    assert "body.portions.2.label.handling.origins" in told
    assert "body.portions.2.content.persons" in told


@pytest.mark.parametrize("agency", federation.ceremony().arrangement.directory.agency_ids)
async def test_the_audience_that_is_shown_is_the_one_that_is_sealed_for(
    agency: AgencyId, tmp_path: Path
) -> None:
    async with House(agency, f"sqlite:///{tmp_path / 'node.db'}", tmp_path) as house:
        sealer = federation.sealer(agency)
        reasons = set()
        async with house.officer("chief") as client:
            for made in drafts(agency, 25):
                body = {
                    "kind": made.kind,
                    "portions": [
                        {
                            "name": p.name,
                            "label": LabelBody.of(p.label).model_dump(mode="json"),
                            "content": json.loads(content_bytes(p.content)),
                        }
                        for p in made.portions
                    ],
                }
                answered = await client.post("/v1/previews", json=body)
                assert answered.status_code == 200, answered.text
                told = answered.json()["portions"]
                closed = sealer.close_record(made, 1)
                shown = sum(one["withheld"] is None for p in told for one in p["audience"])
                audience = parse_broker_only(closed.broker_only).audience
                assert shown == sum(len(a.wraps) for a in audience)
                reasons |= {one["withheld"] for p in told for one in p["audience"]}
        assert {None, "not_addressed"} <= reasons


async def test_who_is_not_wrapped_to_is_told_why(paris: Paris) -> None:
    written = record()
    base = written["portions"][0]
    protected = {**base["label"]["handling"], "subjects": ["victim"], "origins": ["IT"]}
    written["portions"].append(
        {
            "name": "persons",
            "label": {
                "handling": protected,
                "releasable_to": {
                    "agencies": ["it-pds", "gb-nca"],
                    "communities": ["g7-network"],
                    "officers": ["gb-nca/liaison-xa"],
                },
            },
            "content": {"persons": [{"name": "Arben Esempio", "role": "consignee"}]},
        }
    )
    suspension = paris.house.directory.suspensions[0]
    assert suspension.start_ms is not None
    paris.house.clock.set(suspension.start_ms)
    async with paris.house.officer("analyst") as client:
        answered = await client.post("/v1/previews", json=written)
        told = {p["name"]: {a["agency"]: a for a in p["audience"]} for p in answered.json()["portions"]}
    assert {a: one["withheld"] for a, one in told["base"].items()} == {
        "gb-nca": "not_addressed",
        "it-pds": None,
        "pf-social": "not_addressed",
        "xa-np": "suspended",
    }
    assert {a: one["withheld"] for a, one in told["persons"].items()} == {
        "gb-nca": None,
        "it-pds": "protection_gate",
        "pf-social": "not_addressed",
        "xa-np": "suspended",
    }
    assert told["persons"]["gb-nca"]["officers"] == ["gb-nca/liaison-xa"]


async def test_a_retry_publishes_once(paris: Paris) -> None:
    house = paris.house
    async with house.officer("analyst") as client:
        several = await asyncio.gather(
            *(client.post("/v1/records", json=record(), headers=KEY) for _ in range(8))
        )
        later = await client.post("/v1/records", json=record(), headers=KEY)
        assert {r.status_code for r in (*several, later)} == {200}
        assert len({r.content for r in (*several, later)}) == 1
        assert later.json()["sequence"] == 1
        other = await client.post("/v1/records", json=record(kind="boat_supply"), headers=KEY)
        assert other.content == later.content
        changed = record()
        changed["portions"][0]["content"]["warehouse"] = "Unit 5"
        refused = await client.post("/v1/records", json=changed, headers=KEY)
        assert (refused.status_code, refused.json()["reason"]) == (409, "idempotency_key")
    async with house.officer("chief") as chief:
        own = await chief.post("/v1/records", json=record(), headers=KEY)
        assert own.json()["sequence"] == 2
    assert await sequences(house) == [1, 2]


async def test_a_claim_outlives_a_node_that_never_sealed(store_url: str, tmp_path: Path) -> None:
    """The node ends after the claim and before the window; asking again seals it under the id that was claimed."""
    async with House(OLTIM, store_url, tmp_path) as house:
        await house.stop_sealing()
        async with house.officer("analyst") as client:
            waiting = asyncio.ensure_future(client.post("/v1/records", json=record(), headers=KEY))
            while not (claimed := await house.rows(lambda c: c.execute(select(publications)).all())):
                await asyncio.sleep(0.01)
            waiting.cancel()
            await asyncio.wait([waiting])
    assert len(claimed) == 1
    async with House(OLTIM, store_url, tmp_path, fresh=False) as house:
        assert await sequences(house) == []
        async with house.officer("analyst") as client:
            made = await client.post("/v1/records", json=record(), headers=KEY)
        assert made.json()["record"].replace("-", "") == bytes(claimed[0].record_id).hex()
        assert await sequences(house) == [1]


async def test_one_that_is_too_large_is_told_so(paris: Paris) -> None:
    async with paris.house.officer("analyst") as client:
        body = record()
        body["portions"][0]["content"]["summary"] = "x" * (7 * 1024 * 1024)
        assert (await client.post("/v1/records", json=body, headers=KEY)).status_code == 413
    assert MAX_RECORD < 7 * 1024 * 1024


async def test_a_restored_copy_publishes_nothing(paris: Paris) -> None:
    paris.house.publisher.stopped = True
    async with paris.house.officer("analyst") as client:
        refused = await client.post("/v1/records", json=record(), headers=KEY)
        assert (refused.status_code, refused.json()["reason"]) == (503, "restored_copy")
        ready = await client.get("/readyz")
        assert (ready.status_code, ready.json()["reason"]) == (503, "restored_copy")
        assert (await client.get("/healthz")).status_code == 200


@pytest.mark.parametrize("name", ["dpo", "stranger", "it-pds/liaison-paris", "gb-nca/chief"])
async def test_only_officers_of_the_house_draft_and_publish(paris: Paris, name: str) -> None:
    async with paris.house.officer(name) as client:
        for path in ("/v1/drafts", "/v1/previews", "/v1/records"):
            assert (await client.post(path, json=record(), headers=KEY)).status_code == 403
    assert await sequences(paris.house) == []


@pytest.mark.parametrize("key", [None, "", "short", "with blank in it", "x" * 129, "café-and-more"])
async def test_a_key_is_needed(paris: Paris, key: str | None) -> None:
    headers = [] if key is None else [(b"idempotency-key", key.encode())]
    async with paris.house.officer("analyst") as client:
        answered = await client.post("/v1/records", json=record(), headers=headers)
        assert list(faults(answered)) == ["header.Idempotency-Key"]
