"""A new certificate is shown by the next connection, and one that cannot be used by none."""

import asyncio
import contextlib
import logging
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from cryptography import x509

from deploy.pki import LOCAL_HOSTS, Authority, write_tls
from schemas.transport import client_context, renewed

AUTHORITY = Authority.create()


@asynccontextmanager
async def server(folder: Path) -> AsyncIterator[tuple[int, asyncio.Queue[int]]]:
    """A TLS server that tells the serial number of each certificate that it is shown."""
    write_tls(folder, AUTHORITY.issue("node", hosts=LOCAL_HOSTS))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(folder / "ca.pem"))
    context.load_cert_chain(folder / "tls.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    shown: asyncio.Queue[int] = asyncio.Queue()

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        shown.put_nowait(int(writer.get_extra_info("peercert")["serialNumber"], 16))
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    async with listening:
        yield listening.sockets[0].getsockname()[1], shown


async def connect(port: int, context: ssl.SSLContext) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    await reader.read()
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


def serial(folder: Path) -> int:
    return x509.load_pem_x509_certificate((folder / "tls.pem").read_bytes()).serial_number


async def test_the_next_connection_shows_the_new_certificate(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    own = tmp_path / "own"
    write_tls(own, AUTHORITY.issue("gb-nca"))
    context = client_context(own)
    looking = asyncio.create_task(renewed(context, own, look_s=0.01))

    async def logged(words: str) -> None:
        async with asyncio.timeout(60):
            while words not in caplog.text:
                await asyncio.sleep(0.01)

    async with server(tmp_path / "server") as (port, shown):
        first = serial(own)
        await connect(port, context)
        assert await shown.get() == first
        (own / "tls.pem").write_text("no certificate")
        await logged("cannot be used")
        await connect(port, context)
        assert await shown.get() == first
        write_tls(own, AUTHORITY.issue("gb-nca"))
        await logged("a new certificate is shown")
        await connect(port, context)
        assert await shown.get() == serial(own) != first
    looking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await looking
