"""`online_advert`: an advert of a smuggling gang, the referral that asks a platform to remove it, and its report.

- The platform only ever gets the referral portion: what to remove and under which terms, and nothing
  about who reported it or why it matters.
- Its answer is a record of this kind with the removal portion alone.
"""

from typing import Annotated, Literal

from pydantic import Field

from schemas.codes import Caveat, HandlingCode, Kind, PortionName, Purpose, Tlp
from schemas.model import Model
from schemas.records.fields import CaseReference, Instant, Language, LongText, Phone, ShortText, Url
from schemas.records.kind import KindSpec, Persons, PortionSpec, StartLabel
from schemas.records.particulars import Items


class OnlineAdvertBase(Model):
    """What the advert offers and how it links to other intelligence."""

    summary: LongText
    language: Language
    price_eur: Annotated[int, Field(ge=0, le=1_000_000)]
    contact: Phone
    goods: Items = ()
    """Boats and engines that it shows or sells."""
    seen_at: Instant


class OnlineAdvertReferral(Model):
    """What a platform needs to remove it."""

    url: Url
    account: ShortText
    terms_breached: Literal["human_smuggling", "fraud", "illegal_goods"]
    requested_action: Literal["remove", "suspend_account", "preserve_and_remove"]
    reference: CaseReference | None = None


class OnlineAdvertPersons(Model):
    """Who stands behind the account."""

    persons: Persons


class OnlineAdvertRemoval(Model):
    """What a platform did about an advert (Regulation (EU) 2022/2065 Art. 16(5): decision without undue delay)."""

    url: Url
    action: Literal[
        "removed", "account_suspended", "preserved_and_removed", "restricted", "not_found", "refused"
    ]
    reference: CaseReference | None = None
    """The reference of the referral that it answers."""
    detail: LongText
    acted_at: Instant


ONLINE_ADVERT = KindSpec(
    Kind.ONLINE_ADVERT,
    "Online advert",
    {
        PortionName.BASE: PortionSpec(
            OnlineAdvertBase,
            StartLabel(
                Tlp.AMBER, (Purpose.DETECTION, Purpose.INVESTIGATION), caveats=(Caveat.NO_PRIVATE_PARTY,)
            ),
        ),
        PortionName.REFERRAL: PortionSpec(
            OnlineAdvertReferral, StartLabel(Tlp.GREEN, (Purpose.TAKEDOWN,), retain_days=180)
        ),
        PortionName.PERSONS: PortionSpec(
            OnlineAdvertPersons,
            StartLabel(
                Tlp.AMBER_STRICT,
                (Purpose.INVESTIGATION,),
                (HandlingCode.H1,),
                (Caveat.LAW_ENFORCEMENT_ONLY, Caveat.NO_PRIVATE_PARTY),
            ),
            bears_persons=True,
        ),
        PortionName.REMOVAL: PortionSpec(
            OnlineAdvertRemoval,
            StartLabel(Tlp.GREEN, (Purpose.TAKEDOWN, Purpose.INVESTIGATION), retain_days=180),
        ),
    },
)
