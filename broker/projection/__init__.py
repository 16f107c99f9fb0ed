"""The projection: what the committed ledgers say, as SQL tables that may be thrown away and built again at any time.

    ledger.<agency> -> follower -> writing (rows) -> tables -> evidence (what the API asks)

A projection decides nothing and proves nothing by itself: each row follows from a leaf and its rulings, and a rebuild
gives the same rows. It is for people and for the API; the hot path never reads it.
"""

from broker.projection.database import Database
from broker.projection.evidence import Projection

__all__ = ["Database", "Projection"]
