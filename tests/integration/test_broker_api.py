"""The broker API as a process on a real cluster: who sees what of real decisions, over TLS and OpenID Connect too."""

import asyncio
import json
import ssl
import time
from base64 import b64decode
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from joserfc import jws
from joserfc.jwk import ECKey

from deploy.pki import Authority, write_tls
from deploy.processes import Child
from deploy.verify.files import ledger_report
from schemas.checkpoint import CheckpointVerifier, SealedNote
from schemas.http.tokens import ApiRole, broker_audience, issue_token, public_key, to_base64
from schemas.ids import AgencyId
from schemas.ledger import ledger_leaf_hash
from schemas.merkle import EMPTY_FRONTIER
from schemas.proofs import verify_inclusion
from tests.integration.live import NCA, OLTIM, Live, until

AUDITOR_SEED, OPERATOR_SEED = b"\x0a" * 32, b"\x0b" * 32
RECORDS = 12


class Api:
    """A running broker API and tokens for it."""

    def __init__(self, live: Live, child: Child, url: str) -> None:
        self._live = live
        self.child = child
        self.url = url

    def token(self, role: ApiRole, agency: AgencyId | None = None) -> str:
        if agency is not None:
            seed, issuer = (self._live.tls(agency) / "signing.key").read_bytes()[:32], str(agency)
        else:
            seed = AUDITOR_SEED if role is ApiRole.AUDITOR else OPERATOR_SEED
            issuer = "auditors" if role is ApiRole.AUDITOR else "operators"
        audience = broker_audience(self._live.arrangement.body.federation)
        now = int(time.time())
        return issue_token(
            seed, issuer=issuer, subject="desk", role=role, agency=agency, audience=audience, now_s=now
        )

    def client(self, token: str | None, **more: Any) -> httpx.AsyncClient:
        headers = {} if token is None else {"authorization": f"Bearer {token}"}
        return httpx.AsyncClient(base_url=self.url, headers=headers, trust_env=False, timeout=30, **more)

    async def ready(self) -> bool:
        async with self.client(None) as client:
            return (await client.get("/readyz")).status_code == 200


async def start(live: Live, name: str = "broker-api", **more: object) -> Api:
    """An API process that listens; everybody's issuer keys are settings."""
    settings: Mapping[str, object] = {
        "keys": str(live.broker_tls),
        "broker_store_url": f"sqlite:///{live.folder / 'projection.db'}",
        "issuers": {
            "auditors": {"role": "auditor", "key": to_base64(public_key(AUDITOR_SEED)) + "="},
            "operators": {"role": "operator", "key": to_base64(public_key(OPERATOR_SEED)) + "="},
        },
        **more,
    }
    child = live.start(name, "broker.api", live.settings(name, settings))
    await live.said(child, "broker api at ")
    return Api(live, child, child.said().split("broker api at ")[1].split()[0])


@pytest_asyncio.fixture
async def decided(live: Live) -> Live:
    """A federation in which two agencies have published, and the broker has decided."""
    live.heads_every_s = 1.0
    await live.start_broker()
    await live.start_nodes([live.node(a, RECORDS if a in (NCA, OLTIM) else 0) for a in live.agencies])
    return live


