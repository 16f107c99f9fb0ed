"""Gangs: who they are, how they advertise, and what is taken from them."""

from random import Random
from typing import Final

from agencies.simulation import numbers
from agencies.simulation.contents.writers import (
    BASE,
    FINANCIAL,
    PERSONS,
    REFERRAL,
    REMOVAL,
    SOURCES,
    Writers,
    accounts,
    euros,
    how,
    payments,
)
from agencies.simulation.places import places_of
from agencies.simulation.story import Story
from schemas.records.asset_seizure import Asset, AssetSeizureBase, AssetSeizureFinancial, AssetSeizurePersons
from schemas.records.online_advert import (
    OnlineAdvertBase,
    OnlineAdvertPersons,
    OnlineAdvertReferral,
    OnlineAdvertRemoval,
)
from schemas.records.organised_group import (
    OrganisedGroupBase,
    OrganisedGroupFinancial,
    OrganisedGroupPersons,
    OrganisedGroupSources,
)

_ACTIVITIES: Final = ("recruitment", "transport", "boats", "documents", "accommodation", "money", "adverts")
_COURTS: Final = {
    "GB": "Westminster Magistrates' Court",
    "FR": "Tribunal judiciaire de Lille",
    "IT": "Tribunale di Bari",
    "DE": "Amtsgericht Osnabrück",
    "AT": "Landesgericht für Strafsachen Wien",
    "AL": "Gjykata e Posaçme, Tiranë",
}


def organised_group(s: Story) -> Writers:
    def base(r: Random) -> OrganisedGroupBase:
        return OrganisedGroupBase(
            summary=s.text(r, "group"),
            name=s.gang.name,
            aliases=(s.gang.alias,),
            activities=tuple(r.sample(_ACTIVITIES, r.randrange(2, 5))),
            active_in=s.gang.states,
            size=s.gang.size,
            assessed_at=s.seen,
        )

    def financial(r: Random) -> OrganisedGroupFinancial:
        known = accounts(s, r)
        return OrganisedGroupFinancial(
            channel=r.choice(("bank", "money_transfer", "hawala", "cash_courier", "crypto_asset")),
            turnover=euros(r.randrange(200_000, 9_000_000, 10_000)),
            accounts=known,
            payments=payments(s, r, known),
            detail=s.text(r, "money"),
        )

    return {
        BASE: base,
        PERSONS: lambda r: OrganisedGroupPersons(persons=s.persons(r)),
        FINANCIAL: financial,
        SOURCES: lambda r: OrganisedGroupSources.model_validate(how(s, r)),
    }


def online_advert(s: Story) -> Writers:
    """The advert of the story; a removal report tells of the same address and the same referral."""

    def base(r: Random) -> OnlineAdvertBase:
        return OnlineAdvertBase(
            summary=s.text(r, "advert"),
            language=s.advert.language,
            price_eur=s.advert.price_eur,
            contact=s.phone.number if "phone" in s.linked else s.advert.contact,
            goods=(s.engine,),
            seen_at=s.seen,
        )

    def referral(r: Random) -> OnlineAdvertReferral:
        return OnlineAdvertReferral(
            url=s.advert.url,
            account=s.advert.account,
            terms_breached="human_smuggling",
            requested_action=r.choice(("remove", "suspend_account", "preserve_and_remove")),
            reference=s.advert.reference,
        )

    def removal(r: Random) -> OnlineAdvertRemoval:
        return OnlineAdvertRemoval(
            url=s.advert.url,
            action=r.choice(
                ("removed", "account_suspended", "preserved_and_removed", "preserved_and_removed")
            ),
            reference=s.advert.reference,
            detail=s.text(r, "removal", 1000),
            acted_at=s.seen,
        )

    return {
        BASE: base,
        REFERRAL: referral,
        PERSONS: lambda r: OnlineAdvertPersons(persons=s.persons(r)),
        REMOVAL: removal,
    }


def asset_seizure(s: Story) -> Writers:
    """The engine of the story is always among the things, so that it can be met in an advert or a consignment."""

    def base(r: Random) -> AssetSeizureBase:
        engine = Asset(
            what="outboard_engine",
            description=f"Outboard engine, {s.engine.maker}",
            value=euros(r.randrange(800, 9000, 100)),
            serial=s.engine.serial,
        )
        others = {
            "phone": Asset(
                what="phone", description="Telephone, switched on", value=euros(150), imei=s.phone.imei
            ),
            "vehicle": Asset(
                what="vehicle",
                description=s.vehicle.words.capitalize(),
                value=euros(r.randrange(2000, 40_000, 500)),
                vin=s.vehicle.vin,
                plate=s.vehicle.plate,
            ),
            "hull": Asset(
                what="boat",
                description=f"Inflatable hull, {s.hull.maker}",
                value=euros(r.randrange(900, 5000, 100)),
                serial=s.hull.serial,
                hin=s.hull.hin,
            ),
            "cash": Asset(
                what="cash", description="Notes, mixed", value=euros(r.randrange(2000, 90_000, 10))
            ),
            "flat": Asset(
                what="property",
                description="Flat of two rooms",
                value=euros(r.randrange(60_000, 400_000, 1000)),
            ),
        }
        taken = {*r.sample(list(others), r.randrange(1, 5)), *s.linked}
        return AssetSeizureBase(
            summary=s.text(r, "seizure"),
            measure=r.choice(("seizure", "seizure", "freezing", "confiscation")),
            authority=_COURTS.get(s.home, "Competent court"),
            reference=f"{s.home}-{s.now.year}/{numbers.digits(r, 5)}",
            assets=(engine, *(asset for sort, asset in others.items() if sort in taken)),
            place=r.choice(places_of(s.home)),
            seized_at=s.seen,
        )

    def financial(r: Random) -> AssetSeizureFinancial:
        known = accounts(s, r)
        return AssetSeizureFinancial(
            accounts=known, payments=payments(s, r, known), detail=s.text(r, "money")
        )

    return {
        BASE: base,
        FINANCIAL: financial,
        PERSONS: lambda r: AssetSeizurePersons(persons=s.persons(r)),
    }
