"""The node's SQL store: tables, migrations, and one thread that runs transactions on them."""

from agencies.store.database import Store
from agencies.store.migrate import migrate

__all__ = ["Store", "migrate"]
