"""The arrangements that are shipped, and how an arrangement's folder is read."""

from pathlib import Path

from deploy.arrangements.loader import ArrangementError, ArrangementSource, read_arrangement, source_of
from deploy.arrangements.spread import spread

SHIPPED = Path(__file__).parent

__all__ = ["SHIPPED", "ArrangementError", "ArrangementSource", "read_arrangement", "source_of", "spread"]
