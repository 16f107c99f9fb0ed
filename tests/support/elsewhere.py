"""An ASGI application that lives in a loop and a thread of its own, for callers who bring a loop for each request."""

import asyncio
from collections.abc import Coroutine
from threading import Thread
from typing import Any, TypeVar

from schemas.http.asgi import App, Message, Receive, Scope, Send

_T = TypeVar("_T")


class Elsewhere:
    """The loop in its thread; `app` passes calls over to it."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        Thread(target=self._loop.run_forever, daemon=True).start()

    def run(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Run there and wait here."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def app(self, inner: App) -> App:
        """The same application, to be called from any loop."""

        async def passed_over(scope: Scope, receive: Receive, send: Send) -> None:
            here = asyncio.get_running_loop()

            async def take() -> Message:
                return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(_called(receive()), here))

            async def give(message: Message) -> None:
                await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(_called(send(message)), here))

            there = asyncio.run_coroutine_threadsafe(_called(inner(scope, take, give)), self._loop)
            await asyncio.wrap_future(there)

        return passed_over


async def _called(awaitable: Any) -> Any:
    return await awaitable
