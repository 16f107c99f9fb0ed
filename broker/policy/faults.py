"""What is wrong with a policy, said so that its author can mend it: file, line, column, rule, source line.

One error class for everything a policy can be refused for. It carries all faults that were found, since
an author mends a file in one sitting.
"""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong, at a place. `line` and `column` count from 1; column None means the whole line."""

    file: str
    line: int
    column: int | None
    rule: str | None
    message: str
    source: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" + (f":{self.column}" if self.column else "")
        rule = f" rule '{self.rule}':" if self.rule else ""
        shown = self.source.strip()[:160]
        source = f" | {shown}" if shown else ""
        return f"{place}:{rule} {self.message}{source}"


class PolicyError(Exception):
    """A policy or its schema that is not loaded; `faults` has at least one entry, `str()` a line for each."""

    retriable = False

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(str(f) for f in self.faults))
