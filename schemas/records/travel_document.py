"""`travel_document`: forged, altered, stolen and misused travel documents.

UN Smuggling Protocol Art. 10(1)(c); numbers in the form of ICAO Doc 9303. The base tells how to know such a document
and lists stolen blanks, which were never anybody's; a document that was issued to someone stands with that person.
"""

from typing import Annotated, Literal

from pydantic import Field

from schemas.codes import Caveat, HandlingCode, Kind, PortionName, Purpose, State, Tlp
from schemas.model import Model
from schemas.records.fields import DocumentNumber, Instant, LongText, ShortText
from schemas.records.kind import KindSpec, Persons, PortionSpec, StartLabel
from schemas.records.particulars import Exhibits, Sources


class TravelDocumentBase(Model):
    """The type of document, and what gives it away."""

    summary: LongText
    type: Literal[
        "passport", "identity_card", "residence_permit", "visa", "refugee_document", "seafarer_document"
    ]
    issuer: State
    fault: Literal["counterfeit", "altered", "stolen_blank", "fraudulently_obtained", "impostor"]
    features: Annotated[tuple[ShortText, ...], Field(max_length=20)] = ()
    blanks: Annotated[tuple[DocumentNumber, ...], Field(max_length=200)] = ()
    """Numbers of stolen blanks."""
    detected_at: Instant


class TravelDocumentPersons(Model):
    """Who made, sold or carried it, and scans of what they carried."""

    persons: Persons
    exhibits: Exhibits = ()


class TravelDocumentSources(Sources):
    """How the documents became known."""


TRAVEL_DOCUMENT = KindSpec(
    Kind.TRAVEL_DOCUMENT,
    "Travel document",
    {
        PortionName.BASE: PortionSpec(
            TravelDocumentBase,
            StartLabel(Tlp.GREEN, (Purpose.DETECTION, Purpose.PREVENTION, Purpose.INVESTIGATION)),
        ),
        PortionName.PERSONS: PortionSpec(
            TravelDocumentPersons,
            StartLabel(
                Tlp.AMBER,
                (Purpose.INVESTIGATION,),
                (HandlingCode.H1,),
                (Caveat.LAW_ENFORCEMENT_ONLY,),
                retain_days=180,
            ),
            bears_persons=True,
        ),
        PortionName.SOURCES: PortionSpec(
            TravelDocumentSources,
            StartLabel(Tlp.AMBER_STRICT, (Purpose.INVESTIGATION,), caveats=(Caveat.ORCON,)),
        ),
    },
    topic="c",
)
