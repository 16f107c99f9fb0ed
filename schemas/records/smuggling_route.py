"""`smuggling_route`: where people are embarked and landed, over which legs, by which carriers and means.

UN Smuggling Protocol Art. 10(1)(a). It names no person: a group stands in it by its name only.
"""

from typing import Annotated

from pydantic import Field

from schemas.codes import Caveat, Kind, PortionName, Purpose, Tlp
from schemas.model import Model
from schemas.records.fields import Imo, Instant, LongText, Plate, ShortText, Transport
from schemas.records.kind import KindSpec, PortionSpec, StartLabel
from schemas.records.particulars import Money, Place, Sources


class Leg(Model):
    """One part of the route, and what it costs a passenger."""

    embarkation: Place
    destination: Place
    transport: Transport
    carrier: ShortText | None = None
    imo: Imo | None = None
    plate: Plate | None = None
    fare: Money | None = None


class SmugglingRouteBase(Model):
    """The route, leg by leg."""

    summary: LongText
    legs: Annotated[tuple[Leg, ...], Field(min_length=1, max_length=20)]
    passengers: Annotated[int, Field(ge=1, le=5000)] | None = None
    """Passengers of one trip, as estimated."""
    group: ShortText | None = None
    observed_at: Instant


class SmugglingRouteSources(Sources):
    """How the route became known."""


SMUGGLING_ROUTE = KindSpec(
    Kind.SMUGGLING_ROUTE,
    "Smuggling route",
    {
        PortionName.BASE: PortionSpec(
            SmugglingRouteBase,
            StartLabel(Tlp.AMBER, (Purpose.PREVENTION, Purpose.DETECTION, Purpose.INVESTIGATION)),
        ),
        PortionName.SOURCES: PortionSpec(
            SmugglingRouteSources,
            StartLabel(Tlp.AMBER_STRICT, (Purpose.INVESTIGATION,), caveats=(Caveat.ORCON,)),
        ),
    },
    topic="a",
)
