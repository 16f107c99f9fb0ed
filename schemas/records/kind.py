"""What a record kind is: named portions with a content model each, and the label to start from.

- Which portions bear persons stands here, in the schema, so that no analyst and no rule can unmark them.
- The label that an analyst starts from is a help and no default: what is not stated stays withheld.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from schemas.codes import Caveat, HandlingCode, Kind, PortionName, Purpose, State, SubjectCategory, Tlp
from schemas.model import Model
from schemas.records.fields import Born, Imei, LongText, Phone, ShortText
from schemas.records.particulars import Document


class Person(Model):
    """A person as a record names them. Every person in this project's data is synthetic.

    `category`: Directive (EU) 2016/680 Art. 6. `basis`: fact or personal assessment, its Art. 7. `sex`: ICAO Doc 9303.
    """

    name: ShortText
    latin: ShortText | None = None
    """The name in Latin letters, where `name` stands in others."""
    born: Born | None = None
    sex: Literal["F", "M", "X"] | None = None
    nationality: State | None = None
    role: ShortText
    category: SubjectCategory | None = None
    basis: Literal["fact", "assessment"] | None = None
    document: Document | None = None
    phone: Phone | None = None
    imei: Imei | None = None
    note: LongText | None = None


Persons = Annotated[tuple[Person, ...], Field(min_length=1, max_length=20)]


@dataclass(frozen=True, slots=True)
class StartLabel:
    """The label that an analyst starts from: what is usual for the portion. Whom it may reach is always to be said."""

    tlp: Tlp
    purposes: tuple[Purpose, ...]
    handling_codes: tuple[HandlingCode, ...] = (HandlingCode.H0,)
    caveats: tuple[Caveat, ...] = ()
    retain_days: int = 365


@dataclass(frozen=True, slots=True)
class PortionSpec:
    """One portion of a kind: its content model, whether it bears persons, and the label to start from."""

    content: type[Model]
    start: StartLabel
    bears_persons: bool = False


@dataclass(frozen=True, slots=True)
class KindSpec:
    """A record kind and its portions by name. `topic`: its letter in the UN Smuggling Protocol's Art. 10(1), if any."""

    kind: Kind
    title: str
    portions: dict[str, PortionSpec]
    topic: str | None = None

    def portion(self, name: PortionName) -> PortionSpec:
        """Raises: `KeyError` if the kind has no such portion."""
        return self.portions[name]
