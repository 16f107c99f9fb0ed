"""Stands for the cluster's side of a ledger, and of what was signed."""

import asyncio
import contextlib
from collections.abc import Coroutine, Sequence

from agencies import standing
from agencies.judging import Delivered
from schemas.arrangement import Arrangement
from schemas.ids import Digest


class Ledger:
    """Stands for the reader: a ledger's messages from where it was assigned, then nothing."""

    def __init__(self, values: Sequence[bytes]) -> None:
        self._values = values
        self._next = 0
        self._idle = 0
        self.taken_in = asyncio.Event()
        self.starts: list[int] = []

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    def assign(self, _topic: str, offsets: dict[int, int]) -> None:
        self._next = offsets[0]
        self.starts.append(self._next)

    def rewind(self, topic: str, offsets: dict[int, int]) -> None:
        self.assign(topic, offsets)

    async def position(self, _topic: str) -> int:
        return self._next

    async def poll(self) -> list[Delivered]:
        first, self._next = self._next, len(self._values)
        if first == self._next:
            self._idle += 1
            if self._idle > 2:  # what waited for the ledger's end was looked at again
                self.taken_in.set()
            await asyncio.sleep(0.01)
        return delivered(self._values[first:], first)


class Signed(standing.Signed):
    """Versions that are known, and those that reading on brings; no cluster is asked."""

    def __init__(self, *known: Arrangement) -> None:
        self._known = {version.digest: version for version in known}
        self.later: dict[Digest, Arrangement] = {}

    @property
    def versions(self) -> dict[Digest, Arrangement]:
        return self._known

    async def refresh(self) -> None:
        self._known |= self.later


def delivered(values: Sequence[bytes], first: int) -> list[Delivered]:
    """Messages of partition 0 as they are read from an offset on."""
    return [Delivered(0, first + i, value, True) for i, value in enumerate(values)]


async def run_until(event: asyncio.Event, work: Coroutine[object, object, None]) -> None:
    """Work that never ends, until the event. Raises: what the work raises before."""
    running = asyncio.ensure_future(work)
    waiting = asyncio.ensure_future(event.wait())
    async with asyncio.timeout(60):
        await asyncio.wait((running, waiting), return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if running.done():
        running.result()
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
