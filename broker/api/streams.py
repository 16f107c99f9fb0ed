"""A bound on answers that stay open: each holds a connection and a task for as long as its token lives."""

from collections.abc import Iterator
from contextlib import contextmanager

from schemas.http.problems import ProblemType
from schemas.http.refusals import Refusal


class Streams:
    """How many are open, of all callers."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._open = 0

    def check(self) -> None:
        """Raises: `Refusal` when there are too many."""
        if self._open >= self._most:
            raise Refusal(ProblemType.TOO_MANY, "too many streams are open", retry_s=30)

    @contextmanager
    def open(self) -> Iterator[None]:
        """Counts as one while it is in use; entered by the answer itself, which may never begin."""
        self._open += 1
        try:
            yield
        finally:
            self._open -= 1
