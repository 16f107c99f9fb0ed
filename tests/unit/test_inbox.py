"""The inbox's loop on a real store, with messages given by hand: what fails is read again, and kept once."""

import asyncio
import contextlib
import ssl
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import pytest
from sqlalchemy import Connection as SqlConnection
from sqlalchemy import func, select
from sqlalchemy.exc import OperationalError

from agencies.inbox import Inbox
from agencies.judging import Delivered
from agencies.kafka import Connection
from agencies.standing import Signed
from agencies.store import Store
from agencies.store.tables import alarms, chains, positions, quarantine, reception_log
from tests.support.members import members
from tests.unit.test_judge import chain_of
from tests.vectors.scenes import FR, GB

M = members()
TOPIC = "deliver"

_T = TypeVar("_T")


class Unsteady(Store):
    """A store whose transactions fail as often as told, with nothing kept."""

    failures = 0

    async def run(self, work: Callable[[SqlConnection], _T], *, once: bool = False) -> _T:
        if self.failures:
            self.failures -= 1
            raise OperationalError("SELECT", {}, Exception("connection refused"))
        return await super().run(work, once=once)


class Topic:
    """Stands for the reader; gives one message at a time."""

    def __init__(self, values: Sequence[bytes]) -> None:
        self._values = values
        self._next = 0
        self.before_next: Callable[[int], None] = lambda _: None

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    def assign(self, _: str, offsets: dict[int, int]) -> None:
        self._next = offsets[0]

    rewind = assign

    async def span(self, _topic: str, _partition: int) -> tuple[int, int]:
        return 0, len(self._values)

    async def poll(self) -> list[Delivered]:
        if self._next == len(self._values):
            await asyncio.sleep(0.01)
            return []
        self.before_next(self._next)
        self._next += 1
        return [Delivered(0, self._next - 1, self._values[self._next - 1], True)]


class Late(Store):
    """A store whose write of one batch fails, the `fails`th, but not before it is told that it may."""

    def __init__(self, url: str, fails: int) -> None:
        super().__init__(url)
        self._before = fails - 1
        self.may_fail = asyncio.Event()
        self.failed = 0

    async def run(self, work: Callable[[SqlConnection], _T], *, once: bool = False) -> _T:
        if once and self._before:
            self._before -= 1
        elif once and not self.failed:
            await self.may_fail.wait()
            self.failed += 1
            raise OperationalError("INSERT", {}, Exception("connection refused"))
        return await super().run(work, once=once)


@pytest.mark.parametrize("fails", [1, 3], ids=["with another judged after it", "with nothing after it"])
async def test_a_batch_whose_write_fails_is_read_again_and_what_was_judged_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: int
) -> None:
    topic = Topic(chain_of(M, 2, 1, 3))
    monkeypatch.setattr("agencies.inbox.Reader", lambda _: topic)
    nowhere = Connection("nowhere:1", ssl.create_default_context())
    store = Late(f"sqlite:///{tmp_path / 'node.db'}", fails)
    async with store:
        topic.before_next = lambda offset: store.may_fail.set() if offset == min(fails, 2) else None
        signed = Signed(nowhere, "arrangement", M.arrangement.digest)
        await _stored(store, Inbox(store, nowhere, TOPIC, [0], M.judge(FR), signed))
        assert store.failed == 1
        numbers = await store.run(lambda c: c.scalars(select(reception_log.c.number)).all())
        assert numbers == [1, 2, 3, 4, 5, 6]
        assert await store.run(lambda c: c.scalar(select(func.count()).select_from(alarms))) == 0


async def test_a_batch_is_written_while_the_next_is_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Judging may wait for nothing for as long as polls are full: the write must not need that to begin."""
    begun = threading.Event()

    def note(*values: object, **named: object) -> None:
        begun.set()

    monkeypatch.setattr("agencies.inbox.write_all", note)
    nowhere = Connection("nowhere:1", ssl.create_default_context())
    signed = Signed(nowhere, "arrangement", M.arrangement.digest)
    (value,) = chain_of(M, 2)
    async with Store(f"sqlite:///{tmp_path / 'node.db'}") as store:
        inbox = Inbox(store, nowhere, TOPIC, [0], M.judge(FR), signed)
        message = Delivered(0, 0, value, True)
        await inbox.write([(message, await inbox._judged(message, True))], {0: 0})
        assert begun.wait(60), "and the loop, which this holds, had nothing to do with it"
        await inbox.written()


@pytest.mark.parametrize("failures", [1, 4])
async def test_a_store_that_is_away_for_longer_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failures: int
) -> None:
    topic = Topic(chain_of(M, 2, 1, 3))
    monkeypatch.setattr("agencies.inbox.Reader", lambda _: topic)
    nowhere = Connection("nowhere:1", ssl.create_default_context())
    signed = Signed(nowhere, "arrangement", M.arrangement.digest)
    failed_at: set[int] = set()

    store = Unsteady(f"sqlite:///{tmp_path / 'node.db'}")

    def fail(offset: int) -> None:
        if offset == 1 and offset not in failed_at:
            failed_at.add(offset)
            store.failures = failures

    topic.before_next = fail
    async with store:
        await _stored(store, Inbox(store, nowhere, TOPIC, [0], M.judge(FR), signed))
        assert failed_at == {1}
        numbers = await store.run(lambda c: c.scalars(select(reception_log.c.number)).all())
        assert numbers == [1, 2, 3, 4, 5, 6]
        assert await store.run(lambda c: c.scalar(select(chains.c.number).where(chains.c.lane == GB))) == 6
        assert await store.run(lambda c: c.scalar(select(func.count()).select_from(quarantine))) == 0
        assert await store.run(lambda c: c.scalar(select(func.count()).select_from(alarms))) == 0


async def _stored(store: Store, inbox: Inbox) -> None:
    """Let the inbox run until all three messages are stored."""
    loop = asyncio.ensure_future(inbox.run())
    async with asyncio.timeout(60):
        while not loop.done() and await _position(store) < 3:
            await asyncio.sleep(0.05)
    loop.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await loop


async def _position(store: Store) -> int:
    """Looked up past the store's failures."""
    return int(await Store.run(store, lambda c: c.scalar(select(positions.c.offset))) or 0)
