"""Decisions: each role sees its own, what it may not see is as if it were not there, and pages and streams meet."""

import asyncio
import json
import time
from base64 import b64decode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import pytest

from deploy.secretariat import propose_broker_key, read_identities
from schemas.arrangement import countersign
from schemas.checkpoint import CheckpointVerifier, SealedNote, verifier_key
from schemas.http.asgi import Message
from schemas.http.doors import Doors
from schemas.http.tokens import ApiRole
from schemas.ids import AgencyId
from schemas.keys import SigningPair
from schemas.ledger import Quarantined, ledger_leaf_hash
from schemas.merkle import EMPTY_FRONTIER
from schemas.proofs import verify_consistency, verify_inclusion
from tests.support.api import WIDE, Desk, g7
from tests.support.drafts import plain, record_id
from tests.support.federation import NOW_MS

NCA, BF, BSC = AgencyId("gb-nca"), AgencyId("gb-bf"), AgencyId("gb-bsc")
OLTIM, EUROPOL = AgencyId("fr-oltim"), AgencyId("eu-europol")
KEYS = {"type", "title", "status"}


async def desk_with_decisions(doors: Doors = WIDE, most_streams: int = 5) -> Desk:
    """Three lanes: two of one country, one of another; among their decisions a refusal."""
    desk = Desk(g7(), NOW_MS, doors, most_streams)
    nca, bf, oltim = await desk.lane(NCA), await desk.lane(BF), await desk.lane(OLTIM)
    await desk.decide(nca, plain(1, OLTIM, "de-bpol"), plain(2, BF, BSC))
    await desk.decide(bf, plain(3, NCA, OLTIM))
    await desk.decide(oltim, plain(4, NCA, BF), plain(5, "de-bpol"))
    await desk.sign(nca, NOW_MS)
    await desk.sign(nca, NOW_MS)
    refused = await desk.fold(nca, b"no parcel")
    assert isinstance(refused[0], Quarantined)
    return desk


@pytest.fixture(scope="module")
async def desk() -> Desk:
    return await desk_with_decisions()


async def page(client: Any, **query: Any) -> dict[str, Any]:
    answered = await client.get("/v1/decisions", params=query)
    assert answered.status_code == 200, answered.text
    found: dict[str, Any] = answered.json()
    return found


def ids(found: dict[str, Any]) -> list[tuple[str, int]]:
    return [(d["originator"], d["number"]) for d in found["decisions"]]


async def test_an_originator_sees_its_own_with_reasons_and_nothing_else(desk: Desk) -> None:
    async with desk.officer(NCA) as client:
        found = await page(client)
        assert ids(found) == [(NCA, 1), (NCA, 2), (NCA, 3)]
        first, second, refused = found["decisions"]
        outcomes = {o["recipient"]: o for o in first["portions"][0]["outcomes"]}
        assert NCA not in outcomes
        assert outcomes[OLTIM]["withheld"] is None
        assert outcomes[EUROPOL]["withheld"] == "not_addressed"
        assert all(first["rules"][rule]["reason"] for rule in outcomes[OLTIM]["rules"])
        assert first["portions"][0]["label"]["releasable_to"]["agencies"] == ["de-bpol", OLTIM]
        # No rule gives the coordinating agency content: it was addressed, and a rule forbids
        barred = {o["recipient"]: o for o in second["portions"][0]["outcomes"]}[BSC]
        assert barred["withheld"] == "forbidden"
        assert "coordination-no-content" in barred["rules"]
        assert (refused["outcome"], refused["refused"]) == ("quarantined", "bad_magic")
        one = await client.get(f"/v1/records/{NCA}/{UUID(bytes=record_id(1))}")
        assert ids(one.json()) == [(NCA, 1)]
        assert (await client.get(f"/v1/decisions/{NCA}/1")).json()["record"] == first["record"]


async def test_a_coordinator_sees_its_country_without_labels(desk: Desk) -> None:
    async with desk.coordinator(BSC) as client:
        found = await page(client)
        assert {lane for lane, _ in ids(found)} == {NCA, BF}
        assert len(ids(found)) == 4
        assert all(p["label"] is None for d in found["decisions"] for p in d["portions"])
        told = (await client.get("/v1/delivered")).json()["delivered"]
        assert told == {BF: 2, BSC: 0, NCA: 2}
        assert (await client.get(f"/v1/ledgers/{NCA}")).status_code == 403
        assert (await client.get("/v1/status")).status_code == 403
    # As an officer of its own agency it sees what that published: nothing
    async with desk.officer(BSC) as client:
        assert ids(await page(client)) == []


