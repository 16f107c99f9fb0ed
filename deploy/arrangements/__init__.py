"""The arrangements that are shipped, and how an arrangement's folder is read."""

from pathlib import Path

from broker.policy.arranged import ArrangementError, ArrangementSource, source_of
from deploy.arrangements.loader import DIRECTORY_FILE, read_arrangement
from deploy.arrangements.spread import spread

SHIPPED = Path(__file__).parent


def is_shipped(name: str) -> bool:
    """Whether an arrangement of that name is shipped: `.` is no name, but the folder where the caller stands."""
    return "/" not in name and (SHIPPED / name / DIRECTORY_FILE).is_file()


__all__ = [
    "SHIPPED",
    "ArrangementError",
    "ArrangementSource",
    "is_shipped",
    "read_arrangement",
    "source_of",
    "spread",
]
