"""Domain time: one `Clock`, and the map from Kafka's append time to admission time.

- Domain time is what records, postings, expiry and admission speak of; transport uses real time.
- All instants are whole milliseconds since 1970-01-01T00:00:00Z; intervals are half-open.
- The map is the identity in production and a recorded affine map in a simulation.
"""

import time
from typing import Protocol

import msgspec

MS = 1000
DAY_S = 86_400


class Clock(Protocol):
    """Where domain time comes from."""

    def now_ms(self) -> int:
        """Milliseconds since the epoch, UTC."""
        ...


class SystemClock:
    """Domain time equals real time."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000


class ManualClock:
    """A clock that stands until it is set; for tests and vectors."""

    def __init__(self, now_ms: int) -> None:
        self._now_ms = now_ms

    def now_ms(self) -> int:
        return self._now_ms

    def set(self, now_ms: int) -> None:
        self._now_ms = now_ms


class ClockMap(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Affine map from real append time to domain time: `start + (t - origin) * speed`.

    `speed_ppm` is in millionths, an integer, so that every implementation rounds alike.
    """

    origin_ms: int
    start_ms: int
    speed_ppm: int

    def to_domain(self, real_ms: int) -> int:
        return self.start_ms + (real_ms - self.origin_ms) * self.speed_ppm // 1_000_000


IDENTITY_CLOCK = ClockMap(0, 0, 1_000_000)
