"""The door of a service: nothing behind it is asked, and no body is read, before a caller is verified.

- Who is let in stands in `scope["state"]["caller"]`; a service decides by that what the caller may see.
- Paths that are open are named by the service. Every other path is answered alike without a token, be there
  something or not.
- A caller who is known has a bucket of its own, beside the one of the address.
"""

from collections.abc import Collection

from schemas.http.asgi import App, Receive, Scope, Send, answer, header
from schemas.http.callers import Callers
from schemas.http.keysets import ProviderUnreachable
from schemas.http.limits import Buckets
from schemas.http.problems import ProblemType, problem
from schemas.http.tokens import BadToken, Caller


class Authentication:
    """Lets verified callers in (RFC 6750)."""

    def __init__(self, app: App, callers: Callers, buckets: Buckets, open_paths: Collection[str]) -> None:
        self._app = app
        self._callers = callers
        self._buckets = buckets
        self._open = frozenset(open_paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] not in self._open:
            caller = await self._let_in(scope, send)
            if caller is None:
                return
            scope.setdefault("state", {})["caller"] = caller
        await self._app(scope, receive, send)

    async def _let_in(self, scope: Scope, send: Send) -> Caller | None:
        authorization = header(scope, b"authorization")
        if authorization is None:
            await answer(send, problem(ProblemType.UNAUTHORISED), [(b"www-authenticate", b"Bearer")])
            return None
        try:
            caller = await self._callers.caller(authorization.decode("latin-1"))
        except BadToken:
            # RFC 6750 3.1; which step refused it is nothing that a stranger needs
            refused = (b"www-authenticate", b'Bearer error="invalid_token"')
            await answer(send, problem(ProblemType.UNAUTHORISED), [refused])
            return None
        except ProviderUnreachable:
            detail = "the provider of identities is not reached"
            await answer(send, problem(ProblemType.NOT_READY, detail), [(b"retry-after", b"60")])
            return None
        wait = self._buckets.take(f"{caller.role}/{caller.agency or ''}/{caller.subject}")
        if wait is not None:
            await answer(send, problem(ProblemType.TOO_MANY), [(b"retry-after", str(wait).encode())])
            return None
        return caller
