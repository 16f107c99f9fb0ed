"""Weaving: what several partitions deliver, taken in by the order of its chains.

A lane that has moved to another shard goes on in another partition. Both are read at once, so its number 8 may come
before its number 7, and that is no break.
- A message with a later number than the next one is *early*. It is kept and its partition held, until the others are
  read to where they ended when that was seen. It suffices: a lane's new shard begins when all of its old one's is
  committed (`broker.reshard`), so what comes before an early message is below those ends, or nowhere.
- A gap that is there still is a break, and is judged as one. So is one of several messages that wait for each other
  alone: of honest ones, that which was committed first does not wait for what comes after the others.
- A shard that stands still holds up nobody: what it has not committed is no part of where its partition ends.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from agencies.judging import Delivered, Early, Judged


class Partitions(Protocol):
    """What weaving needs of a reader."""

    def hold(self, topic: str, partition: int, offset: int) -> None: ...
    def let_go(self, topic: str, partition: int) -> None: ...
    async def ends(self, topic: str, partitions: Sequence[int]) -> dict[int, int]: ...
    async def position(self, topic: str, partition: int) -> int: ...


@dataclass(frozen=True, slots=True)
class _Early:
    """A message that is kept, and how far the other partitions must be read before a gap is a break."""

    message: Delivered
    until: dict[int, int]


class Weaver:
    """Takes in what one topic's reader brings. `judge` gets a message, and whether a gap before it is a break."""

    def __init__(
        self,
        reader: Partitions,
        topic: str,
        partitions: Sequence[int],
        judge: Callable[[Delivered, bool], Awaitable[Judged]],
    ) -> None:
        self._reader = reader
        self._topic = topic
        self._partitions = partitions
        self._judge = judge
        self._held: dict[int, _Early] = {}
        self._paused: set[int] = set()

    async def take_in(self, messages: Sequence[Delivered]) -> list[tuple[Delivered, Judged]]:
        """Judge what can be judged now, in its order within a partition; the rest comes later."""
        judged: list[tuple[Delivered, Judged]] = []
        waiting = [*(early.message for early in self._held.values()), *messages]
        while waiting:
            rest = await self._pass(waiting, judged)
            if len(rest) == len(waiting):
                await self._hold(rest)
                broken = await self._broken()
                if broken is None:
                    break
                judged.append((broken, await self._judge(broken, True)))
                self._release(broken)
                rest.remove(broken)
            waiting = rest
        for place in self._held.keys() - self._paused:  # what was read after it is read again
            self._reader.hold(self._topic, place, self._held[place].message.offset + 1)
            self._paused.add(place)
        return judged

    async def _pass(
        self, messages: Sequence[Delivered], judged: list[tuple[Delivered, Judged]]
    ) -> list[Delivered]:
        """Judge each message that is not early, nor after one that is; return those that are."""
        rest: list[Delivered] = []
        behind: set[int] = set()
        for message in messages:
            if message.partition not in behind:
                try:
                    judged.append((message, await self._judge(message, len(self._partitions) == 1)))
                    self._release(message)
                    continue
                except Early:
                    behind.add(message.partition)
            rest.append(message)
        return rest

    async def _hold(self, rest: Sequence[Delivered]) -> None:
        """Keep the first message of each partition, and look where the others end."""
        for message in rest:
            place = message.partition
            if place not in self._held:
                others = [p for p in self._partitions if p != place]
                self._held[place] = _Early(message, await self._reader.ends(self._topic, others))

    def _release(self, message: Delivered) -> None:
        self._held.pop(message.partition, None)
        if message.partition in self._paused:
            self._paused.remove(message.partition)
            self._reader.let_go(self._topic, message.partition)

    async def _broken(self) -> Delivered | None:
        """A message that is kept, and before which nothing can come any more; None: more is to be read first."""
        unread: set[int] = set()
        for _, early in sorted(self._held.items()):
            behind = {p for p, end in early.until.items() if await self._read_to(p) < end}
            if not behind:
                return early.message
            unread |= behind
        return None if unread - self._held.keys() else self._held[min(self._held)].message

    async def _read_to(self, partition: int) -> int:
        kept = self._held.get(partition)
        return await self._reader.position(self._topic, partition) if kept is None else kept.message.offset
