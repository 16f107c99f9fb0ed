"""Reading what a provider publishes: one answer of 200, of bounded size, from the place that was asked."""

import asyncio

import pytest

from schemas.http.fetching import fetch

_OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}"


async def _answering(answer: bytes, path: str = "/keys") -> bytes:
    """What `fetch` makes of a server that gives one answer to everything."""
    paths: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        paths.append((await reader.readuntil(b"\r\n\r\n")).split(b" ")[1])
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        try:
            return await fetch(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}{path}")
        finally:
            assert paths in ([], [path.encode()])  # a redirect is not followed


async def test_an_answer() -> None:
    assert await _answering(_OK) == b"{}"


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 302 Found\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n" + b"x" * 300_000,
        b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\nconnection: close\r\n\r\nshort",
        b"no HTTP",
        b"",
    ],
)
async def test_anything_else(answer: bytes) -> None:
    with pytest.raises(OSError):  # noqa: PT011  # the kind is what the caller goes by
        await _answering(answer)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "http://127.0.0.1:1/", "http://[", "ftp://127.0.0.1/"])
async def test_what_is_no_place(url: str) -> None:
    with pytest.raises(OSError):  # noqa: PT011
        await fetch(url)
