"""A node's clients begin when the cluster answers: one that only shakes hands is asked again, and a stop is heard."""

import asyncio
import contextlib
import logging
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from agencies.kafka import Connection, Reader, Sender
from deploy.pki import LOCAL_HOSTS, Authority, write_tls
from schemas.transport import client_context


async def _hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


@pytest.mark.parametrize("made", [Reader, Sender])
async def test_a_cluster_that_only_shakes_hands_is_asked_again(
    made: Callable[[Connection], Reader | Sender], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    authority = Authority.create()
    write_tls(tmp_path, authority.issue("node", hosts=LOCAL_HOSTS))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(tmp_path / "ca.pem"))
    context.load_cert_chain(tmp_path / "tls.pem")
    listening = await asyncio.start_server(_hang_up, "127.0.0.1", 0, ssl=context)
    async with listening:
        port = listening.sockets[0].getsockname()[1]
        client = made(Connection(f"127.0.0.1:{port}", client_context(tmp_path)))
        starting = asyncio.create_task(client.start())
        async with asyncio.timeout(60):
            while caplog.text.count("the cluster is asked again") < 2:
                await asyncio.sleep(0.01)
        assert not starting.done()
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(starting, 30)
        await client.stop()
