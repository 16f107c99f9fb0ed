"""The node's start, without a cluster: a stop that was asked for holds, whatever the start comes to."""

import asyncio
import contextlib
from pathlib import Path

import pytest
from sqlalchemy import select

from agencies.errors import RestoredCopy
from agencies.node import Node, Place
from agencies.settings import NodeSettings
from agencies.store import Store
from agencies.store.tables import alarms
from schemas.clock import IDENTITY_CLOCK, ManualClock
from schemas.entropy import SeededEntropy
from schemas.history import Standing
from schemas.verdicts import Alarm
from tests.support.federation import NOW_MS, ceremony
from tests.vectors.scenes import GB


class Idle:
    """Stands for what reads the cluster."""

    def __init__(self, *_: object) -> None:
        self.stored = asyncio.Event()
        self.genesis = self.newest = Standing(ceremony().arrangement, IDENTITY_CLOCK)
        self.versions = {ceremony().arrangement.digest: ceremony().arrangement}
        self.partitions = 1

    async def refresh(self) -> None: ...

    async def resume(self) -> None: ...

    async def run(self) -> None:
        await asyncio.Event().wait()

    async def watch(self, _: object) -> None:
        await self.run()


async def test_a_stop_that_got_lost_while_a_restored_copy_was_found_ends_the_node(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checking = asyncio.Event()

    async def check(*_: object) -> None:
        checking.set()
        with contextlib.suppress(asyncio.CancelledError):  # as `asyncio.wait_for` of Python 3.11 may
            await asyncio.Event().wait()
        raise RestoredCopy("sequence 2 was published, this store knows 1")

    async def up(*_: object) -> None: ...

    for name in ("Signed", "LaneStanding", "Comparing", "Inbox"):
        monkeypatch.setattr(f"agencies.node.{name}", Idle)
    monkeypatch.setattr("agencies.node.up", up)
    monkeypatch.setattr(Node, "_check_tail", check)
    url = f"sqlite:///{tmp_path / 'node.db'}"
    settings = NodeSettings(agency=GB, keys=ceremony().agency(GB) / "keys", store=url)
    place = Place("nowhere:1", "", ceremony().arrangement.digest)
    node = asyncio.ensure_future(Node(settings, place, ManualClock(NOW_MS), SeededEntropy(b"n")).run())
    await asyncio.wait_for(checking.wait(), 10)
    node.cancel()
    await asyncio.wait({node}, timeout=5)
    ended = node.done()
    node.cancel()
    await asyncio.wait({node})
    assert ended
    assert node.cancelled()
    async with Store(url) as store:
        assert await store.run(lambda c: c.scalars(select(alarms.c.alarm)).all()) == [Alarm.RESTORED_COPY]