async def test_an_auditor_sees_all_and_an_operator_counts(desk: Desk) -> None:
    async with desk.auditor() as auditor, desk.operator() as operator:
        assert len(ids(await page(auditor))) == 6
        counted = (await operator.get("/v1/status")).json()
        nca = next(lane for lane in counted["lanes"] if lane["originator"] == NCA)
        assert (nca["admitted"], nca["quarantined"]) == (2, {"bad_magic": 1})
        assert (await auditor.get("/v1/status")).json() == counted
        for path in ("/v1/decisions", f"/v1/decisions/{NCA}/1", "/v1/events", f"/v1/ledgers/{NCA}"):
            assert (await operator.get(path)).status_code == 403
        assert (await operator.get("/v1/delivered")).status_code == 403


HIDDEN = [
    "/v1/decisions/{lane}/1",
    "/v1/decisions/{lane}/999",
    "/v1/records/{lane}/" + str(UUID(bytes=record_id(4))),
    "/v1/records/{lane}/" + str(UUID(int=0)),
    "/v1/decisions?originator={lane}",
    "/v1/events?originator={lane}",
    "/v1/ledgers/{lane}",
    "/v1/ledgers/{lane}/entries",
    "/v1/ledgers/{lane}/entries/0",
    "/v1/ledgers/{lane}/entries/1/certificates",
    "/v1/ledgers/{lane}/checkpoints",
    "/v1/ledgers/{lane}/checkpoints/latest",
    "/v1/ledgers/{lane}/proofs/inclusion?index=0&size=1",
    "/v1/ledgers/{lane}/proofs/consistency?first=1&second=99",
    "/v1/ledgers/{lane}/rulings/" + "0" * 64,
]


@pytest.mark.parametrize("path", HIDDEN)
async def test_another_lane_is_as_unknown_as_none(desk: Desk, path: str) -> None:
    async with desk.officer(NCA) as client:
        foreign = await client.get(path.format(lane=OLTIM))
        unknown = await client.get(path.format(lane="zz-nobody"))
    assert foreign.status_code == unknown.status_code == 404
    assert foreign.content == unknown.content
    assert dict(foreign.headers) == dict(unknown.headers)
    assert foreign.json().keys() == KEYS


async def test_what_is_not_in_an_own_lane_is_the_same_answer(desk: Desk) -> None:
    async with desk.officer(NCA) as client:
        foreign = await client.get(f"/v1/decisions/{OLTIM}/1")
        for path in (
            f"/v1/decisions/{NCA}/0",  # an activation, no decision
            f"/v1/decisions/{NCA}/999",
            f"/v1/records/{NCA}/{UUID(int=0)}",
            f"/v1/ledgers/{NCA}/entries/999",
            f"/v1/ledgers/{NCA}/rulings/{'0' * 64}",
        ):
            answered = await client.get(path)
            assert (answered.status_code, answered.content) == (404, foreign.content)


async def test_pages_meet_and_wait_at_the_end(desk: Desk) -> None:
    async with desk.auditor() as client:
        whole = await page(client)
        at, found = None, list[tuple[str, int]]()
        for _ in range(10):
            part = await page(client, limit=1, **({"after": at} if at else {}))
            found += ids(part)
            at = part["next"]
            if part["decisions"]:
                assert part["decisions"][0]["event"] == at
        assert found == ids(whole)
        assert await page(client, after=at) == {"decisions": [], "next": at}
        middle = whole["decisions"][2]["event"]
        assert ids(await page(client, after=middle)) == ids(whole)[3:]


async def test_an_event_id_of_another_view_is_refused(desk: Desk) -> None:
    async with desk.auditor() as auditor, desk.officer(NCA) as officer:
        foreign = (await page(auditor))["next"]
        for after in (foreign, "00000000.1", "x", "", "1.2", foreign + ".1", "00000000." + "9" * 19):
            refused = await officer.get("/v1/decisions", params={"after": after})
            assert refused.status_code == (409 if after[8:9] == "." else 422), after
        for query in ("limt=5", "limit=5&limit=6", "originator=gb-nca&x=", "%00"):
            assert (await officer.get(f"/v1/decisions?{query}")).status_code == 422
        streamed = await officer.get("/v1/events", headers={"last-event-id": foreign})
        assert streamed.status_code == 409
        for limit in ("0", "201", "-1", "x", "1e3", "9" * 400):
            assert (await officer.get("/v1/decisions", params={"limit": limit})).status_code == 422


