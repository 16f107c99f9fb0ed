"""What stands around every answer of a service: headers for safety, and a problem in place of a crash.

- Answers are data for programs: never guessed at, framed, kept in a cache or lent to another origin.
- An exception that nobody expected is logged by its type and place, and told as 500: its text may hold what it
  failed on.
"""

import logging
import traceback
from typing import Final

from schemas.http.asgi import App, Headers, Message, Receive, Scope, Send, answer
from schemas.http.problems import ProblemType, problem

log = logging.getLogger("entente.http")

_ALWAYS: Final[Headers] = [
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
]
_TLS: Final[Headers] = [(b"strict-transport-security", b"max-age=31536000")]


class Answers:
    """The outermost middleware. A header that the service set itself stays as it is."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def dressed(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                own: Headers = list(message.get("headers", []))
                names = {name.lower() for name, _ in own}
                wanted = _ALWAYS + (_TLS if scope.get("scheme") == "https" else [])
                message = {**message, "headers": own + [pair for pair in wanted if pair[0] not in names]}
            await send(message)

        try:
            await self._app(scope, receive, dressed)
        except Exception as error:
            log.error("%s %r failed: %s", scope["method"], scope["path"], _where(error))
            if started:
                raise ConnectionAbortedError("the answer broke off") from None
            await answer(dressed, problem(ProblemType.INTERNAL))


def _where(error: BaseException) -> str:
    """Type and place of an exception, without its text."""
    frames = traceback.extract_tb(error.__traceback__)[-3:]
    return " < ".join([type(error).__name__, *(f"{f.filename}:{f.lineno}" for f in reversed(frames))])
