"""Record kinds, one file each: fields, portions, and which portions bear persons.

The registry is closed: a kind that is not here is quarantined by its reason, never guessed at.
"""

from schemas.codes import Kind, PortionName
from schemas.records.boat_supply import BOAT_SUPPLY
from schemas.records.debrief import DEBRIEF
from schemas.records.kind import KindSpec
from schemas.records.online_advert import ONLINE_ADVERT

KINDS: dict[str, KindSpec] = {spec.kind: spec for spec in (BOAT_SUPPLY, ONLINE_ADVERT, DEBRIEF)}


def bears_persons(kind: Kind | str, portion: PortionName | str) -> bool:
    """Whether the portion of the kind bears persons. Raises: `KeyError` for an unknown kind or portion."""
    return KINDS[kind].portions[portion].bears_persons


__all__ = ["KINDS", "KindSpec", "bears_persons"]
