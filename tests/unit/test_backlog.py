"""What one step takes: every lane in turn, bounded in bytes and messages, and never past where a lane turns."""

from collections import deque

from broker.admission import SourceMessage
from broker.backlog import take
from schemas.ids import AgencyId

A, B, C = AgencyId("gb-nca"), AgencyId("it-pds"), AgencyId("xa-np")


def queue(count: int, size: int = 10, start: int = 0) -> deque[SourceMessage]:
    return deque(SourceMessage(start + i, 0, bytes(size), True) for i in range(count))


def test_a_flood_in_one_lane_leaves_room_for_another() -> None:
    backlog = {A: queue(20, 500_000), B: queue(1)}
    taken = take(backlog, {})
    assert (len(taken[A]), len(taken[B])) == (1, 1)
    assert (len(backlog[A]), len(backlog[B])) == (19, 0)


def test_many_small_messages_are_bounded_by_their_number() -> None:
    backlog = {A: queue(1000)}
    assert len(take(backlog, {})[A]) == 64
    assert len(backlog[A]) == 936


def test_a_message_over_the_share_goes_alone() -> None:
    assert len(take({A: queue(2, 3_000_000)}, {})[A]) == 1


def test_a_large_message_fills_a_step_and_the_next_begins_with_another_lane() -> None:
    backlog = {A: queue(3, 4_000_000), B: queue(3, 4_000_000), C: queue(1)}
    served = [[(lane, len(m)) for lane, m in take(backlog, {}).items()] for _ in range(6)]
    assert served == [[(A, 1)], [(B, 1)], [(C, 1)], [(A, 1)], [(B, 1)], [(A, 1)]]


def test_a_lane_stops_where_it_turns() -> None:
    backlog = {A: queue(5, start=10), B: queue(5, start=10)}
    taken = take(backlog, {A: 12})
    assert [m.offset for m in taken[A]] == [10, 11]
    assert [m.offset for m in taken[B]] == [10, 11, 12, 13, 14]
    assert take(backlog, {A: 12}) == {}
    assert [m.offset for m in take(backlog, {})[A]] == [12, 13, 14]
