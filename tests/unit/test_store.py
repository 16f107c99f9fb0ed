"""The node's store, on both databases: migrations, transactions, and a server that goes away."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, insert, select, text
from sqlalchemy.exc import IntegrityError

from agencies.errors import StoreStopped, Unsure
from agencies.store import Store
from agencies.store.database import insert_many, insert_new, store_engine
from agencies.store.migrate import migrate
from agencies.store.tables import metadata, seals
from tests.support.postgres import Postgres, running


def test_the_newest_migration_and_the_tables_agree(store_url: str) -> None:
    engine = store_engine(store_url)
    migrate(engine)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        found = compare_metadata(context, metadata)
        # The index of the full-text search is each database's own affair, and no table of ours.
        assert [what for what in found if "texts_index" not in str(what) and "indexed" not in str(what)] == []
    engine.dispose()


def test_migrating_again_changes_nothing(store_url: str) -> None:
    engine = store_engine(store_url)
    migrate(engine)
    with engine.begin() as connection:
        connection.execute(insert(seals).values(digest=b"d", bytes=b"b"))
    migrate(engine)
    with engine.connect() as connection:
        assert connection.execute(select(seals)).all() == [(b"d", b"b")]
    engine.dispose()


async def test_a_transaction_is_kept_whole_or_not_at_all(store_url: str) -> None:
    def half(connection: Connection) -> None:
        connection.execute(insert(seals).values(digest=b"d", bytes=b"b"))
        raise KeyError("half way")

    async with Store(store_url) as store:
        with pytest.raises(KeyError, match="half way"):
            await store.run(half)
        assert await store.run(lambda c: c.execute(select(seals)).all()) == []


async def test_what_is_there_already_stays(store_url: str) -> None:
    async with Store(store_url) as store:
        for data in (b"first", b"second"):
            await store.run(lambda c, d=data: c.execute(insert_new(c, seals), {"digest": b"d", "bytes": d}))  # type: ignore[misc]
        assert await store.run(lambda c: [bytes(r.bytes) for r in c.execute(select(seals))]) == [b"first"]


@pytest.mark.parametrize("count", [1, 7, 15_000, 15_001, 40_000])
async def test_many_rows_are_inserted_whatever_a_statement_takes(store_url: str, count: int) -> None:
    rows = [{"digest": n.to_bytes(4, "big"), "bytes": b"%d" % n} for n in range(count)]
    async with Store(store_url) as store:
        await store.run(lambda c: c.execute(insert(seals).values(digest=bytes(4), bytes=b"first")))
        for _ in range(2):
            await store.run(lambda c: insert_many(c, seals, rows, once=True))
        found = await store.run(lambda c: c.execute(select(seals).order_by(seals.c.digest)).all())
        assert [bytes(r.bytes) for r in found] == [b"first", *(row["bytes"] for row in rows[1:])]
        with pytest.raises(IntegrityError):
            await store.run(lambda c: insert_many(c, seals, rows, once=False))


async def test_what_was_stored_is_there_after_a_restart(store_url: str) -> None:
    async with Store(store_url) as store:
        await store.run(lambda c: c.execute(insert(seals).values(digest=b"d", bytes=b"b")))
    async with Store(store_url) as store:
        assert await store.run(lambda c: len(c.execute(select(seals)).all())) == 1


async def test_two_that_open_one_store_at_once_migrate_it_once(store_url: str) -> None:
    stores = [Store(store_url) for _ in range(3)]
    await asyncio.gather(*(store.__aenter__() for store in stores))
    for store in stores:
        assert await store.run(lambda c: c.execute(select(seals)).all()) == []
        await store.__aexit__(None, None, None)


async def test_nodes_of_one_database_share_nothing(postgres: Postgres) -> None:
    database = postgres.database()
    async with Store(f"{database}?schema=gb-nca") as one, Store(f"{database}?schema=fr-oltim") as two:
        await one.run(lambda c: c.execute(insert(seals).values(digest=b"d", bytes=b"b")))
        assert await two.run(lambda c: c.execute(select(seals)).all()) == []
        assert await one.run(lambda c: c.scalar(text("SELECT current_schema()"))) == "gb-nca"


async def test_a_connection_that_is_lost_costs_nothing(postgres: Postgres) -> None:
    async with Store(postgres.database()) as store:
        for number in range(5):
            postgres.disconnect_all()
            row = {"digest": bytes([number]), "bytes": b""}
            await store.run(lambda c, r=row: c.execute(insert(seals).values(**r)))  # type: ignore[misc]
        assert len(await store.run(lambda c: c.execute(select(seals)).all())) == 5


async def test_a_connection_that_is_lost_in_the_middle_is_begun_again(postgres: Postgres) -> None:
    tries = 0

    def work(connection: Connection) -> None:
        nonlocal tries
        tries += 1
        connection.execute(insert(seals).values(digest=b"d", bytes=b"b"))
        if tries == 1:
            postgres.disconnect_all()

    async with Store(postgres.database()) as store:
        with pytest.raises(Unsure):
            await store.run(work, once=True)
        assert await store.run(lambda c: c.execute(select(seals)).all()) == []
        tries = 0
        await store.run(work)
        assert tries == 2
        assert len(await store.run(lambda c: c.execute(select(seals)).all())) == 1


async def test_a_server_that_is_away_is_waited_for_and_a_stop_is_heard() -> None:
    with running() as server:
        url = server.database()
        async with Store(url) as store:
            server.stop()
            waiting = asyncio.ensure_future(store.run(lambda c: c.execute(select(seals)).all()))
            await asyncio.wait([waiting], timeout=1)
            assert not waiting.done()
            server.start()
            assert await asyncio.wait_for(waiting, 60) == []
            server.stop()
            waiting = asyncio.ensure_future(store.run(lambda c: c.execute(select(seals)).all()))
            await asyncio.wait([waiting], timeout=0.5)
        with pytest.raises(StoreStopped):
            await asyncio.wait_for(waiting, 60)


async def test_a_file_that_somebody_else_holds_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long: of a transaction that was locked out nothing is kept, so it runs again, and is kept once."""
    monkeypatch.setattr("agencies.store.database._BUSY_MS", 10)
    tries: list[int] = []

    def work(connection: Connection) -> None:
        tries.append(1)
        connection.execute(insert(seals).values(digest=b"d", bytes=b"b"))

    async with Store(f"sqlite:///{tmp_path / 'held.db'}") as store:
        with closing(sqlite3.connect(tmp_path / "held.db", isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            kept = asyncio.ensure_future(store.run(work, once=True))
            while len(tries) < 3:
                await asyncio.sleep(0.01)
            assert not kept.done()
            other.execute("ROLLBACK")
        await kept
        assert await store.run(lambda c: c.execute(select(seals)).all()) == [(b"d", b"b")]


async def test_a_node_that_stops_does_not_wait_for_who_holds_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agencies.store.database._BUSY_MS", 10)
    with closing(sqlite3.connect(tmp_path / "held.db", isolation_level=None)) as other:
        store = Store(f"sqlite:///{tmp_path / 'held.db'}")
        await store.__aenter__()
        other.execute("BEGIN EXCLUSIVE")
        waiting = asyncio.ensure_future(
            store.run(lambda c: c.execute(insert(seals).values(digest=b"d", bytes=b"b")))
        )
        await asyncio.sleep(0)
        await store.__aexit__(None, None, None)
        with pytest.raises(StoreStopped):
            await waiting


async def test_a_store_is_made_once_who_holds_its_file_lets_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agencies.store.database._BUSY_MS", 10)
    with closing(sqlite3.connect(tmp_path / "held.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        store = Store(f"sqlite:///{tmp_path / 'held.db'}")
        opening = asyncio.ensure_future(store.__aenter__())
        await asyncio.wait([opening], timeout=0.5)
        assert not opening.done()
        other.execute("ROLLBACK")
    await opening
    assert await store.run(lambda c: c.execute(select(seals)).all()) == []
    await store.__aexit__(None, None, None)
