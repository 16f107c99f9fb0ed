"""`online_advert`: an advert of a smuggling gang, and the referral that asks a platform to remove it.

The platform only ever gets the referral portion: what to remove and under which terms, and nothing
about who reported it or why it matters.
"""

from typing import Annotated, Literal

from pydantic import Field

from schemas.codes import Kind, PortionName
from schemas.model import Model
from schemas.records.kind import Instant, KindSpec, LongText, Person, PortionSpec, ShortText

Url = Annotated[str, Field(pattern=r"^https://[a-z0-9.-]+/[A-Za-z0-9/_.-]{1,200}$", max_length=300)]


class OnlineAdvertBase(Model):
    """What the advert offers and how it links to other intelligence."""

    summary: LongText
    language: Annotated[str, Field(pattern=r"^[a-z]{2}$")]
    price_eur: Annotated[int, Field(ge=0, le=1_000_000)]
    contact: Annotated[str, Field(pattern=r"^\+[1-9][0-9]{6,14}$")]
    """A telephone number in the form of ITU-T E.164."""
    seen_at: Instant


class OnlineAdvertReferral(Model):
    """What a platform needs to remove it."""

    url: Url
    account: ShortText
    terms_breached: Literal["human_smuggling", "fraud", "illegal_goods"]
    requested_action: Literal["remove", "suspend_account", "preserve_and_remove"]


class OnlineAdvertPersons(Model):
    """Who stands behind the account."""

    persons: Annotated[tuple[Person, ...], Field(min_length=1, max_length=20)]


ONLINE_ADVERT = KindSpec(
    Kind.ONLINE_ADVERT,
    {
        PortionName.BASE: PortionSpec(OnlineAdvertBase),
        PortionName.REFERRAL: PortionSpec(OnlineAdvertReferral),
        PortionName.PERSONS: PortionSpec(OnlineAdvertPersons, bears_persons=True),
    },
)
