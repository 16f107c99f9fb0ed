"""Lanes spread over shards: the directory of an arrangement with another number of workers to serve it.

Lanes are dealt in the order of their ids, so any two who spread the same directory come to the same one.
"""

from broker.policy.arranged import ArrangementError
from schemas.directory import Directory


def spread(before: Directory, shards: int) -> Directory:
    """The directory with its lanes dealt to shards 0 to `shards` - 1.

    Raises: `ArrangementError` if a shard would have none.
    """
    lanes = before.agency_ids
    if not 1 <= shards <= len(lanes):
        raise ArrangementError(
            (f"expected 1 to {len(lanes)} shards, one lane or more for each, found {shards}",)
        )
    # Built anew and not copied: answers that the old one remembers are not true of the new one.
    written = {name: getattr(before, name) for name in Directory.model_fields}
    return Directory(
        **{**written, "lanes": {lane: at % shards for at, lane in enumerate(lanes) if at % shards}}
    )
