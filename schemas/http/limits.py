"""Limits on what a caller may cost before anybody knows who it is: bytes of a body, seconds for it, requests a second.

- `BodyLimit` takes a body in before the service sees the request: one that is too large, or too slow, is refused
  whole, whether or not it announced its length.
- `RateLimit` keeps a token bucket for each address; a service takes from `Buckets` once more for each caller that it
  has verified. An IPv6 address stands for its /64: whoever has one address there has all.
- Memory is bounded: of more keys than `MOST_KEYS`, those that were quiet longest are forgotten, i.e. start full.
"""

import asyncio
import ipaddress
import math
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from schemas.http.asgi import App, Message, Receive, Scope, Send, answer, header
from schemas.http.problems import ProblemType, problem

MOST_KEYS: Final = 10_000

#: A bucket that is empty still lets these through: whoever watches a service must see it while it is under load.
WATCHED: Final = frozenset({"/healthz", "/readyz"})


class Buckets:
    """Token buckets by key: `burst` at once, `rate` a second after that."""

    def __init__(self, rate: float, burst: int, now: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._burst = float(burst)
        self._now = now
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, key: str) -> int | None:
        """Take one. None: taken; else after how many whole seconds there will be one."""
        now = self._now()
        level, at = self._levels.pop(key, (self._burst, now))
        level = min(self._burst, level + (now - at) * self._rate)
        taken = level >= 1.0
        self._levels[key] = (level - 1.0 if taken else level, now)
        if len(self._levels) > MOST_KEYS:
            self._levels.popitem(last=False)
        return None if taken else max(1, math.ceil((1.0 - level) / self._rate))


def address_key(host: str) -> str:
    """The bucket of an address: itself, or its /64."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)


class RateLimit:
    """Refuses with 429 and `Retry-After` what comes too often from one address."""

    def __init__(self, app: App, buckets: Buckets) -> None:
        self._app = app
        self._buckets = buckets

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] not in WATCHED:
            client = scope.get("client")
            wait = self._buckets.take(address_key(client[0]) if client else "")
            if wait is not None:
                await answer(send, problem(ProblemType.TOO_MANY), [(b"retry-after", str(wait).encode())])
                return
        await self._app(scope, receive, send)


class BodyLimit:
    """Refuses with 413 a body of more than `most` bytes, with 408 one that takes longer than `seconds`."""

    def __init__(self, app: App, most: int, seconds: float = 30.0) -> None:
        self._app = app
        self._most = most
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            async with asyncio.timeout(self._seconds):
                body = await self._take(scope, receive)
        except TimeoutError:
            await self._refuse(send, ProblemType.TIMEOUT, f"within {self._seconds:g} seconds")
            return
        except _TooLarge:
            await self._refuse(send, ProblemType.TOO_LARGE, f"a body has at most {self._most} bytes")
            return
        if body is None:
            return
        await self._app(scope, _given(body, receive), send)

    async def _take(self, scope: Scope, receive: Receive) -> bytes | None:
        """The whole body; None: the caller left before it was all here."""
        announced = header(scope, b"content-length") or b"0"
        if announced.isdigit() and int(announced[:20]) > self._most:
            raise _TooLarge
        parts, size, more = list[bytes](), 0, True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            part: bytes = message.get("body", b"")
            size += len(part)
            if size > self._most:
                raise _TooLarge
            parts.append(part)
            more = message.get("more_body", False)
        return b"".join(parts)

    async def _refuse(self, send: Send, kind: ProblemType, detail: str) -> None:
        # What is still on its way is not read: the connection ends with this answer
        await answer(send, problem(kind, detail), [(b"connection", b"close")])


class _TooLarge(Exception):
    pass


def _given(body: bytes, receive: Receive) -> Receive:
    """`receive` for a service whose request has come whole; after it, what the connection says next."""
    first: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def take() -> Message:
        return first.pop() if first else await receive()

    return take
