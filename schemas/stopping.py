"""A loop that is to end does end: a cancellation that got lost on the way is raised again.

`asyncio.wait_for` of Python 3.11 returns its result and forgets the cancellation when one arrives just as the
awaited thing has ended (changed in 3.12). The task still counts the request, so each endless loop looks there.
"""

import asyncio


def stop_if_asked() -> None:
    """Raises: `asyncio.CancelledError` if the current task was cancelled and has not stopped. Not for clean-up."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
