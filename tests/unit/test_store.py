"""The node's store: the newest migration makes exactly the tables that the code names."""

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, create_engine, insert, select

from agencies.store import Store
from agencies.store.database import insert_new
from agencies.store.migrate import migrate
from agencies.store.tables import metadata, seals


def _url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'node.db'}"


def test_the_newest_migration_and_the_tables_agree(tmp_path: Path) -> None:
    engine = create_engine(_url(tmp_path))
    migrate(engine)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
    engine.dispose()


def test_migrating_again_changes_nothing(tmp_path: Path) -> None:
    engine = create_engine(_url(tmp_path))
    migrate(engine)
    with engine.begin() as connection:
        connection.execute(insert(seals).values(digest=b"d", bytes=b"b"))
    migrate(engine)
    with engine.connect() as connection:
        assert connection.execute(select(seals)).all() == [(b"d", b"b")]
    engine.dispose()


async def test_a_transaction_is_kept_whole_or_not_at_all(tmp_path: Path) -> None:
    def half(connection: Connection) -> None:
        connection.execute(insert(seals).values(digest=b"d", bytes=b"b"))
        raise KeyError("half way")

    async with Store(_url(tmp_path)) as store:
        with pytest.raises(KeyError, match="half way"):
            await store.run(half)
        assert await store.run(lambda c: c.execute(select(seals)).all()) == []


async def test_what_is_there_already_stays(tmp_path: Path) -> None:
    async with Store(_url(tmp_path)) as store:
        for data in (b"first", b"second"):
            await store.run(lambda c, d=data: c.execute(insert_new(c, seals), {"digest": b"d", "bytes": d}))  # type: ignore[misc]
        assert await store.run(lambda c: [bytes(r.bytes) for r in c.execute(select(seals))]) == [b"first"]


async def test_what_was_stored_is_there_after_a_restart(tmp_path: Path) -> None:
    async with Store(_url(tmp_path)) as store:
        await store.run(lambda c: c.execute(insert(seals).values(digest=b"d", bytes=b"b")))
    async with Store(_url(tmp_path)) as store:
        assert await store.run(lambda c: len(c.execute(select(seals)).all())) == 1
