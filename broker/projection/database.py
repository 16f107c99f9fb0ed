"""The projection's database: SQLite or PostgreSQL by URL, synchronous SQLAlchemy Core in threads of its own.

One thread writes, so that rows and positions move in one order; others read. A server that goes away is an exception to
whoever asked: the follower reads its positions again and goes on, a request is told to come back.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TypeVar

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.sql.dml import Insert
from sqlalchemy.sql.schema import Table

_T = TypeVar("_T")

_MIGRATIONS: Final = Path(__file__).parent / "migrations"
_READERS: Final = 4
_LOCK: Final = 0x656E7465  # an advisory lock of PostgreSQL: two that open it at once migrate it once


class Database:
    """Opened and migrated by `async with`. `url` as SQLAlchemy writes it."""

    def __init__(self, url: str) -> None:
        self._engine: Engine = create_engine(url)
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="projection")
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="projection-read")
        if self._engine.dialect.name == "sqlite":
            event.listen(self._engine, "connect", _sqlite_settings)

    async def __aenter__(self) -> Self:
        await self._in(self._writer, self.migrate)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for threads in (self._writer, self._readers):
            await asyncio.to_thread(threads.shutdown)
        self._engine.dispose()

    async def write(self, work: Callable[[Connection], _T]) -> _T:
        """Run `work` in one transaction: all of it is kept, or none. What it raises is raised."""
        return await self._in(self._writer, lambda: self._transaction(work))

    async def read(self, work: Callable[[Connection], _T]) -> _T:
        """Run `work` beside the writer; it sees what is committed."""
        return await self._in(self._readers, lambda: self._transaction(work))

    def _transaction(self, work: Callable[[Connection], _T]) -> _T:
        with self._engine.begin() as connection:
            return work(connection)

    def migrate(self) -> None:
        """Bring it to the newest form, by Alembic."""
        config = Config()
        config.set_main_option("script_location", str(_MIGRATIONS))
        config.set_main_option("path_separator", "os")
        with self._engine.begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:lock)").bindparams(lock=_LOCK))
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

    @staticmethod
    async def _in(threads: ThreadPoolExecutor, work: Callable[[], _T]) -> _T:
        # Shielded: a cancelled caller must not leave a transaction half waited for.
        return await asyncio.shield(asyncio.get_running_loop().run_in_executor(threads, work))


def _sqlite_settings(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")  # what a power cut takes is read again from the ledgers
    cursor.execute("PRAGMA busy_timeout=30000")
    cursor.close()


def insert_new(connection: Connection, table: Table) -> Insert:
    """`INSERT .. ON CONFLICT DO NOTHING` in the dialect of the connection."""
    if connection.dialect.name == "postgresql":
        return postgresql.insert(table).on_conflict_do_nothing()
    return sqlite.insert(table).on_conflict_do_nothing()
