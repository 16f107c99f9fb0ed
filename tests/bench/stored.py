"""End to end into SQL: an inbox that judges, opens and stores, against the same rows, bare.

- *inbox*: messages in memory as a poll gives them -> `Judge` -> rows -> one transaction, by the inbox's own code: the
  next batch is judged while one is written.
- *bare*: the rows of the very same messages, made ready before, by SQLAlchemy's `execute(insert, rows)`, into tables of
  another store of the same kind, in as many transactions; nothing is verified, decrypted or checked.
- *same*: those rows by the statements that the inbox uses.

All keep search text and evidence, and move chains and position. Not in it: reading from the cluster. It waits for
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

from sqlalchemy import Connection as SqlConnection

from agencies.inbox import Inbox, read_positions
from agencies.judging import Delivered, Judge
from agencies.kafka import Connection
from agencies.standing import Signed
from agencies.store import Store
from agencies.store.database import insert_new
from agencies.store.reception import Rows, write_all
from schemas.certificate import Head
from schemas.ids import AgencyId, Digest
from tests.bench.crypto import Way
from tests.bench.members import Members
from tests.bench.rounds import Timer, ratios
from tests.support.postgres import running

GOAL = 0.7
TOPIC = "deliver"
WAYS = ("inbox", "bare", "same")
_BATCHES = 8  # a round: so many polls, each of one window's deliveries

_Batch = tuple[Rows, dict[AgencyId, Head], dict[int, int], dict[int, int]]


@dataclass(slots=True)
class Stored:
    """Microseconds a row on one kind of database, each way."""

    database: str
    rows: int = 0
    deliveries: int = 0
    ways: dict[str, Timer] = field(default_factory=lambda: {way: Timer() for way in WAYS})

    def ratio(self, way: str) -> tuple[float, float]:
        """The inbox's rows a second over the other way's: of the best, and the median of the rounds."""
        return ratios(self.ways[way], self.ways["inbox"])

    def as_json(self) -> dict[str, Any]:
        over = {way: self.ratio(way) for way in WAYS[1:]}
        return {
            "rounds": len(self.ways["inbox"].samples),
            "rows_a_round": self.rows,
            "deliveries_a_round": self.deliveries,
            "rows_per_s": {
                way: {"best": round(1e6 / t.low), "median": round(1e6 / t.median)}
                for way, t in self.ways.items()
            },
            "inbox_over": {
                way: {"best": round(best, 3), "median": round(median, 3)}
                for way, (best, median) in over.items()
            },
            "goal": GOAL,
            "met": over["bare"][0] >= GOAL,
        }


async def run_stored(members: Members, folder: Path, rounds: int) -> list[Stored]:
    """Measure both databases in turn; the first round warms and does not count."""
    out = [Stored("SQLite"), Stored("PostgreSQL")]
    async with AsyncExitStack() as stack:
        server = stack.enter_context(running())
        urls = (
            [f"sqlite:///{folder / way}.sqlite" for way in WAYS],
            [f"{server.database()}?schema=node" for _ in WAYS],
        )
        sides = [await _sides(stack, members, each) for each in urls]
        way = Way(members)
        for number in range(rounds + 1):
            parcels = [way.step(way.close(way.drafts())) for _ in range(_BATCHES)]
            for found, side in zip(out, sides, strict=True):
                await _round(side, parcels, found, counts=number > 0, first=number % len(WAYS))
    return out


@dataclass(slots=True)
class _Side:
    """One kind of database: an inbox on its store, a store for each bare way, and a judge that makes their rows."""

    inbox: Inbox
    inbox_offsets: dict[int, int]
    stores: dict[str, Store]
    offsets: dict[int, int]
    judge: Judge


async def _sides(stack: AsyncExitStack, members: Members, urls: Sequence[str]) -> _Side:
    stores = {way: await stack.enter_async_context(Store(url)) for way, url in zip(WAYS, urls, strict=True)}
    offsets = [await store.run(lambda c: read_positions(c, TOPIC, [0])) for store in stores.values()]
    recipient = Way(members).recipients[0]
    nowhere = Connection("nowhere:1", ssl.create_default_context())
    signed = Signed(nowhere, "arrangement", Digest(members.arrangement.digest))
    inbox = Inbox(stores["inbox"], nowhere, TOPIC, [0], members.judge(recipient), signed)
    return _Side(inbox, offsets[0], stores, offsets[1], members.judge(recipient))


class _Plain(Rows):
    """Rows as anybody would write them who has SQLAlchemy."""

    def write(self, connection: SqlConnection) -> None:
        for table, new, once in self.by_table():
            connection.execute(insert_new(connection, table) if once else table.insert(), new)


async def _round(
    side: _Side, parcels: Sequence[Sequence[bytes]], out: Stored, *, counts: bool, first: int
) -> None:
    batches = list[list[Delivered]]()
    ready: dict[str, list[_Batch]] = {"bare": [], "same": []}
    at, opened, rows = side.offsets[0], 0, 0
    for values in parcels:
        batch = [Delivered(0, at + i, value, bare=True) for i, value in enumerate(values)]
        judged = [(m, side.judge.judge(m)) for m in batch]
        assert not any(j.bad or j.alarms for _, j in judged)
        opened += sum(len(j.received) for _, j in judged)
        moved = dict(side.judge.chains), {0: at}, {0: at + len(batch)}
        for way, kind in (("bare", _Plain), ("same", Rows)):
            made = kind(side.judge.domains, TOPIC, time.time_ns() // 1_000_000)
            for message, outcome in judged:
                made.add(message, outcome)
            ready[way].append((made, *moved))
        rows += len(ready["bare"][-1][0])
        batches.append(batch)
        at += len(batch)

    async def inbox() -> None:
        for batch in batches:
            judged = [(m, await side.inbox._judged(m, True)) for m in batch]
            await side.inbox.write(judged, side.inbox_offsets)
        await side.inbox.written()

    async def bare(way: str) -> None:
        for rows, chains, before, after in ready[way]:
            write = partial(write_all, rows=rows, topic=TOPIC, chain_heads=chains, before=before, after=after)
            await side.stores[way].run(write)

    spent = {}
    for way in (*WAYS[first:], *WAYS[:first]):
        begun = time.perf_counter_ns()
        await (inbox() if way == "inbox" else bare(way))
        spent[way] = time.perf_counter_ns() - begun
        await asyncio.sleep(0)
    side.offsets[0] = at
    assert side.inbox_offsets == side.offsets
    if counts:
        out.rows, out.deliveries = rows, opened
        for way, took in spent.items():
            out.ways[way].add(took, rows)
