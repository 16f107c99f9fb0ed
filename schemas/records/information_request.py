"""`information_request`: a question to a partner, how urgent it is, and whom it asks about.

Directive (EU) 2023/977 Art. 4 (what a request says) and Art. 5 (within which time it is answered). That an agency asks
about somebody is itself information about them, so they stand in a portion of their own.
"""

from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Final, Self

from pydantic import Field, model_validator

from schemas.codes import Caveat, HandlingCode, Kind, PortionName, Purpose, Tlp
from schemas.model import Model
from schemas.records.fields import CaseReference, Instant, Language, LongText, ShortText
from schemas.records.kind import KindSpec, Persons, PortionSpec, StartLabel


class Urgency(StrEnum):
    """Directive (EU) 2023/977 Art. 5(1)."""

    URGENT_DIRECT = "urgent_direct"
    """Urgent, and directly accessible to the one who is asked."""
    URGENT_INDIRECT = "urgent_indirect"
    """Urgent, and to be obtained from others first."""
    NORMAL = "normal"


TIME_LIMITS: Final = {
    Urgency.URGENT_DIRECT: timedelta(hours=8),
    Urgency.URGENT_INDIRECT: timedelta(days=3),
    Urgency.NORMAL: timedelta(days=7),
}


class InformationRequestBase(Model):
    """The question (Art. 4): what is asked, for which purpose, and why the answer should be there."""

    reference: CaseReference
    urgency: Urgency
    urgent_because: ShortText | None = None
    question: LongText
    offence: ShortText
    reasons: LongText
    """Objective reasons to believe that the partner has the answer."""
    languages: Annotated[tuple[Language, ...], Field(min_length=1, max_length=10)]
    asked_at: Instant

    @model_validator(mode="after")
    def _says_why(self) -> Self:
        if (self.urgency is not Urgency.NORMAL) != (self.urgent_because is not None):
            raise ValueError("expected reasons for urgency with an urgent request, and with no other")
        return self


class InformationRequestPersons(Model):
    """Whom it asks about, and how they are connected with the purpose."""

    persons: Persons
    connection: LongText


INFORMATION_REQUEST = KindSpec(
    Kind.INFORMATION_REQUEST,
    "Information request",
    {
        PortionName.BASE: PortionSpec(
            InformationRequestBase, StartLabel(Tlp.AMBER_STRICT, (Purpose.INVESTIGATION,), retain_days=180)
        ),
        PortionName.PERSONS: PortionSpec(
            InformationRequestPersons,
            StartLabel(
                Tlp.AMBER_STRICT,
                (Purpose.INVESTIGATION,),
                (HandlingCode.H2,),
                (Caveat.LAW_ENFORCEMENT_ONLY, Caveat.ORCON),
                180,
            ),
            bears_persons=True,
        ),
    },
)
