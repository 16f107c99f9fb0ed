"""Lanes spread over shards: an arrangement as it is written, with another number of workers to serve it.

Lanes are dealt in the order of their ids, so any two who spread the same arrangement come to the same directory.
"""

import dataclasses

from deploy.arrangements.loader import ArrangementError, ArrangementSource
from schemas.directory import Directory


def spread(source: ArrangementSource, shards: int) -> ArrangementSource:
    """The arrangement with its lanes dealt to shards 0 to `shards` - 1.

    Raises: `ArrangementError` if a shard would have none.
    """
    before = source.directory
    lanes = before.agency_ids
    if not 1 <= shards <= len(lanes):
        raise ArrangementError(
            (f"expected 1 to {len(lanes)} shards, one lane or more for each, found {shards}",)
        )
    # Built anew and not copied: answers that the old one remembers are not true of the new one.
    written = {name: getattr(before, name) for name in Directory.model_fields}
    dealt = {lane: at % shards for at, lane in enumerate(lanes) if at % shards}
    return dataclasses.replace(source, directory=Directory(**{**written, "lanes": dealt}))
