"""Who was fenced stands back: longer each time of late, the owner longest, and nobody as long as another."""

import pytest

from broker.fenced import Fenced
from schemas.entropy import SeededEntropy


@pytest.mark.parametrize("owner, least", [(False, 0.25), (True, 1.0)])
def test_it_doubles_up_to_a_bound_and_begins_anew_after_a_quiet_minute(owner: bool, least: float) -> None:
    fenced = Fenced(SeededEntropy(b"fenced"))
    for times in range(12):
        most = min(2 * least * 2**times, 30.0)
        assert most / 2 <= fenced.back_s(10.0 * times, owner=owner) <= most
    assert fenced.back_s(1000.0, owner=owner) <= 2 * least


def test_two_do_not_stand_back_alike() -> None:
    one, other = Fenced(SeededEntropy(b"one")), Fenced(SeededEntropy(b"other"))
    assert [one.back_s(t, owner=False) for t in range(6)] != [other.back_s(t, owner=False) for t in range(6)]
