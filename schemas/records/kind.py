"""What a record kind is: named portions with a content model each, and the label to start from.

Which portions bear persons stands here, in the schema, so that no analyst and no rule can unmark them.
"""

from dataclasses import dataclass
from typing import Annotated

from pydantic import AwareDatetime, Field

from schemas.codes import Kind, PortionName
from schemas.model import Model

ShortText = Annotated[str, Field(min_length=1, max_length=200)]
LongText = Annotated[str, Field(min_length=1, max_length=4000)]
Instant = AwareDatetime


class Person(Model):
    """A person as a record names them. Every person in this project's data is synthetic."""

    name: ShortText
    born: str | None = Field(default=None, pattern=r"^\d{4}(-\d{2}-\d{2})?$")
    nationality: str | None = Field(default=None, pattern=r"^[A-Z]{2}$")
    role: ShortText
    note: LongText | None = None


@dataclass(frozen=True, slots=True)
class PortionSpec:
    """One portion of a kind: its content model and whether it bears persons."""

    content: type[Model]
    bears_persons: bool = False


@dataclass(frozen=True, slots=True)
class KindSpec:
    """A record kind and its portions by name."""

    kind: Kind
    portions: dict[str, PortionSpec]

    def portion(self, name: PortionName) -> PortionSpec:
        """Raises: `KeyError` if the kind has no such portion."""
        return self.portions[name]
