"""Nobody waits for ever for somebody else's end."""

import asyncio

from schemas.stopping import leave_after


async def test_an_end_that_swallows_its_cancellation_holds_nobody() -> None:
    go_on = asyncio.Event()

    async def stubborn() -> None:
        while not go_on.is_set():
            try:
                await go_on.wait()
            except asyncio.CancelledError:
                continue

    await asyncio.wait_for(leave_after(0.01, stubborn()), 60)
    go_on.set()


async def test_what_an_end_raises_is_of_no_interest() -> None:
    async def broken() -> None:
        raise OSError("gone")

    await leave_after(60, broken())


async def test_an_end_that_comes_is_waited_for() -> None:
    ended = asyncio.Event()

    async def good() -> None:
        await asyncio.sleep(0)
        ended.set()

    await leave_after(60, good())
    assert ended.is_set()