async def test_a_ledger_by_its_bytes(desk: Desk) -> None:
    domains = g7().arrangement.domains
    async with desk.officer(NCA) as client:
        head = (await client.get(f"/v1/ledgers/{NCA}")).json()
        frontier, first = EMPTY_FRONTIER, 0
        while first < head["size"]:
            part = (
                await client.get(f"/v1/ledgers/{NCA}/entries", params={"first": first, "limit": 3})
            ).json()
            for entry in part["entries"]:
                digest = ledger_leaf_hash(domains, b64decode(entry["leaf"], validate=True))
                assert digest.hex() == entry["hash"]
                frontier = frontier.append(digest)
            first = part["next"]
        assert (frontier.size, frontier.root().hex()) == (head["size"], head["root"])
        decision = (await client.get(f"/v1/decisions/{NCA}/1")).json()
        ruling = decision["portions"][0]["ruling"]
        assert (await client.get(f"/v1/ledgers/{NCA}/rulings/{ruling}")).json()["digest"] == ruling


async def test_proofs_lead_to_the_roots(desk: Desk) -> None:
    async with desk.officer(NCA) as client:
        head = (await client.get(f"/v1/ledgers/{NCA}")).json()
        for size in range(1, head["size"] + 1):
            for index in range(size):
                query = {"index": index, "size": size}
                told = (await client.get(f"/v1/ledgers/{NCA}/proofs/inclusion", params=query)).json()
                leaf, root = bytes.fromhex(told["leaf_hash"]), bytes.fromhex(told["root"])
                path = [bytes.fromhex(step) for step in told["path"]]
                assert verify_inclusion(leaf, index, size, path, root)
            query = {"first": size, "second": head["size"]}
            told = (await client.get(f"/v1/ledgers/{NCA}/proofs/consistency", params=query)).json()
            assert told["second_root"] == head["root"]
            old, new = bytes.fromhex(told["first_root"]), bytes.fromhex(told["second_root"])
            path = [bytes.fromhex(step) for step in told["path"]]
            assert verify_consistency(size, old, head["size"], new, path)
        for path_and_query in (
            "inclusion?index=1&size=99",
            "inclusion?index=3&size=3",
            "consistency?first=3&second=2",
        ):
            refused = await client.get(f"/v1/ledgers/{NCA}/proofs/{path_and_query}")
            assert (refused.status_code, refused.json()["reason"]) == (409, "tree")


async def test_checkpoints_verify_and_proofs_lead_to_them(desk: Desk) -> None:
    verifier = CheckpointVerifier.of(g7().arrangement)
    async with desk.officer(NCA) as client, desk.officer(BF) as other:
        told = (await client.get(f"/v1/ledgers/{NCA}/checkpoints")).json()
        (one,) = told["checkpoints"]  # the second round gave the same bytes
        assert (await client.get(f"/v1/ledgers/{NCA}/checkpoints/latest")).json() == one
        sealed = SealedNote(one["note"].encode(), b64decode(one["path"]), b64decode(one["seal"]))
        found = verifier.verify(NCA, sealed)
        assert (found.size, found.root.hex(), found.at_ms) == (one["size"], one["root"], NOW_MS)
        assert told["key"].startswith(f"entente/g7/ledger/{NCA}+")
        assert told["earlier_keys"] == []
        query = {"index": 1, "size": found.size}
        proof = (await client.get(f"/v1/ledgers/{NCA}/proofs/inclusion", params=query)).json()
        assert proof["root"] == one["root"]
        assert (await client.get(f"/v1/ledgers/{NCA}/checkpoints", params={"first": 1})).json()[
            "checkpoints"
        ] == []
        assert (await other.get(f"/v1/ledgers/{BF}/checkpoints")).json()["checkpoints"] == []
        assert (await other.get(f"/v1/ledgers/{BF}/checkpoints/latest")).status_code == 404


async def test_the_verifier_keys_of_earlier_notes_are_told_too() -> None:
    desk = await desk_with_decisions()
    async with desk.officer(NCA) as client:
        held = (await client.get(f"/v1/ledgers/{NCA}/checkpoints")).json()["key"]
        genesis = g7().arrangement
        identities = read_identities(g7().folder, genesis.directory.agency_ids)
        pair = SigningPair.generate()
        data = countersign(propose_broker_key(genesis, pair.public), identities)
        desk.signed.hear(1, data)
        told = (await client.get(f"/v1/ledgers/{NCA}/checkpoints")).json()
    assert told["key"] == verifier_key(f"entente/g7/ledger/{NCA}", pair.public.ed25519)
    assert told["earlier_keys"] == [held]
    assert len(told["checkpoints"]) == 1


async def test_certificates_are_those_that_the_recipients_hold(desk: Desk) -> None:
    delivered = {
        (share.certificate, recipient)
        for folded in desk.folded
        if folded.lane == NCA
        for recipient, share in folded.shares
    }
    async with desk.officer(NCA) as officer, desk.auditor() as auditor, desk.officer(OLTIM) as other:
        found = set()
        for number in (1, 2):
            path = f"/v1/ledgers/{NCA}/entries/{number}/certificates"
            answered = await officer.get(path)
            assert (await auditor.get(path)).content == answered.content
            assert (await other.get(path)).status_code == 404
            found |= {(b64decode(c["certificate"]), c["recipient"]) for c in answered.json()["certificates"]}
        assert found == delivered
        assert len(found) == 3
        for number in (0, 3, 999):  # an activation, a refusal, nothing
            assert (await officer.get(f"/v1/ledgers/{NCA}/entries/{number}/certificates")).status_code == 404


