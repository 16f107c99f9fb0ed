"""What is to end does end, or is left behind: nobody waits for ever for somebody else's end.

A cancellation that got lost on the way is raised again in each endless loop:

`asyncio.wait_for` of Python 3.11 returns its result and forgets the cancellation when one arrives just as the
awaited thing has ended (changed in 3.12). The task still counts the request, so each endless loop looks there.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any

_left: set[asyncio.Task[None]] = set()


def stop_if_asked() -> None:
    """Raises: `asyncio.CancelledError` if the current task was cancelled and has not stopped. Not for clean-up."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


async def leave_after(seconds: float, ending: Coroutine[Any, Any, None]) -> None:
    """Wait for an end so long at most, and then leave it to itself. What it raises is of no interest.

    `asyncio.wait_for` would cancel it and then wait for it again without a limit; a client that swallows the
    cancellation, as aiokafka's do while a server is away, holds its caller for ever.
    """
    task = asyncio.ensure_future(ending)
    _left.add(task)
    task.add_done_callback(_forget)
    await asyncio.wait([task], timeout=seconds)


def _forget(task: asyncio.Task[None]) -> None:
    _left.discard(task)
    if not task.cancelled():
        task.exception()  # retrieved, so that nobody is told of it later
