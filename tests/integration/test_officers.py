"""Officers at two nodes on a real cluster and a real PostgreSQL: published here, found and read there, and logged."""

import dataclasses
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest_asyncio

from agencies.api import examples
from agencies.keystore import ISSUING
from deploy.processes import Child
from deploy.secretariat import Secretariat, countersigned, propose_version, read_identities
from deploy.staff import ROSTER
from schemas.clearance import Clearance
from schemas.codes import HandlingCode, Tlp
from schemas.directory import Officer
from schemas.http.tokens import ApiRole, issue_token, node_audience
from schemas.ids import AgencyId, OfficerId
from schemas.topics import FEDERATION
from tests.integration.live import NCA, OLTIM, PDS, Live, until
from tests.integration.test_broker_api import start
from tests.support.postgres import Postgres

GUEST = OfficerId("xa-np/liaison-paris")
WHY = "Case 2026/114"


class Nodes:
    """The nodes of London and Paris, and officers who call them."""

    def __init__(self, live: Live, host: Child) -> None:
        self.live = live
        self.host = host

    def url(self, agency: AgencyId) -> str:
        """As the node said it last."""
        return self.host.said().rsplit(f"{agency}: officers' api at ", 1)[1].split()[0]

    def officer(self, agency: AgencyId, name: str) -> httpx.AsyncClient:
        token = issue_token(
            (self.live.tls(agency) / ISSUING).read_bytes(),
            issuer=agency,
            subject=name if "/" in name else f"{agency}/{name}",
            role=ApiRole.OFFICER,
            agency=agency,
            audience=node_audience(self.live.arrangement.body.federation, agency),
            now_s=int(time.time()),
        )
        headers = {"authorization": f"Bearer {token}"}
        return httpx.AsyncClient(base_url=self.url(agency), headers=headers, trust_env=False, timeout=60)


@pytest_asyncio.fixture
async def nodes(live: Live, postgres: Postgres) -> AsyncIterator[Nodes]:
    live.database = postgres.database()
    await live.start_broker()
    broker = await start(live)
    settings = [
        {
            **live.node(agency),
            "api": {"officers": str(live.ceremony.agency(agency) / ROSTER), "broker": broker.url},
        }
        for agency in live.agencies
    ]
    host = await live.start_nodes(settings)
    yield Nodes(live, host)
    assert await host.terminate(10) == 0


def record(word: str, *, persons: bool) -> dict[str, Any]:
    """For Paris: goods, or a person who fled from XA."""
    made: dict[str, Any] = dict(examples.RECORD)
    (base,) = made["portions"]
    handling: dict[str, Any] = {**examples.HANDLING, "tlp": "AMBER", "retain_until": "2199-01-01"}
    content: dict[str, Any] = {**examples.CONTENT, "summary": f"{word} hulls in one container"}
    if persons:
        handling |= {"subjects": ["victim"], "origins": ["XA"]}
        content = {"persons": [{"name": f"{word} Esempio", "role": "consignee"}]}
    label = {"handling": handling, "releasable_to": {"agencies": [OLTIM]}}
    name = "persons" if persons else "base"
    return {"kind": "boat_supply", "portions": [{**base, "name": name, "label": label, "content": content}]}


async def published(client: httpx.AsyncClient, key: str, body: dict[str, Any]) -> str:
    made = [await client.post("/v1/records", json=body, headers={"idempotency-key": key}) for _ in range(2)]
    assert made[0].status_code == 200, made[0].text
    assert made[0].content == made[1].content
    found: str = made[0].json()["record"]
    return found


async def hits(client: httpx.AsyncClient, query: str) -> list[str]:
    answered = await client.post("/v1/searches", json={"query": query, "purpose": "detection"})
    assert answered.status_code == 200, answered.text
    return [hit["record"] for hit in answered.json()["hits"]]


async def read(client: httpx.AsyncClient, record: str) -> httpx.Response:
    asked = {"originator": NCA, "record": record, "purpose": "detection", "justification": WHY}
    return await client.post("/v1/reads", json=asked)


async def test_published_here_and_read_there(nodes: Nodes) -> None:
    live = nodes.live
    async with (
        nodes.officer(NCA, "analyst-1") as london,
        nodes.officer(OLTIM, "analyst-1") as paris,
        nodes.officer(OLTIM, "dpo") as dpo,
    ):
        goods = await published(london, "goods-number-1", record("Vermilion", persons=False))
        person = await published(london, "person-number-1", record("Vermilion", persons=True))

        async def found() -> bool:
            return set(await hits(paris, "vermilion")) == {goods, person}

        await until(found, "an officer in Paris finds both")
        shown = await read(paris, person)
        assert shown.json()["portions"][0]["content"]["persons"][0]["name"] == "Vermilion Esempio"
        unknown = await read(paris, "00000000-0000-0000-0000-000000000001")
        assert unknown.status_code == 404

        async def decided() -> bool:
            answered = await london.get(f"/v1/decisions/{goods}")
            return answered.status_code == 200

        await until(decided, "the originator sees the decision")
        (decision,) = (await london.get(f"/v1/decisions/{goods}")).json()["decisions"]
        outcome = next(o for o in decision["portions"][0]["outcomes"] if o["recipient"] == OLTIM)
        assert outcome["withheld"] is None
        assert all(decision["rules"][rule]["reason"] for rule in outcome["rules"])
        assert (await read(london, goods)).status_code == 200

        # Members let an officer of the person's own state sit in Paris
        await with_guest(live)
        async with nodes.officer(OLTIM, GUEST) as guest:

            async def posted() -> bool:
                return (await guest.get("/v1/me")).json()["clearance"] is not None

            await until(posted, "the version holds in the lane of Paris")
            assert await hits(guest, "vermilion") == [goods]
            assert (await read(guest, goods)).status_code == 200
            refused = await read(guest, person)
            assert (refused.status_code, refused.content) == (404, unknown.content)
        log = (await dpo.get("/v1/disclosures")).json()["disclosures"]
        last = log[0]
        assert (last["officer"], last["home"], last["outcome"], last["reason"]) == (
            GUEST,
            "xa-np",
            "refused",
            "persons: protection_gate",
        )
        granted = [d for d in log if d["act"] == "read" and d["outcome"] == "granted"]
        assert [(d["officer"], d["record"], d["justification"]) for d in granted] == [
            (GUEST, goods, WHY),
            ("fr-oltim/analyst-1", person, WHY),
        ]
        assert (await paris.get("/v1/receipts")).json()["receipts"] == []

        async def receipted() -> bool:
            told = (await london.get("/v1/receipts")).json()["receipts"]
            return any(r["recipient"] == OLTIM and r["upto"] == 2 for r in told)

        await until(receipted, "Paris has receipted both")


async def with_guest(live: Live) -> None:
    """A new version, signed by as many as must."""
    directory = live.source.directory
    guest = Officer(
        id=GUEST,
        host=OLTIM,
        clearance=Clearance(tlp=Tlp.AMBER, handling_codes=frozenset({HandlingCode.H0})),
    )
    made = directory.model_copy(update={"officers": (*directory.officers, guest)})
    source = dataclasses.replace(live.source, directory=type(directory).model_validate(made.model_dump()))
    office = Secretariat.of(
        live.bootstrap, live.ceremony.tls(FEDERATION), live.admin_tls, live.prefix, live.arrangement
    )
    try:
        await office.refresh()
        data = propose_version(live.arrangement, source)
        standing = await office.publish(
            countersigned(data, live.arrangement, read_identities(live.folder, (NCA, OLTIM, PDS)))
        )
        await office.activated(standing)
    finally:
        await office.close()