async def test_each_role_sees_its_own_of_real_decisions(decided: Live) -> None:
    api = await start(decided)
    await until(api.ready, "the API is ready")
    async with api.client(api.token(ApiRole.OFFICER, NCA)) as officer:

        async def all_decided() -> bool:
            found = (await officer.get("/v1/decisions", params={"limit": 200})).json()["decisions"]
            return len(found) == RECORDS

        await until(all_decided, "the originator sees every decision on what it published")
        mine = (await officer.get("/v1/decisions", params={"limit": 200})).json()["decisions"]
        assert {d["originator"] for d in mine} == {NCA}
        released = [o for d in mine for p in d["portions"] for o in p["outcomes"] if o["withheld"] is None]
        assert released
        assert all(d["rules"][r]["reason"] for d in mine for r in d["rules"])
        number = next(
            d["number"] for d in mine if any(o["withheld"] is None for o in d["portions"][0]["outcomes"])
        )
        held = (await officer.get(f"/v1/ledgers/{NCA}/entries/{number}/certificates")).json()["certificates"]
        assert held
        await _check_root(officer, decided)
        await _check_proofs(officer, decided, number)
    async with api.client(api.token(ApiRole.OFFICER, OLTIM)) as other:
        foreign = await other.get(f"/v1/decisions/{NCA}/{number}")
        unknown = await other.get(f"/v1/decisions/zz-nobody/{number}")
        assert foreign.status_code == unknown.status_code == 404
        assert foreign.content == unknown.content
    async with api.client(api.token(ApiRole.AUDITOR)) as auditor:
        assert (await auditor.get(f"/v1/decisions/{NCA}/{number}")).status_code == 200
        seen = (await auditor.get("/v1/decisions", params={"limit": 200})).json()["decisions"]
        assert {d["originator"] for d in seen} == {NCA, OLTIM}
    async with api.client(api.token(ApiRole.OPERATOR)) as operator:
        assert (await operator.get("/v1/decisions")).status_code == 403
        assert (await operator.get("/v1/status")).json()["lacking"] is None
    async with api.client(None) as nobody:
        assert (await nobody.get("/v1/decisions")).status_code == 401
    assert await api.child.terminate(10) == 0


async def _check_root(officer: httpx.AsyncClient, live: Live) -> None:
    """The root over the leaves that the API gives is the one that it says, and nothing is missing."""
    head = (await officer.get(f"/v1/ledgers/{NCA}")).json()
    frontier = EMPTY_FRONTIER
    while frontier.size < head["size"]:
        part = await officer.get(f"/v1/ledgers/{NCA}/entries", params={"first": frontier.size, "limit": 5})
        for entry in part.json()["entries"]:
            leaf = b64decode(entry["leaf"])
            frontier = frontier.append(ledger_leaf_hash(live.arrangement.domains, leaf))
            if frontier.size == head["size"]:
                break
    assert frontier.root().hex() == head["root"]

    async def signed() -> bool:
        return (await officer.get(f"/v1/ledgers/{NCA}/checkpoints/latest")).status_code == 200

    await until(signed, "the broker signs what the ledger comes to")
    told = (await officer.get(f"/v1/ledgers/{NCA}/checkpoints/latest")).json()
    sealed = SealedNote(told["note"].encode(), b64decode(told["path"]), b64decode(told["seal"]))
    point = CheckpointVerifier.of(live.arrangement).verify(NCA, sealed)
    query = {"index": 0, "size": point.size}
    proof = (await officer.get(f"/v1/ledgers/{NCA}/proofs/inclusion", params=query)).json()
    path = [bytes.fromhex(step) for step in proof["path"]]
    assert verify_inclusion(bytes.fromhex(proof["leaf_hash"]), 0, point.size, path, point.root)


async def _check_proofs(officer: httpx.AsyncClient, live: Live, number: int) -> None:
    """What the API answers is what verifies alone: a signed ledger, a leaf in it, and that it only grew."""
    ledger = f"/v1/ledgers/{NCA}"

    async def keep(name: str, path: str, **query: int) -> Path:
        file = live.folder / name
        file.write_bytes((await officer.get(f"{ledger}/{path}", params=query)).content)
        return file

    async def covered() -> bool:
        told = await officer.get(f"{ledger}/checkpoints/latest")
        return told.status_code == 200 and told.json()["size"] > number

    await until(covered, "the leaf is in a ledger that was signed")
    versions, pin = (live.ceremony.genesis,), live.arrangement.digest
    newest = await keep("newest.json", "checkpoints/latest")
    size = json.loads(newest.read_bytes())["size"]
    signed = await keep("signed.json", "checkpoints")
    first = json.loads(signed.read_bytes())["checkpoints"][0]["size"]
    leaf = await keep("leaf.json", f"entries/{number}")
    inclusion = await keep("inclusion.json", "proofs/inclusion", index=number, size=size)
    consistency = await keep("consistency.json", "proofs/consistency", first=first, second=size)
    for report in (
        ledger_report(newest, versions, pin),
        ledger_report(inclusion, versions, pin, [newest], leaf),
        ledger_report(consistency, versions, pin, [signed, newest]),
    ):
        assert report.good, report.checks


