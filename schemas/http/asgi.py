"""The few shapes of ASGI 3 that the middlewares here speak, and how they answer with a problem by themselves."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from schemas.http.problems import MEDIA_TYPE, Problem

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

Headers = list[tuple[bytes, bytes]]


def header(scope: Scope, name: bytes) -> bytes | None:
    """The first header of that name, which is written in lower case; None: there is none."""
    headers: Headers = scope["headers"]
    return next((value for key, value in headers if key.lower() == name), None)


async def answer(send: Send, what: Problem, headers: Headers | None = None) -> None:
    """Send a whole response that is a problem."""
    body = what.body()
    fixed = [(b"content-type", MEDIA_TYPE.encode()), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": what.status, "headers": fixed + (headers or [])})
    await send({"type": "http.response.body", "body": body})
