"""The label of a portion as people write it over HTTP, and read it there: closed lists, dates, no order to keep."""

from datetime import UTC, date, datetime
from re import fullmatch
from typing import Annotated, Final, Self

from pydantic import BeforeValidator, Field, StrictBool, WithJsonSchema

from schemas.codes import (
    Caveat,
    HandlingCode,
    InformationGrade,
    ProtectionGround,
    Purpose,
    SourceGrade,
    SpecialCategory,
    State,
    SubjectCategory,
    Tlp,
)
from schemas.directory import AgencyField, CommunityField, OfficerField
from schemas.labels import Handling, Label, Routing, ordered
from schemas.model import Model

_EPOCH = date(1970, 1, 1)

_MONTHS: Final = (
    r"(0[13578]|1[02])-(0[1-9]|[12]\d|3[01])|(0[469]|11)-(0[1-9]|[12]\d|30)|02-(0[1-9]|1\d|2[0-8])"
)
_LEAP_YEARS: Final = (
    r"(19(7[26]|8[048]|9[26])|20([02468][048]|[13579][26])|21(0[48]|[2468][048]|[13579][26]))"
)
_DAY: Final = rf"^((19[7-9]\d|2[01]\d\d)-({_MONTHS})|{_LEAP_YEARS}-02-29)$"
"""The days from 1970 to 2199: what a label can say has its end in the year 2243."""

_CODES = Field(max_length=64)
_NAMES = Field(max_length=256)


def _day(value: object) -> object:
    # pydantic would read a bare number, or a whole instant, as a day
    if type(value) is date or (isinstance(value, str) and fullmatch(_DAY, value)):
        return value
    raise ValueError("expected a day from 1970 to 2199, such as 2027-01-31")


Day = Annotated[
    date,
    BeforeValidator(_day),
    WithJsonSchema({"type": "string", "pattern": _DAY, "examples": ["2027-01-31"]}),
]


class HandlingBody(Model):
    """How a portion may be handled. `subjects` and `origins` are mandatory where the portion bears persons."""

    tlp: Tlp
    handling_codes: Annotated[tuple[HandlingCode, ...], _CODES] = ()
    source: SourceGrade
    information: InformationGrade
    purposes: Annotated[tuple[Purpose, ...], _CODES]
    subjects: Annotated[tuple[SubjectCategory, ...], _CODES] = ()
    special: Annotated[tuple[SpecialCategory, ...], _CODES] = ()
    caveats: Annotated[tuple[Caveat, ...], _CODES] = ()
    grounds: Annotated[tuple[ProtectionGround, ...], _CODES] = ()
    protection_cleared: StrictBool = False
    origins: Annotated[tuple[State, ...], _NAMES] = ()
    retain_until: Day

    @classmethod
    def of(cls, handling: Handling) -> Self:
        return cls(
            tlp=handling.tlp,
            handling_codes=handling.handling_codes,
            source=handling.source,
            information=handling.information,
            purposes=handling.purposes,
            subjects=handling.subjects,
            special=handling.special,
            caveats=handling.caveats,
            grounds=handling.grounds,
            protection_cleared=handling.protection_cleared,
            origins=handling.origins,
            retain_until=datetime.fromtimestamp(handling.retain_until * 86_400, UTC).date(),
        )

    def handling(self) -> Handling:
        """The label as it is hashed: sets in their one order."""
        return Handling(
            self.tlp,
            ordered(self.handling_codes),
            self.source,
            self.information,
            ordered(self.purposes),
            ordered(self.subjects),
            ordered(self.special),
            ordered(self.caveats),
            ordered(self.grounds),
            self.protection_cleared,
            ordered(self.origins),
            (self.retain_until - _EPOCH).days,
        )


class RoutingBody(Model):
    """Releasable to: agencies, communities of interest, and officers by name."""

    agencies: Annotated[tuple[AgencyField, ...], _NAMES] = ()
    communities: Annotated[tuple[CommunityField, ...], _NAMES] = ()
    officers: Annotated[tuple[OfficerField, ...], _NAMES] = ()

    @classmethod
    def of(cls, routing: Routing) -> Self:
        return cls.model_validate(
            {
                "agencies": routing.agencies,
                "communities": routing.communities,
                "officers": routing.officers,
            }
        )

    def routing(self) -> Routing:
        return Routing(ordered(self.agencies), ordered(self.communities), ordered(self.officers))


class LabelBody(Model):
    """Both parts of a label."""

    handling: HandlingBody
    releasable_to: RoutingBody

    @classmethod
    def of(cls, label: Label) -> Self:
        return cls(handling=HandlingBody.of(label.handling), releasable_to=RoutingBody.of(label.routing))

    def label(self) -> Label:
        return Label(self.handling.handling(), self.releasable_to.routing())
