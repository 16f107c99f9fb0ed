"""Silence: three rounds without a lane are an alarm, once, until it is heard again."""

from agencies.silence import Silence
from tests.vectors.scenes import FR, GB


def test_three_rounds_without_a_lane_are_silence() -> None:
    silence = Silence([GB, FR], 10, now_s=100)
    assert silence.fallen(130) == []
    silence.told([FR], 125)
    assert silence.fallen(130.1) == [GB]
    assert silence.fallen(131) == []
    assert silence.fallen(155.1) == [FR]


def test_it_ends_with_a_round_and_may_begin_again() -> None:
    silence = Silence([GB], 10, now_s=0)
    assert silence.fallen(31) == [GB]
    silence.told([GB], 40)
    assert silence.fallen(70) == []
    assert silence.fallen(70.1) == [GB]
