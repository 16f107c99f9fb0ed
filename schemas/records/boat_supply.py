"""`boat_supply`: the supply chain of small boats - hulls, engines, consignments, consignees.

UN Smuggling Protocol Art. 10(1)(a) and (d). The base is about goods; who sells and receives them is a
portion of its own and bears persons; what was paid, and how it became known, are others.
"""

from typing import Annotated

from pydantic import Field

from schemas.codes import Caveat, HandlingCode, Kind, PortionName, Purpose, Tlp
from schemas.model import Model
from schemas.records.fields import Container, Instant, LongText, ShortText
from schemas.records.kind import KindSpec, Persons, PortionSpec, StartLabel
from schemas.records.particulars import Accounts, Item, Payments, Sources


class BoatSupplyBase(Model):
    """The goods and their way."""

    summary: LongText
    items: Annotated[tuple[Item, ...], Field(min_length=1, max_length=50)]
    consignment: Container
    warehouse: ShortText
    seen_at: Instant


class BoatSupplySources(Sources):
    """How it became known."""


class BoatSupplyPersons(Model):
    """Sellers, drivers, consignees."""

    persons: Persons


class BoatSupplyFinancial(Model):
    """What was paid for the goods, from where to where. Holders stand with the persons."""

    accounts: Accounts
    payments: Payments = ()
    detail: LongText


BOAT_SUPPLY = KindSpec(
    Kind.BOAT_SUPPLY,
    "Boat supply",
    {
        PortionName.BASE: PortionSpec(
            BoatSupplyBase,
            StartLabel(Tlp.AMBER, (Purpose.DETECTION, Purpose.INVESTIGATION, Purpose.PREVENTION)),
        ),
        PortionName.SOURCES: PortionSpec(
            BoatSupplySources,
            StartLabel(Tlp.AMBER_STRICT, (Purpose.INVESTIGATION,), caveats=(Caveat.ORCON,)),
        ),
        PortionName.PERSONS: PortionSpec(
            BoatSupplyPersons,
            StartLabel(
                Tlp.AMBER, (Purpose.INVESTIGATION,), (HandlingCode.H1,), (Caveat.LAW_ENFORCEMENT_ONLY,)
            ),
            bears_persons=True,
        ),
        PortionName.FINANCIAL: PortionSpec(
            BoatSupplyFinancial,
            StartLabel(
                Tlp.AMBER_STRICT,
                (Purpose.INVESTIGATION, Purpose.CONFISCATION),
                (HandlingCode.H1,),
                (Caveat.LAW_ENFORCEMENT_ONLY,),
            ),
        ),
    },
    topic="a",
)
