"""Domain time: one `Clock`, and the map from real time to domain time.

- Domain time is what records, postings, expiry and admission speak of; transport uses real time.
- All instants are whole milliseconds since 1970-01-01T00:00:00Z; intervals are half-open.
- The map is the identity in production. In a simulation it is piecewise affine (start, speed, pause) and
  recorded: signed like a version of the arrangement, and noted in every ledger from where it holds.
- A map is a function of real time alone, so it does not matter who hears of a piece when, as long as it is
  before the piece begins.
"""

import time
from bisect import bisect_right
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final, Protocol

import msgspec

DAY_S: Final = 86_400

#: The last instant of the year 9999: what rules and people can still say. A map never goes past it.
LAST_MS: Final = 253_402_300_799_999

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

_Instant = Annotated[int, msgspec.Meta(ge=0, le=LAST_MS)]
_Speed = Annotated[int, msgspec.Meta(ge=0, le=10**12)]


def instant(ms: int) -> datetime:
    """So many milliseconds after 1970, in UTC, as people read it; at most `LAST_MS`."""
    return _EPOCH + timedelta(milliseconds=ms)


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


class Piece(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """From the real instant `begins_ms` on, domain time is `start_ms + (t - begins_ms) * speed`.

    `speed_ppm` is in millionths, an integer, so that every implementation rounds alike; 0 is a pause.
    """

    begins_ms: _Instant
    start_ms: _Instant
    speed_ppm: _Speed

    def to_domain(self, real_ms: int) -> int:
        return min(LAST_MS, self.start_ms + (real_ms - self.begins_ms) * self.speed_ppm // 1_000_000)


_KEPT_PIECES: Final = 64


class ClockMap(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Pieces in the order in which they begin. No piece: the identity. Before the first: its start, standing still."""

    pieces: Annotated[tuple[Piece, ...], msgspec.Meta(max_length=_KEPT_PIECES)]

    def to_domain(self, real_ms: int) -> int:
        """Domain time at a real instant."""
        if not self.pieces:
            return real_ms
        at = bisect_right(self.pieces, real_ms, key=lambda piece: piece.begins_ms)
        return self.pieces[at - 1].to_domain(real_ms) if at else self.pieces[0].start_ms

    def to_real(self, domain_ms: int) -> int | None:
        """The first real instant at which domain time is `domain_ms` or later; None if it never comes to that."""
        if not self.pieces:
            return domain_ms
        if domain_ms <= self.pieces[0].start_ms:
            return self.pieces[0].begins_ms
        ends = [*(piece.begins_ms for piece in self.pieces[1:]), None]
        for piece, end in zip(self.pieces, ends, strict=True):
            if piece.start_ms >= domain_ms:
                return piece.begins_ms
            if piece.speed_ppm:
                reached = piece.begins_ms - (piece.start_ms - domain_ms) * 1_000_000 // piece.speed_ppm
                if end is None or reached < end:
                    return reached + (piece.to_domain(reached) < domain_ms)
        return None

    def runs(self, begins_ms: int, speed_ppm: int, start_ms: int | None = None) -> "ClockMap":
        """This map until `begins_ms`, then at `speed_ppm`; from `start_ms`, or from where it then stands."""
        before = tuple(piece for piece in self.pieces if piece.begins_ms < begins_ms)
        start = self.to_domain(begins_ms) if start_ms is None else start_ms
        return ClockMap((*before, Piece(begins_ms, start, speed_ppm))[-_KEPT_PIECES:])

    def forward(self) -> bool:
        """Whether pieces stand in order and domain time never goes back."""
        return all(
            earlier.begins_ms < later.begins_ms and later.start_ms >= earlier.to_domain(later.begins_ms)
            for earlier, later in zip(self.pieces, self.pieces[1:], strict=False)
        )


IDENTITY_CLOCK: Final = ClockMap(())


class MappedClock:
    """Domain time by a map that may be exchanged, over real time."""

    def __init__(self, real: Clock, clock_map: ClockMap = IDENTITY_CLOCK) -> None:
        self._real = real
        self.map = clock_map

    def now_ms(self) -> int:
        return self.map.to_domain(self._real.now_ms())

    def ahead_ms(self, real_ms: int) -> int:
        """Domain time so many real milliseconds from now, as the map has it today."""
        return self.map.to_domain(self._real.now_ms() + real_ms)
