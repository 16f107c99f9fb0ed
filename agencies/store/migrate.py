"""Bring a store to the newest form, by Alembic, before anything else is done with it."""

from pathlib import Path
from threading import Lock

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, text

MIGRATIONS = Path(__file__).parent / "migrations"

#: Alembic's context is global to the process, and a host opens several stores at once.
_one_at_a_time = Lock()


def migrate(engine: Engine) -> None:
    """Run what migrations are missing, in one transaction. Raises: what SQLAlchemy and Alembic raise."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    with _one_at_a_time, engine.begin() as connection:
        _make_schema(connection)
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _make_schema(connection: Connection) -> None:
    """Make the schema that the connection looks in, if it has one of its own. Two at once wait for each other."""
    if connection.dialect.name != "postgresql":
        return
    connection.execute(text("SELECT pg_advisory_xact_lock(hashtext(current_setting('search_path')))"))
    if connection.scalar(text("SELECT current_schema()")) is None:
        connection.execute(text(f"CREATE SCHEMA {connection.scalar(text('SHOW search_path'))}"))
