"""`organised_group`: a group known to smuggle migrants - how it is built and works, who belongs to it, its money.

UN Smuggling Protocol Art. 10(1)(b). The base knows the group by its names; members stand in a portion of their own.
"""

from typing import Annotated, Literal

from pydantic import Field

from schemas.codes import Caveat, HandlingCode, Kind, PortionName, Purpose, State, Tlp
from schemas.model import Model
from schemas.records.fields import Instant, LongText, ShortText
from schemas.records.kind import KindSpec, Persons, PortionSpec, StartLabel
from schemas.records.particulars import Accounts, Money, Payments, Sources

Activity = Literal[
    "recruitment", "transport", "boats", "documents", "accommodation", "money", "adverts", "corruption"
]


class OrganisedGroupBase(Model):
    """What the group is and does."""

    summary: LongText
    name: ShortText
    aliases: Annotated[tuple[ShortText, ...], Field(max_length=20)] = ()
    activities: Annotated[tuple[Activity, ...], Field(min_length=1, max_length=8)]
    active_in: Annotated[tuple[State, ...], Field(min_length=1, max_length=50)]
    size: Annotated[int, Field(ge=3, le=10_000)] | None = None
    """Members, as estimated; a structured group has three or more (UN Convention, Art. 2(a))."""
    assessed_at: Instant


class OrganisedGroupPersons(Model):
    """Leaders, members and who helps them."""

    persons: Persons


class OrganisedGroupFinancial(Model):
    """Accounts and payments. Holders stand with the persons."""

    channel: Literal["bank", "money_transfer", "hawala", "cash_courier", "crypto_asset", "prepaid_card"]
    turnover: Money | None = None
    """In a year, as estimated."""
    accounts: Accounts
    payments: Payments = ()
    detail: LongText


class OrganisedGroupSources(Sources):
    """How the group became known."""


ORGANISED_GROUP = KindSpec(
    Kind.ORGANISED_GROUP,
    "Organised group",
    {
        PortionName.BASE: PortionSpec(
            OrganisedGroupBase,
            StartLabel(Tlp.AMBER, (Purpose.INVESTIGATION, Purpose.PREVENTION), retain_days=1095),
        ),
        PortionName.PERSONS: PortionSpec(
            OrganisedGroupPersons,
            StartLabel(
                Tlp.AMBER_STRICT,
                (Purpose.INVESTIGATION, Purpose.PROSECUTION),
                (HandlingCode.H1,),
                (Caveat.LAW_ENFORCEMENT_ONLY,),
            ),
            bears_persons=True,
        ),
        PortionName.FINANCIAL: PortionSpec(
            OrganisedGroupFinancial,
            StartLabel(
                Tlp.AMBER_STRICT,
                (Purpose.INVESTIGATION, Purpose.CONFISCATION),
                (HandlingCode.H1,),
                (Caveat.LAW_ENFORCEMENT_ONLY,),
            ),
        ),
        PortionName.SOURCES: PortionSpec(
            OrganisedGroupSources,
            StartLabel(Tlp.AMBER_STRICT, (Purpose.INVESTIGATION,), caveats=(Caveat.ORCON,)),
        ),
    },
    topic="b",
)
