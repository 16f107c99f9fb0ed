"""Standing back after having been fenced: several workers that start together would else fence each other for ever."""

from math import ldexp
from typing import Final

from schemas.entropy import Entropy

_LATELY_S: Final = 60.0
_BACK_MOST_S: Final = 30.0


class Fenced:
    """How long to stand back after having been fenced: longer each time of late, and nobody as long as another."""

    def __init__(self, entropy: Entropy) -> None:
        self._entropy = entropy
        self._times = 0
        self._last = -_LATELY_S

    def back_s(self, now_s: float, *, owner: bool) -> float:
        """Seconds. An owner gives whoever fenced it time to begin; who begins is back sooner."""
        self._times = self._times + 1 if now_s - self._last < _LATELY_S else 1
        self._last = now_s
        most = min(ldexp(1.0 if owner else 0.25, self._times), _BACK_MOST_S)
        return most * (0.5 + int.from_bytes(self._entropy.random(2), "big") / 2**17)
