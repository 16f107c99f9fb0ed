"""The projection beside a running federation: killed in the middle, rebuilt, and the same as what the ledgers say."""

import asyncio
import contextlib

import pytest
from sqlalchemy import func, select

from broker.api.signed import Followed
from broker.kafka import Connection
from broker.projection import Database, Projection
from broker.projection.follower import Follower
from broker.projection.tables import decisions, metadata
from deploy.stage.count import operational
from schemas.topics import BROKER, arrangement_topic
from schemas.transport import client_context
from tests.integration.live import Live, assert_exact, more, until
from tests.support.postgres import Postgres

RECORDS = 30
PACE = 1.5


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_a_follower_that_is_ended_at_any_time_projects_the_same(
    live: Live, postgres: Postgres, kind: str
) -> None:
    url = postgres.database() if kind == "postgresql" else f"sqlite:///{live.folder / 'projection.db'}"
    await live.start_broker()
    await live.start_nodes([live.node(a, RECORDS, PACE) for a in live.agencies])
    connection = Connection(live.bootstrap, client_context(live.ceremony.tls(BROKER)))
    signed = Followed(live.arrangement.digest)
    await signed.load(connection, arrangement_topic(live.prefix))
    arguments = (live.arrangement.domains, live.agencies, live.prefix, signed.rules_of)
    for _ in range(3):
        async with Database(url) as database:
            following = asyncio.create_task(Follower(Projection(database, *arguments), connection).run())
            await more(live, 10, "records flow")
            following.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await following
    await assert_exact(live, RECORDS * len(live.agencies))

    async with Database(url) as database:
        projection = Projection(database, *arguments)
        follower = Follower(projection, connection)
        running = asyncio.create_task(follower.run())
        ledgers = await live.ledgers()

        async def current() -> bool:
            counts = [await projection.counts(lane) for lane in live.agencies]
            return sum(c.leaves for c in counts) == sum(len(g.leaves) for g in ledgers.values())

        await until(current, "the projection has every leaf")
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running

        async def dump() -> dict[str, list[str]]:
            rows = {}
            for table in metadata.sorted_tables:
                found = await database.read(lambda c, t=table: c.execute(select(t)).all())  # type: ignore[misc]
                rows[table.name] = sorted(repr(tuple(row)) for row in found)
            return rows

        grown = await dump()
        await projection.clear()
        await follower.catch_up()
        assert await dump() == grown
        for lane in live.agencies:
            state = (await live.lanes())[lane].state
            frontier = await projection.frontier(lane)
            assert (frontier.size, frontier.root()) == (state.ledger.size, state.ledger.root())
        pairs = select(func.count()).select_from(
            select(decisions.c.lane, decisions.c.number, decisions.c.recipient).distinct().subquery()
        )
        told = operational(ledgers)
        assert await database.read(lambda c: c.scalar(pairs)) == told.pairs
        delivered = [(await projection.counts(lane)).delivered for lane in live.agencies]
        assert sum(sum(each.values()) for each in delivered) == told.delivered
