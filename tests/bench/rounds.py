"""Timing: rivals take turns in one process, so that what disturbs one round disturbs all of them.

- A round runs each once and gives microseconds a unit (a record, a delivery, a question).
- What only computes is measured in processor time of the process, which a busy machine disturbs least; what
  waits for a cluster, in time on the clock (`add`).
- The minimum is the cost when nothing interfered; the median is what one sees.
- A ratio is given of the minima, and as the median of each round's own ratio.
"""

import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(slots=True)
class Timer:
    """Microseconds a unit, one value a round."""

    samples: list[float] = field(default_factory=list)

    @contextmanager
    def units(self, count: int) -> Iterator[None]:
        """Measure the processor time of the block as `count` units."""
        begun = time.process_time_ns()
        yield
        self.add(time.process_time_ns() - begun, count)

    def add(self, nanoseconds: float, count: int) -> None:
        self.samples.append(nanoseconds / 1000 / count)

    @property
    def low(self) -> float:
        return min(self.samples)

    @property
    def median(self) -> float:
        return statistics.median(self.samples)

    def as_json(self) -> dict[str, float]:
        return {"min_us": round(self.low, 2), "median_us": round(self.median, 2)}


def ratios(other: Timer, ours: Timer) -> tuple[float, float]:
    """How many times as much `other` costs as `ours`: of the minima, and the median of the rounds."""
    rounds = [o / u for o, u in zip(other.samples, ours.samples, strict=True)]
    return other.low / ours.low, statistics.median(rounds)
