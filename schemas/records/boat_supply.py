"""`boat_supply`: the supply chain of small boats - hulls, engines, consignments, consignees.

UN Smuggling Protocol Art. 10(1)(a) and (d). The base is about goods; who sells and receives them is a
portion of its own and bears persons; how it became known is another.
"""

from typing import Annotated, Literal

from pydantic import Field

from schemas.codes import Kind, PortionName
from schemas.model import Model
from schemas.records.kind import Instant, KindSpec, LongText, Person, PortionSpec, ShortText


class Item(Model):
    """Goods of one type in a consignment."""

    what: Literal["hull", "outboard_engine", "life_jacket", "fuel_can", "pump"]
    maker: ShortText
    serial: Annotated[str, Field(pattern=r"^[A-Z0-9][A-Z0-9-]{3,24}$")]
    count: Annotated[int, Field(ge=1, le=10_000)]


class BoatSupplyBase(Model):
    """The goods and their way."""

    summary: LongText
    items: Annotated[tuple[Item, ...], Field(min_length=1, max_length=50)]
    consignment: Annotated[str, Field(pattern=r"^[A-Z]{4}[0-9]{7}$")]
    """Container number in the form of ISO 6346."""
    warehouse: ShortText
    seen_at: Instant


class BoatSupplySources(Model):
    """How it became known."""

    method: ShortText
    detail: LongText


class BoatSupplyPersons(Model):
    """Sellers, drivers, consignees."""

    persons: Annotated[tuple[Person, ...], Field(min_length=1, max_length=20)]


BOAT_SUPPLY = KindSpec(
    Kind.BOAT_SUPPLY,
    {
        PortionName.BASE: PortionSpec(BoatSupplyBase),
        PortionName.SOURCES: PortionSpec(BoatSupplySources),
        PortionName.PERSONS: PortionSpec(BoatSupplyPersons, bears_persons=True),
    },
)
