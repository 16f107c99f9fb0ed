"""Event ids: a place in what a caller may see, for paging and for `Last-Event-ID`.

- For each lane the number of the leaf that is wanted next, in the order of the lanes, after a mark of which lanes these
  are. So an id survives a restart and a rebuild, and says nothing that its holder has not seen.
- No event is passed over when a slow shard's decisions arrive late: lanes are counted apart.
- An id of other lanes (another role, another filter) is no id here.
"""

from collections.abc import Collection
from hashlib import sha256
from typing import Final

from schemas.ids import AgencyId

#: In text: a mark and up to twenty digits a lane.
PATTERN: Final = r"^[0-9a-f]{8}(\.[0-9]{1,19})+$"


class BadCursor(ValueError):
    """A text that is no event id of these lanes."""


def start(lanes: Collection[AgencyId]) -> dict[AgencyId, int]:
    """Before the first event."""
    return dict.fromkeys(sorted(lanes), 0)


def text(wanted: dict[AgencyId, int]) -> str:
    """The event id."""
    return ".".join([_mark(wanted), *(str(wanted[lane]) for lane in sorted(wanted))])


def parse(value: str, lanes: Collection[AgencyId]) -> dict[AgencyId, int]:
    """The place that an event id names. Raises: `BadCursor`."""
    mark, *numbers = value.split(".")
    if mark != _mark(lanes) or len(numbers) != len(lanes):
        raise BadCursor("no event id of these lanes")
    if not all(n.isascii() and n.isdigit() and len(n) <= 19 and int(n) < 2**63 for n in numbers):
        raise BadCursor("no event id")
    return dict(zip(sorted(lanes), map(int, numbers), strict=True))


def _mark(lanes: Collection[AgencyId]) -> str:
    return sha256("\n".join(sorted(lanes)).encode()).hexdigest()[:8]