# --- streams --------------------------------------------------------------------------------


class Stream:
    """A server-sent stream as a client reads it, with the application driven directly."""

    def __init__(self) -> None:
        self.status = 0
        self.chunks: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.left = asyncio.Event()

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        elif message.get("body"):
            self.chunks.put_nowait(message["body"])

    async def receive(self) -> Message:
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def event(self) -> dict[str, str] | None:
        """The next event that is no comment; None at the end."""
        while True:
            async with asyncio.timeout(30):
                chunk = await self.chunks.get()
            if chunk is None:
                return None
            fields = dict(line.split(": ", 1) for line in chunk.decode().splitlines() if line)
            if "data" in fields:
                return fields


@asynccontextmanager
async def streaming(desk: Desk, token: str, headers: dict[str, str] | None = None) -> AsyncIterator[Stream]:
    stream = Stream()
    asked = {"authorization": f"Bearer {token}", **(headers or {})}
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/v1/events",
        "raw_path": b"/v1/events",
        "query_string": b"",
        "root_path": "",
        "headers": [(k.encode(), v.encode()) for k, v in asked.items()],
        "client": ("192.0.2.1", 1),
        "server": ("broker", 80),
    }
    first = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> Message:
        return first.pop() if first else await stream.receive()

    async def run() -> None:
        await desk.app(scope, receive, stream.send)
        stream.chunks.put_nowait(None)

    task = asyncio.create_task(run())
    try:
        yield stream
    finally:
        stream.left.set()
        async with asyncio.timeout(30):
            await task


async def test_a_stream_goes_on_where_it_was_left() -> None:
    desk = await desk_with_decisions()
    token = desk.token(ApiRole.AUDITOR)
    seen: list[tuple[str, int]] = []

    async def take(stream: Stream, count: int) -> str:
        event = None
        for _ in range(count):
            event = await stream.event()
            assert event is not None
            told = json.loads(event["data"])
            assert event["event"] == "decision"
            assert told["event"] == event["id"]
            seen.append((told["originator"], told["number"]))
        assert event is not None
        return event["id"]

    async with streaming(desk, token) as stream:
        last = await take(stream, 2)
    async with streaming(desk, token, {"last-event-id": last}) as stream:
        await take(stream, 4)
        lane = await desk.lane(EUROPOL)
        await desk.decide(
            lane, plain(6, NCA)
        )  # admitted at the same instant as all others, and still not passed over
        last = await take(stream, 1)
    async with streaming(desk, token, {"last-event-id": last}) as stream:
        await desk.decide(lane, plain(7, NCA), first=2)
        await take(stream, 1)
    assert len(seen) == len(set(seen)) == 8
    assert seen[-2:] == [(EUROPOL, 1), (EUROPOL, 2)]
    async with desk.auditor() as client:
        assert set(ids(await page(client))) == set(seen)


async def test_a_stream_shows_only_what_its_caller_may_see() -> None:
    desk = await desk_with_decisions()
    europol = await desk.lane(EUROPOL)
    async with streaming(desk, desk.token(ApiRole.OFFICER, EUROPOL)) as stream:
        bpol = await desk.lane(AgencyId("de-bpol"))
        await desk.decide(bpol, plain(6, EUROPOL))  # what it is to receive is no decision of its own
        await desk.decide(europol, plain(7, OLTIM))
        event = await stream.event()
    assert event is not None
    assert json.loads(event["data"])["originator"] == EUROPOL


async def test_a_stream_ends_with_its_token() -> None:
    desk = await desk_with_decisions()
    token = desk.token(ApiRole.OFFICER, NCA, now_s=int(time.time()), life_s=2)
    async with streaming(desk, token) as stream:
        events = [await stream.event() for _ in range(4)]
    assert events[3] is None
    assert all(events[:3])


async def test_streams_are_bounded_and_closed_ones_count_no_more() -> None:
    desk = await desk_with_decisions(most_streams=1)
    token = desk.token(ApiRole.OFFICER, NCA)
    async with streaming(desk, token) as one:
        assert await one.event()
        async with desk.client(token) as client:
            refused = await client.get("/v1/events")
        assert refused.status_code == 429
        assert refused.headers["retry-after"] == "30"
    async with streaming(desk, token) as again:
        assert await again.event()
