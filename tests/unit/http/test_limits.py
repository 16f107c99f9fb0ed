"""Limits: a body too large or too slow is refused whole, a caller who comes too often waits, memory is bounded."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from schemas.http import limits
from schemas.http.answers import Answers
from schemas.http.asgi import App, Message, Receive, Scope, Send
from schemas.http.limits import BodyLimit, Buckets, RateLimit, address_key


class Stopwatch:
    """A monotonic clock that a test moves."""

    def __init__(self) -> None:
        self.at = 0.0

    def __call__(self) -> float:
        return self.at


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with the body that it was sent."""
    message = await receive()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": message["body"]})


def client(app: App, host: str = "192.0.2.1") -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=app, client=(host, 1))
    return httpx.AsyncClient(transport=transport, base_url="http://service")


async def chunks(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def test_a_body_of_the_limit_passes_and_one_byte_more_does_not() -> None:
    async with client(BodyLimit(echo, 10)) as caller:
        assert (await caller.post("/", content=b"0123456789")).content == b"0123456789"
        refused = await caller.post("/", content=b"0123456789x")
        assert refused.status_code == 413
        assert refused.headers["content-type"] == "application/problem+json"
        assert refused.headers["connection"] == "close"


async def test_a_body_that_does_not_announce_its_length() -> None:
    async with client(BodyLimit(echo, 10)) as caller:
        assert (await caller.post("/", content=chunks(b"01234", b"56789"))).content == b"0123456789"
        assert (await caller.post("/", content=chunks(b"01234", b"56789", b"x"))).status_code == 413
        lying = {"content-length": "1"}
        assert (await caller.post("/", content=chunks(b"0" * 11), headers=lying)).status_code == 413


@pytest.mark.parametrize("length", ["9" * 5000, "-1", "abc", ""])
async def test_a_length_that_is_none(length: str) -> None:
    async with client(BodyLimit(echo, 10)) as caller:
        answered = await caller.post("/", content=b"x", headers={"content-length": length})
        assert answered.status_code == (413 if length.isdigit() else 200)


async def test_a_body_that_never_ends() -> None:
    sent: list[Message] = []

    async def never() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Message) -> None:
        sent.append(message)

    await BodyLimit(echo, 10, 0.01)({"type": "http", "headers": []}, never, send)
    assert sent[0]["status"] == 408


async def test_who_leaves_before_the_body_is_here_reaches_nobody() -> None:
    left: list[Message] = [
        {"type": "http.request", "body": b"x", "more_body": True},
        {"type": "http.disconnect"},
    ]

    async def receive() -> Message:
        return left.pop(0)

    async def nobody(*_: Any) -> None:
        raise AssertionError("was called")

    await BodyLimit(nobody, 10)({"type": "http", "headers": []}, receive, nobody)


def test_a_bucket_gives_its_burst_and_then_its_rate() -> None:
    now = Stopwatch()
    buckets = Buckets(0.5, 2, now)
    assert [buckets.take("a") for _ in range(3)] == [None, None, 2]
    assert buckets.take("b") is None  # nobody pays for another
    now.at = 1.9
    assert buckets.take("a") == 1
    now.at = 2.0
    assert buckets.take("a") is None
    assert buckets.take("a") == 2
    now.at = 1e9
    assert [buckets.take("a") for _ in range(3)] == [None, None, 2]  # never more than the burst


def test_of_too_many_keys_the_quiet_ones_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MOST_KEYS", 3)
    buckets = Buckets(1, 1, Stopwatch())
    for key in "abca":
        buckets.take(key)
    assert buckets.take("d") is None  # b is forgotten, not a, which came again
    assert buckets.take("a") == 1
    assert buckets.take("b") is None


def test_the_key_of_an_address() -> None:
    assert address_key("192.0.2.7") == "192.0.2.7"
    assert address_key("::ffff:192.0.2.7") == "192.0.2.7"
    assert address_key("2001:db8:1:2:3::1") == address_key("2001:db8:1:2:ffff::9") == "2001:db8:1:2::/64"
    assert address_key("testclient") == "testclient"


async def test_too_often_is_429_and_says_when() -> None:
    limited = RateLimit(echo, Buckets(0.1, 2, Stopwatch()))
    async with client(limited) as one, client(limited, "192.0.2.2") as other:
        assert [(await one.get("/")).status_code for _ in range(3)] == [200, 200, 429]
        refused = await one.get("/", headers={"authorization": "Bearer another"})
        assert refused.status_code == 429
        assert refused.headers["retry-after"] == "10"
        assert refused.json()["type"] == "urn:entente:problem:too-many-requests"
        assert (await other.get("/")).status_code == 200
        assert (await one.get("/healthz")).status_code == 200


async def test_a_crash_is_a_problem_that_does_not_tell_what_it_failed_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def broken(*_: Any) -> None:
        raise ValueError("secret")

    async with client(Answers(broken)) as caller:
        answered = await caller.get("/x")
    assert answered.status_code == 500
    assert json.loads(answered.content)["type"] == "urn:entente:problem:internal"
    assert "secret" not in answered.text + caplog.text
    assert "ValueError < " in caplog.text


async def test_every_answer_bears_the_headers_once() -> None:
    async def own(scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"Cache-Control", b"no-cache")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    async with client(Answers(own)) as caller:
        plain = await caller.get("/")
        secure = await caller.get("https://service/")
    assert plain.headers.get_list("cache-control") == ["no-cache"]
    assert plain.headers["x-content-type-options"] == "nosniff"
    assert "strict-transport-security" not in plain.headers
    assert secure.headers["strict-transport-security"] == "max-age=31536000"
