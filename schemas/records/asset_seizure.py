"""`asset_seizure`: what was seized, frozen or confiscated from smugglers, and where their money went.

UN Convention against Transnational Organized Crime Arts. 12-14; Directive (EU) 2024/1260. The base is about things,
by the numbers that they bear; money and persons are portions of their own.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from schemas.codes import Caveat, HandlingCode, Kind, PortionName, Purpose, Tlp
from schemas.model import Model
from schemas.records.fields import CaseReference, Hin, Imei, Instant, LongText, Plate, Serial, ShortText, Vin
from schemas.records.kind import KindSpec, Persons, PortionSpec, StartLabel
from schemas.records.particulars import Accounts, Money, Payments, Place


class Asset(Model):
    """One thing, its value as estimated, and the number that it bears."""

    what: Literal[
        "cash",
        "account_balance",
        "crypto_asset",
        "vehicle",
        "boat",
        "outboard_engine",
        "phone",
        "jewellery",
        "property",
    ]
    description: ShortText
    value: Money
    serial: Serial | None = None
    imei: Imei | None = None
    hin: Hin | None = None
    vin: Vin | None = None
    plate: Plate | None = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        for number, what in (("imei", "phone"), ("hin", "boat"), ("vin", "vehicle"), ("plate", "vehicle")):
            if getattr(self, number) is not None and self.what != what:
                raise ValueError(f"expected {number} with a {what} only")
        return self


class AssetSeizureBase(Model):
    """The things, the measure and its authority."""

    summary: LongText
    measure: Literal["seizure", "freezing", "confiscation", "non_conviction_based_confiscation"]
    authority: ShortText
    reference: CaseReference
    assets: Annotated[tuple[Asset, ...], Field(min_length=1, max_length=100)]
    place: Place
    seized_at: Instant


class AssetSeizureFinancial(Model):
    """Accounts and payments behind the assets. Holders stand with the persons."""

    accounts: Accounts
    payments: Payments = ()
    detail: LongText


class AssetSeizurePersons(Model):
    """Owners, holders and who had the things with them."""

    persons: Persons


ASSET_SEIZURE = KindSpec(
    Kind.ASSET_SEIZURE,
    "Asset seizure",
    {
        PortionName.BASE: PortionSpec(
            AssetSeizureBase,
            StartLabel(Tlp.AMBER, (Purpose.INVESTIGATION, Purpose.CONFISCATION), retain_days=1095),
        ),
        PortionName.FINANCIAL: PortionSpec(
            AssetSeizureFinancial,
            StartLabel(
                Tlp.AMBER_STRICT,
                (Purpose.CONFISCATION, Purpose.INVESTIGATION),
                (HandlingCode.H1,),
                (Caveat.LAW_ENFORCEMENT_ONLY,),
                1095,
            ),
        ),
        PortionName.PERSONS: PortionSpec(
            AssetSeizurePersons,
            StartLabel(
                Tlp.AMBER_STRICT,
                (Purpose.CONFISCATION, Purpose.PROSECUTION),
                (HandlingCode.H1,),
                (Caveat.LAW_ENFORCEMENT_ONLY,),
            ),
            bears_persons=True,
        ),
    },
)
