"""`technical_information`: scientific and technological information useful to law enforcement.

UN Smuggling Protocol Art. 10(1)(f). Readings and tests, never whom they were taken from.
"""

from typing import Annotated, Literal

from pydantic import Field

from schemas.codes import Caveat, HandlingCode, Kind, PortionName, Purpose, Tlp
from schemas.model import Model
from schemas.records.fields import Instant, LongText, Serial, ShortText
from schemas.records.kind import KindSpec, PortionSpec, StartLabel
from schemas.records.particulars import Exhibits, Sources


class Reading(Model):
    """One property as it was measured, with its unit in the SI."""

    property: ShortText
    value: Annotated[float, Field(allow_inf_nan=False)]
    unit: Annotated[str, Field(min_length=1, max_length=20)]


class TechnicalInformationBase(Model):
    """A technique, a device or a trace, and what was measured."""

    summary: LongText
    field: Literal["detection", "document_examination", "engines_and_hulls", "phones", "drones", "messaging"]
    product: ShortText | None = None
    serial: Serial | None = None
    readings: Annotated[tuple[Reading, ...], Field(max_length=50)] = ()
    tested_at: Instant
    exhibits: Exhibits = ()
    """Plots, drawings, photographs of things; whatever shows a person stands in a portion that bears persons."""


class TechnicalInformationSources(Sources):
    """Which laboratory, by which method."""


TECHNICAL_INFORMATION = KindSpec(
    Kind.TECHNICAL_INFORMATION,
    "Technical information",
    {
        PortionName.BASE: PortionSpec(
            TechnicalInformationBase,
            StartLabel(Tlp.AMBER, (Purpose.DETECTION, Purpose.EXPERTISE), retain_days=1825),
        ),
        PortionName.SOURCES: PortionSpec(
            TechnicalInformationSources,
            StartLabel(Tlp.AMBER_STRICT, (Purpose.INVESTIGATION,), (HandlingCode.H2,), (Caveat.ORCON,)),
        ),
    },
    topic="f",
)
