"""End to end into SQL: an inbox that judges, opens and stores, against the same rows by the same statements, bare.

- *inbox*: messages in memory as a poll gives them -> `Judge` -> rows -> one transaction, by the inbox's own code: the
  next batch is judged while one is written.
- *bare*: the rows of the very same messages, made ready before, written by the same statements into tables of another
  store of the same kind, in as many transactions; nothing is verified, decrypted or checked.

Both keep search text and evidence, and move chains and position. Not in it: reading from the cluster. It waits for
disks and servers, so time is on the clock.
"""

import asyncio
import ssl
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from agencies.inbox import Inbox, read_positions
from agencies.judging import Delivered, Judge
from agencies.kafka import Connection
from agencies.standing import Signed
from agencies.store import Store
from agencies.store.reception import Rows, rows_of, write_all
from schemas.certificate import Head
from schemas.ids import AgencyId, Digest
from tests.bench.crypto import Way
from tests.bench.members import Members
from tests.bench.rounds import Timer, ratios
from tests.support.postgres import running

GOAL = 0.7
TOPIC = "deliver"
_BATCHES = 3  # a round: so many polls, each of one window's deliveries

_Batch = tuple[Rows, dict[AgencyId, Head], dict[int, int], dict[int, int]]


@dataclass(slots=True)
class Stored:
    """Microseconds a row on one kind of database, each way."""

    database: str
    rows: int = 0
    deliveries: int = 0
    inbox: Timer = field(default_factory=Timer)
    bare: Timer = field(default_factory=Timer)

    def ratio(self) -> tuple[float, float]:
        """The inbox's rows a second over the bare pipe's: of the best, and the median of the rounds."""
        return ratios(self.bare, self.inbox)

    def as_json(self) -> dict[str, Any]:
        best, median = self.ratio()
        return {
            "rounds": len(self.inbox.samples),
            "rows_a_round": self.rows,
            "deliveries_a_round": self.deliveries,
            "rows_per_s": {
                way: {"best": round(1e6 / t.low), "median": round(1e6 / t.median)}
                for way, t in (("inbox", self.inbox), ("bare", self.bare))
            },
            "inbox_over_bare": {"best": round(best, 3), "median": round(median, 3)},
            "goal": GOAL,
            "met": best >= GOAL,
        }


async def run_stored(members: Members, folder: Path, rounds: int) -> list[Stored]:
    """Measure both databases in turn; the first round warms and does not count."""
    out = [Stored("SQLite"), Stored("PostgreSQL")]
    async with AsyncExitStack() as stack:
        server = stack.enter_context(running())
        urls = (
            [f"sqlite:///{folder / name}.sqlite" for name in ("inbox", "bare")],
            [f"{server.database()}?schema=node" for _ in range(2)],
        )
        sides = [await _sides(stack, members, *both) for both in urls]
        way = Way(members)
        for number in range(rounds + 1):
            parcels = [way.step(way.close(way.drafts())) for _ in range(_BATCHES)]
            for found, side in zip(out, sides, strict=True):
                await _round(side, parcels, found, counts=number > 0, first=number % 2)
    return out


@dataclass(slots=True)
class _Side:
    """One kind of database: an inbox on its store, and a store for the bare pipe with a judge that makes its rows."""

    inbox: Inbox
    inbox_offsets: dict[int, int]
    store: Store
    offsets: dict[int, int]
    judge: Judge


async def _sides(stack: AsyncExitStack, members: Members, ours: str, bare: str) -> _Side:
    stores = [await stack.enter_async_context(Store(url)) for url in (ours, bare)]
    offsets = [await store.run(lambda c: read_positions(c, TOPIC, [0])) for store in stores]
    recipient = Way(members).recipients[0]
    nowhere = Connection("nowhere:1", ssl.create_default_context())
    signed = Signed(nowhere, "arrangement", Digest(members.arrangement.digest))
    inbox = Inbox(stores[0], nowhere, TOPIC, [0], members.judge(recipient), signed)
    return _Side(inbox, offsets[0], stores[1], offsets[1], members.judge(recipient))


async def _round(
    side: _Side, parcels: Sequence[Sequence[bytes]], out: Stored, *, counts: bool, first: int
) -> None:
    batches, ready = list[list[Delivered]](), list[_Batch]()
    at, opened = side.offsets[0], 0
    for values in parcels:
        batch = [Delivered(0, at + i, value, bare=True) for i, value in enumerate(values)]
        judged = [(m, side.judge.judge(m)) for m in batch]
        assert not any(j.bad or j.alarms for _, j in judged)
        opened += sum(len(j.received) for _, j in judged)
        rows = rows_of(side.judge.domains, TOPIC, judged)
        ready.append((rows, dict(side.judge.chains), {0: at}, {0: at + len(batch)}))
        batches.append(batch)
        at += len(batch)

    async def inbox() -> None:
        for batch in batches:
            judged = [(m, await side.inbox._judged(m, True)) for m in batch]
            await side.inbox.write(judged, side.inbox_offsets)
        await side.inbox.written()

    async def bare() -> None:
        for rows, chains, before, after in ready:
            write = partial(write_all, rows=rows, topic=TOPIC, chain_heads=chains, before=before, after=after)
            await side.store.run(write)

    spent = {}
    for way in (inbox, bare) if first else (bare, inbox):
        begun = time.perf_counter_ns()
        await way()
        spent[way.__name__] = time.perf_counter_ns() - begun
        await asyncio.sleep(0)
    side.offsets[0] = at
    assert side.inbox_offsets == side.offsets
    if counts:
        out.rows = sum(len(rows) for rows, _, _, _ in ready)
        out.deliveries = opened
        out.inbox.add(spent["inbox"], out.rows)
        out.bare.add(spent["bare"], out.rows)
