"""Bring a store to the newest form, by Alembic, before anything else is done with it."""

from pathlib import Path
from threading import Lock

from alembic import command
from alembic.config import Config
from sqlalchemy import Engine

MIGRATIONS = Path(__file__).parent / "migrations"

#: Alembic's context is global to the process, and a host opens several stores at once.
_one_at_a_time = Lock()


def migrate(engine: Engine) -> None:
    """Run what migrations are missing, in one transaction. Raises: what SQLAlchemy and Alembic raise."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    with _one_at_a_time, engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