async def test_a_stream_survives_the_service(decided: Live) -> None:
    api = await start(decided)
    seen: list[tuple[str, int]] = []
    last: dict[str, str] = {}

    async def take(api: Api, most: int) -> None:
        async with (
            api.client(api.token(ApiRole.AUDITOR)) as client,
            client.stream("GET", "/v1/events", headers=last) as stream,
        ):
            assert stream.status_code == 200
            async for line in stream.aiter_lines():
                if line.startswith("data: "):
                    told = json.loads(line.removeprefix("data: "))
                    seen.append((told["originator"], told["number"]))
                    last["last-event-id"] = told["event"]
                    if len(seen) >= most:
                        return

    async with asyncio.timeout(90):
        await take(api, RECORDS)
        api.child.kill()
        await api.child.wait()
        await take(await start(decided, "broker-api-again"), 2 * RECORDS)
    assert len(set(seen)) == len(seen) == 2 * RECORDS


async def test_tls_and_an_openid_provider(decided: Live, authority: Authority, tmp_path: Path) -> None:
    write_tls(tmp_path / "tls", authority.issue("broker", hosts=("127.0.0.1",)))
    key = ECKey.generate_key("P-256", {"kid": "one", "use": "sig"})
    async with _provider(key) as issuer:
        pem = str(tmp_path / "tls" / "tls.pem")
        api = await start(
            decided,
            tls={"certificate": pem, "key": pem},
            providers=[
                {
                    "issuer": issuer,
                    "audience": "entente",
                    "roles": {"analyst": "officer"},
                    "agency_claim": "agency",
                    "agencies": {"NCA": NCA},
                }
            ],
        )
        assert api.url.startswith("https://")
        now = int(time.time())
        claims = {
            "iss": issuer,
            "aud": "entente",
            "sub": "u1",
            "iat": now,
            "exp": now + 600,
            "roles": ["analyst"],
            "agency": "NCA",
        }
        header = {"alg": "ES256", "typ": "at+jwt", "kid": "one"}
        token = jws.serialize_compact(header, json.dumps(claims), key)
        foreign = jws.serialize_compact(header, json.dumps(claims), ECKey.generate_key("P-256"))
        trusted = ssl.create_default_context(cafile=decided.broker_tls / "ca.pem")
        async with api.client(token, verify=trusted) as client:
            answered = await client.get("/v1/agencies")
            assert answered.status_code == 200
            assert "strict-transport-security" in answered.headers
        async with api.client(foreign, verify=trusted) as client:
            assert (await client.get("/v1/agencies")).status_code == 401


@asynccontextmanager
async def _provider(key: ECKey) -> AsyncIterator[str]:
    """A provider's discovery document and keys on a port of this host."""
    issuer = ""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = (await reader.readuntil(b"\r\n\r\n")).split(b" ")[1]
        if path == b"/.well-known/openid-configuration":
            body = json.dumps({"issuer": issuer, "jwks_uri": f"{issuer}/keys"})
        else:
            body = json.dumps({"keys": [key.as_dict(private=False)]})
        head = f"HTTP/1.1 200 OK\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
        writer.write((head + body).encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    issuer = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield issuer


@pytest.mark.parametrize(
    "wrong", [{"tls": {"certificate": "/nonexistent", "key": "/nonexistent"}}, {"port": -1}]
)
async def test_settings_that_cannot_be_used_end_it(live: Live, wrong: dict[str, object]) -> None:
    settings = live.settings(
        "wrong", {"keys": str(live.broker_tls), "broker_store_url": "sqlite://", **wrong}
    )
    child = live.start("wrong", "broker.api", settings)
    assert await child.wait(90) == 2
