"""Domain time by a map: pieces join, time never goes back, and both directions agree."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.clock import IDENTITY_CLOCK, LAST_MS, ClockMap, ManualClock, MappedClock, Piece

X100 = 100_000_000


def test_without_a_piece_domain_time_is_real_time() -> None:
    assert IDENTITY_CLOCK.to_domain(1234) == 1234
    assert IDENTITY_CLOCK.to_real(1234) == 1234


def test_start_speed_and_pause() -> None:
    clock = ClockMap((Piece(1000, 50_000, X100),)).runs(1010, 0).runs(1020, 1_000_000)
    assert [clock.to_domain(t) for t in (0, 1000, 1001, 1010, 1015, 1020, 1025)] == [
        50_000,
        50_000,
        50_100,
        51_000,
        51_000,
        51_000,
        51_005,
    ]
    assert clock.forward()


def test_a_piece_begins_at_its_instant_and_not_before() -> None:
    clock = ClockMap((Piece(0, 0, 1_000_000),)).runs(1000, X100)
    assert [clock.to_domain(t) for t in (999, 1000, 1001)] == [999, 1000, 1100]


def test_back_in_time_is_seen() -> None:
    assert not ClockMap((Piece(0, 0, X100), Piece(1000, 0, X100))).forward()
    assert not ClockMap((Piece(1000, 0, 0), Piece(1000, 5, 0))).forward()


def test_time_ends_with_the_year_9999() -> None:
    assert ClockMap((Piece(0, 0, 10**12),)).to_domain(2**52) == LAST_MS


@given(
    st.lists(
        st.tuples(st.integers(1, 10_000), st.sampled_from([0, 1, 999_999, 1_000_000, X100])),
        min_size=1,
        max_size=6,
    ),
    st.integers(0, 3_000_000),
)
def test_the_first_real_instant_of_a_domain_instant(pieces: list[tuple[int, int]], domain: int) -> None:
    clock, begins = ClockMap((Piece(5000, 5000, 1_000_000),)), 5000
    for length, speed in pieces:
        begins += length
        clock = clock.runs(begins, speed)
    assert clock.forward()
    real = clock.to_real(domain)
    if real is None:
        assert clock.to_domain(begins + 10**9) < domain
    else:
        assert clock.to_domain(real) >= domain
        assert real == 5000 or clock.to_domain(real - 1) < domain


def test_a_mapped_clock_follows_its_map() -> None:
    real = ManualClock(1000)
    clock = MappedClock(real)
    assert clock.now_ms() == 1000
    clock.map = ClockMap((Piece(1000, 0, X100),))
    real.set(1003)
    assert clock.now_ms() == 300


@pytest.mark.parametrize("pieces", [70, 200])
def test_old_pieces_are_forgotten(pieces: int) -> None:
    clock = ClockMap((Piece(0, 0, 1_000_000),))
    for n in range(1, pieces):
        clock = clock.runs(n * 10, (n % 2) * 1_000_000)
    assert len(clock.pieces) == 64
    assert clock.forward()
