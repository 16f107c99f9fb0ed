"""The server of a node's API: what keeps it from serving is one sentence; its end lets a request come to its own."""

import asyncio
import logging
import socket
from pathlib import Path
from typing import Any

import httpx
import pytest

from agencies.api.officers import Officers
from agencies.api.serving import ADDRESS, Listener
from agencies.api.settings import OfficersApi
from agencies.errors import BadKeys, NodeError, NotServed
from agencies.keystore import ISSUING, Keystore, write_secret
from agencies.outbox import Outbox
from agencies.sealing import Sealer
from agencies.store import Store
from schemas.clock import MappedClock, SystemClock
from schemas.entropy import SystemEntropy
from schemas.http.asgi import Receive, Scope, Send
from schemas.http.settings import ServerTls
from schemas.ids import AgencyId
from tests.support.federation import ceremony

OLTIM = AgencyId("fr-oltim")


def officers(folder: Path, **change: Any) -> Officers:
    """An API by its settings, with the keys that lie in the folder."""
    arrangement = ceremony().arrangement
    pair = Keystore(ceremony().agency(OLTIM) / "keys").signing
    settings = OfficersApi(**{"officers": ceremony().agency(OLTIM) / "officers.yaml", **change})
    store, clock = Store(f"sqlite:///{folder / 'node.db'}"), MappedClock(SystemClock())
    outbox = Outbox(store, Sealer(OLTIM, arrangement, pair, SystemEntropy()), clock)
    return Officers(
        settings, OLTIM, folder, store, outbox, clock, SystemEntropy(), lambda: (arrangement, pair)
    )


@pytest.mark.parametrize(
    "key, change, error, told",
    [
        (b"x" * 32, {"officers": "nowhere.yaml"}, NotServed, "the roster of 'fr-oltim'"),
        (None, {}, BadKeys, "no provider of identities"),
        (b"short", {}, BadKeys, "no seed of 32 bytes"),
        (b"x" * 32, {"broker_ca": "nowhere.pem"}, NotServed, "nowhere.pem"),
    ],
)
def test_settings_that_cannot_be_used(
    tmp_path: Path, key: bytes | None, change: dict[str, Any], error: type[NodeError], told: str
) -> None:
    if key is not None:
        write_secret(tmp_path / ISSUING, key)
    with pytest.raises(error, match=told):
        officers(tmp_path, **change)


async def test_an_address_that_is_taken_and_a_certificate_that_is_none(tmp_path: Path) -> None:
    write_secret(tmp_path / ISSUING, b"x" * 32)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(NotServed, match="cannot listen at"):
            await officers(tmp_path, port=taken.getsockname()[1]).run()
    tls = ServerTls(certificate=tmp_path / "nowhere.pem", key=tmp_path / "nowhere.pem")
    with pytest.raises(NotServed, match="TLS files"):
        await officers(tmp_path, tls=tls).run()


def test_clear_text_stays_on_this_host(tmp_path: Path) -> None:
    for host in ("0.0.0.0", "node.example"):  # noqa: S104 - it is what must be refused
        with pytest.raises(ValueError, match="`tls` is needed"):
            OfficersApi(officers=tmp_path, host=host)


async def test_a_request_comes_to_its_end_when_the_node_ends(caplog: pytest.LogCaptureFixture) -> None:
    asked, go = asyncio.Event(), asyncio.Event()

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        asked.set()
        await go.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"whole"})

    listener = Listener(OfficersApi(officers=Path("unused")), OLTIM)
    with caplog.at_level(logging.INFO, "entente.agencies.api"):
        serving = asyncio.ensure_future(listener.serve(slow))
        await asyncio.wait_for(listener.started.wait(), 30)
    url = caplog.text.split(ADDRESS)[1].split()[0]
    async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=30) as client:
        asking = asyncio.ensure_future(client.get("/"))
        await asyncio.wait_for(asked.wait(), 30)
        serving.cancel()
        go.set()
        assert (await asking).content == b"whole"
        await asyncio.wait([serving], timeout=30)
        assert serving.cancelled()
        with pytest.raises(httpx.ConnectError):
            await client.get("/")
