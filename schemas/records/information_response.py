"""`information_response`: the answer to a request - a hit, no hit, or a refusal with its reason.

Directive (EU) 2023/977 Arts. 5 and 6. The base bears persons, though it names nobody: who knows the request learns
from a hit or from no hit something about the person asked for. That is the protective reading.
"""

from enum import StrEnum
from typing import Literal, Self

from pydantic import model_validator

from schemas.codes import Caveat, HandlingCode, Kind, PortionName, Purpose, Tlp
from schemas.model import Model
from schemas.records.fields import CaseReference, Instant, LongText
from schemas.records.kind import KindSpec, PortionSpec, StartLabel
from schemas.records.particulars import References, Sources


class Refusal(StrEnum):
    """Directive (EU) 2023/977 Art. 6(1): the only reasons for which a request may be refused."""

    NOT_AVAILABLE = "not_available"
    REQUEST_INCOMPLETE = "request_incomplete"
    AUTHORISATION_REFUSED = "judicial_authorisation_refused"
    PERSON_CATEGORY = "person_category_not_permitted"
    INACCURATE = "inaccurate_or_outdated"
    NATIONAL_SECURITY = "national_security"
    INVESTIGATION_OR_SAFETY = "jeopardises_investigation_or_safety"
    LEGAL_PERSON = "harms_legal_person"
    MINOR_OFFENCE = "minor_offence"
    NO_OFFENCE = "no_offence_here"
    CONSENT_MISSING = "third_party_consent_missing"


class InformationResponseBase(Model):
    """The answer. It quotes the request by its reference and repeats no name."""

    request: CaseReference
    outcome: Literal["hit", "no_hit", "refused"]
    refused_because: Refusal | None = None
    answer: LongText
    records: References = ()
    """References of what was found."""
    answered_at: Instant

    @model_validator(mode="after")
    def _says_why(self) -> Self:
        if (self.outcome == "refused") != (self.refused_because is not None):
            raise ValueError("expected a reason with a refusal, and with nothing else")
        return self


class InformationResponseSources(Sources):
    """Where the answer comes from."""


INFORMATION_RESPONSE = KindSpec(
    Kind.INFORMATION_RESPONSE,
    "Information response",
    {
        PortionName.BASE: PortionSpec(
            InformationResponseBase,
            StartLabel(
                Tlp.AMBER_STRICT,
                (Purpose.INVESTIGATION,),
                (HandlingCode.H2,),
                (Caveat.LAW_ENFORCEMENT_ONLY, Caveat.ORCON),
                180,
            ),
            bears_persons=True,
        ),
        PortionName.SOURCES: PortionSpec(
            InformationResponseSources,
            StartLabel(Tlp.AMBER_STRICT, (Purpose.INVESTIGATION,), (HandlingCode.H2,), (Caveat.ORCON,), 180),
        ),
    },
)
