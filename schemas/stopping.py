"""What is to end does end, or is left behind: nobody waits for ever for somebody else's end.

A process that is asked to end (SIGTERM, SIGINT) has 5 seconds for it, and is then left where it is, with code 0.
Nothing is lost by it: what SQL and Kafka have not committed is rolled back, as after a SIGKILL, and done again.

A cancellation that got lost on the way is raised again in each endless loop:

`asyncio.wait_for` of Python 3.11 returns its result and forgets the cancellation when one arrives just as the
awaited thing has ended (changed in 3.12). The task still counts the request, so each endless loop looks there.
"""

import asyncio
import contextlib
import logging
import os
import signal
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Final

log = logging.getLogger("entente.stopping")

#: Under the 6 to 10 s after which whoever asked sends SIGKILL.
END_WITHIN_S: Final = 5.0

_left: set[asyncio.Task[None]] = set()


def when_asked_to_end(stop: Callable[[], object]) -> None:
    """Call `stop` at each SIGTERM and SIGINT from now on, in the main thread, between two of its steps.

    Not by the event loop: that may itself be what does not end.
    """

    def asked(_number: int, _frame: object) -> None:
        threading.Thread(target=_leave, name="ending", daemon=True).start()
        with contextlib.suppress(RuntimeError):  # the loop is closed: we are on our way out
            stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, asked)


def _leave() -> None:
    """End the process from beside, if it has not ended by itself: one that waits in a driver, say, for a lock."""
    _never.wait(END_WITHIN_S)
    # Even that may be held up, by who reads the log.
    last = threading.Thread(
        target=log.warning,
        args=("not ended within %.0f s of being asked, left as it is", END_WITHIN_S),
        daemon=True,
    )
    last.start()
    last.join(0.5)
    os._exit(0)


_never: Final = threading.Event()


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
