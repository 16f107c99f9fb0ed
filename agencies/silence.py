"""Silence: a broker that tells nothing for three rounds is an alarm, since a dropped tail would show in none of them.

- By lane, so that a round that leaves one out does not pass for a whole one. Real time, by a clock that only grows.
- One alarm as long as it lasts; the next round ends it. After a start, every lane has been heard just now.
"""

from collections.abc import Iterable
from typing import Final

from schemas.ids import AgencyId

ROUNDS: Final = 3


class Silence:
    """When each lane was last told of, in seconds of real time."""

    def __init__(self, lanes: Iterable[AgencyId], every_s: float, now_s: float) -> None:
        self._limit_s = ROUNDS * every_s
        self._heard = dict.fromkeys(lanes, now_s)
        self._silent: set[AgencyId] = set()

    def told(self, lanes: Iterable[AgencyId], now_s: float) -> None:
        """A round told of these lanes."""
        for lane in lanes:
            self._heard[lane] = now_s
            self._silent.discard(lane)

    def fallen(self, now_s: float) -> list[AgencyId]:
        """The lanes that have fallen silent since this was last asked."""
        late = {lane for lane, at in self._heard.items() if now_s - at > self._limit_s}
        new = late - self._silent
        self._silent |= new
        return sorted(new)
