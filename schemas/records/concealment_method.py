"""`concealment_method`: how people are hidden in vehicles, vessels and containers, and how that is found.

UN Smuggling Protocol Art. 10(1)(d). Vehicles by VIN (ISO 3779) or plate, containers by ISO 6346.
"""

from typing import Annotated, Literal

from pydantic import Field

from schemas.codes import Caveat, Kind, PortionName, Purpose, Tlp
from schemas.model import Model
from schemas.records.fields import Container, Instant, LongText, Plate, ShortText, Vin
from schemas.records.kind import KindSpec, PortionSpec, StartLabel
from schemas.records.particulars import Place, Sources


class ConcealmentMethodBase(Model):
    """The hide, and what found it."""

    summary: LongText
    carrier: Literal["lorry", "refrigerated_lorry", "van", "car", "train", "container", "vessel"]
    hide: ShortText
    """Where in the carrier."""
    capacity: Annotated[int, Field(ge=1, le=500)]
    found_by: Literal[
        "scanner", "carbon_dioxide_probe", "heartbeat_detector", "dog", "visual", "weighing", "not_found"
    ]
    danger: Literal["none_known", "suffocation", "cold", "heat", "crushing", "drowning"] = "none_known"
    container: Container | None = None
    vin: Vin | None = None
    plate: Plate | None = None
    place: Place
    seen_at: Instant


class ConcealmentMethodSources(Sources):
    """How the method became known."""


CONCEALMENT_METHOD = KindSpec(
    Kind.CONCEALMENT_METHOD,
    "Concealment method",
    {
        PortionName.BASE: PortionSpec(
            ConcealmentMethodBase,
            StartLabel(Tlp.AMBER, (Purpose.DETECTION, Purpose.PREVENTION, Purpose.PROTECTION)),
        ),
        PortionName.SOURCES: PortionSpec(
            ConcealmentMethodSources,
            StartLabel(Tlp.AMBER_STRICT, (Purpose.INVESTIGATION,), caveats=(Caveat.ORCON,)),
        ),
    },
    topic="d",
)
