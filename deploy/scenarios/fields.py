"""The fields that the scenario language is made of: instants, names, codes, and lists in which one value will do.

A code that is in no closed list is told with the nearest one that is.
"""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, TypeVar

from pydantic import (
    AwareDatetime,
    BeforeValidator,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    ValidationInfo,
    field_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from deploy.scenarios.names import hint
from schemas.codes import (
    Caveat,
    HandlingCode,
    Kind,
    PortionName,
    ProtectionGround,
    Purpose,
    SpecialCategory,
    State,
    SubjectCategory,
    Tlp,
)
from schemas.model import Model
from schemas.verdicts import Refused

_T = TypeVar("_T")


class _OneOrMore:
    """A list in which one value may stand for a list of one."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(
            lambda value: [value] if isinstance(value, str) else value, handler(source)
        )

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        several = handler(schema)
        return {"anyOf": [several["items"], several]}


Many = Annotated[tuple[_T, ...], _OneOrMore()]


def _spelled(codes: type[StrEnum], what: str) -> BeforeValidator:
    """A code of a closed list; a wrong one is told with the nearest right one."""
    known = [str(code.value) for code in codes]

    def check(value: object) -> object:
        if isinstance(value, str) and value not in known:
            raise ValueError(f"there is no {what} '{value}'{hint(value, known)}")
        return value

    return BeforeValidator(check)


def _written_out(value: object) -> object:
    # pydantic would read a bare number as seconds since 1970
    if isinstance(value, int | float) or (isinstance(value, str) and value.lstrip("-").isdigit()):
        raise ValueError("expected date and time with a time zone, such as 2026-06-01T08:00:00Z")
    return value


At = Annotated[AwareDatetime, BeforeValidator(_written_out)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{1,59}$")]
Sentence = Annotated[str, Field(min_length=3, max_length=300)]

KindField = Annotated[Kind, _spelled(Kind, "kind of record")]
PortionField = Annotated[PortionName, _spelled(PortionName, "portion")]
TlpField = Annotated[Tlp, _spelled(Tlp, "TLP level")]
HandlingCodeField = Annotated[HandlingCode, _spelled(HandlingCode, "handling code")]
PurposeField = Annotated[Purpose, _spelled(Purpose, "purpose")]
SubjectField = Annotated[SubjectCategory, _spelled(SubjectCategory, "category of data subjects")]
SpecialField = Annotated[SpecialCategory, _spelled(SpecialCategory, "special category")]
CaveatField = Annotated[Caveat, _spelled(Caveat, "caveat")]
GroundField = Annotated[ProtectionGround, _spelled(ProtectionGround, "ground of protection")]
StateField = Annotated[State, _spelled(State, "state")]
RefusedField = Annotated[Refused, _spelled(Refused, "reason for a quarantine")]


class Span(Model):
    """A half-open span: `from` belongs to it, `until` does not; what is left out is open."""

    start: At | None = Field(default=None, alias="from")
    until: At | None = None

    @field_validator("until", mode="after")
    @classmethod
    def _forward(cls, until: datetime | None, said: ValidationInfo) -> datetime | None:
        start = said.data.get("start")
        if start is not None and until is not None and start >= until:
            raise ValueError("expected an instant after 'from'")
        return until
