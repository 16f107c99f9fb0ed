"""Means and ways: routes, documents, hides, boats, and what is known of them as expertise and technique."""

from random import Random
from typing import Final

from agencies.simulation import numbers
from agencies.simulation.contents.writers import (
    BASE,
    FINANCIAL,
    PERSONS,
    SOURCES,
    Writers,
    accounts,
    euros,
    how,
    payments,
)
from agencies.simulation.story import Story
from agencies.simulation.world import Hop
from schemas.records.boat_supply import (
    BoatSupplyBase,
    BoatSupplyFinancial,
    BoatSupplyPersons,
    BoatSupplySources,
)
from schemas.records.concealment_method import ConcealmentMethodBase, ConcealmentMethodSources
from schemas.records.expertise import ExpertiseBase
from schemas.records.particulars import Item
from schemas.records.smuggling_route import Leg, SmugglingRouteBase, SmugglingRouteSources
from schemas.records.technical_information import (
    Reading,
    TechnicalInformationBase,
    TechnicalInformationSources,
)
from schemas.records.travel_document import TravelDocumentBase, TravelDocumentPersons, TravelDocumentSources

_FEATURES: Final = (
    "lamination lifts at the lower corner",
    "fibres are printed, not laid in",
    "perforation of the number does not taper",
    "paper is bright under ultraviolet light",
    "certificate of the chip is of another series",
)
_LESSONS: Final = (
    "Name one rule and one post in each referral.",
    "Agree on the form before the order is needed.",
    "Keep engines; serials match later.",
    "Ask for the interpreter's home town.",
    "Freeze first, and search on the same morning.",
)


def smuggling_route(s: Story) -> Writers:
    """A route of the world; the ship where a leg is by ship, and on the first one where the act links it."""

    def leg(at: int, hop: Hop) -> Leg:
        shipped = hop.transport == "cargo_ship" or ("vessel" in s.linked and at == 0)
        driven = hop.transport in {"car", "lorry"} and not shipped
        return Leg(
            embarkation=hop.start,
            destination=hop.end,
            transport="cargo_ship" if shipped else hop.transport,
            carrier=s.vessel.name if shipped else None,
            imo=s.vessel.imo if shipped else None,
            plate=s.vehicle.plate if driven else None,
            fare=euros(hop.fare_eur),
        )

    def base(r: Random) -> SmugglingRouteBase:
        return SmugglingRouteBase(
            summary=s.text(r, "route"),
            legs=tuple(leg(at, hop) for at, hop in enumerate(s.route)),
            passengers=r.randrange(4, 70),
            group=s.gang.name,
            observed_at=s.seen,
        )

    return {BASE: base, SOURCES: lambda r: SmugglingRouteSources.model_validate(how(s, r))}


def travel_document(s: Story) -> Writers:
    def base(r: Random) -> TravelDocumentBase:
        fault = r.choice(("counterfeit", "altered", "stolen_blank", "fraudulently_obtained", "impostor"))
        blanks = r.randrange(1, 6) if fault == "stolen_blank" else 0
        return TravelDocumentBase(
            summary=s.text(r, "document"),
            type=r.choice(("passport", "identity_card", "residence_permit", "visa", "seafarer_document")),
            issuer=r.choice(s.route).start.state,
            fault=fault,
            features=tuple(r.sample(_FEATURES, r.randrange(1, 4))),
            blanks=tuple(f"Z9B{numbers.digits(r, 6)}" for _ in range(blanks)),
            detected_at=s.seen,
        )

    return {
        BASE: base,
        PERSONS: lambda r: TravelDocumentPersons(persons=s.persons(r)),
        SOURCES: lambda r: TravelDocumentSources.model_validate(how(s, r)),
    }


def concealment_method(s: Story) -> Writers:
    def base(r: Random) -> ConcealmentMethodBase:
        carrier = r.choice(("lorry", "refrigerated_lorry", "van", "car", "container"))
        carrier = "container" if "container" in s.linked else "van" if "vehicle" in s.linked else carrier
        boxed = carrier == "container"
        return ConcealmentMethodBase(
            summary=s.text(r, "concealment"),
            carrier=carrier,
            hide=r.choice(
                ("false wall in the load space", "space above the axle", "between pallets", "under a floor")
            ),
            capacity=r.randrange(1, 25),
            found_by=r.choice(
                ("scanner", "carbon_dioxide_probe", "heartbeat_detector", "dog", "visual", "weighing")
            ),
            danger=r.choice(("none_known", "suffocation", "cold", "heat", "crushing")),
            container=s.container if boxed else None,
            vin=None if boxed else s.vehicle.vin,
            plate=None if boxed else s.vehicle.plate,
            place=s.route[-1].start,
            seen_at=s.seen,
        )

    return {BASE: base, SOURCES: lambda r: ConcealmentMethodSources.model_validate(how(s, r))}


def expertise(s: Story) -> Writers:
    def base(r: Random) -> ExpertiseBase:
        subject = r.choice(
            ("legislation", "seizure_and_confiscation", "investigation", "prevention", "takedown")
        )
        return ExpertiseBase(
            title=f"{subject.replace('_', ' ').capitalize()}: what we learnt",
            summary=s.text(r, "expertise"),
            subject=subject,
            jurisdiction=s.home,
            lessons=tuple(r.sample(_LESSONS, r.randrange(1, 4))),
            language="en",
            issued_at=s.seen,
        )

    return {BASE: base}


def technical_information(s: Story) -> Writers:
    def base(r: Random) -> TechnicalInformationBase:
        readings = (
            Reading(property="carbon dioxide at the door", value=r.randrange(420, 2000), unit="ppm"),
            Reading(property="weight of the hull", value=r.randrange(60, 180), unit="kg"),
            Reading(property="load at which the transom failed", value=r.randrange(300, 1500), unit="N"),
        )
        return TechnicalInformationBase(
            summary=s.text(r, "technical"),
            field=r.choice(("detection", "document_examination", "engines_and_hulls", "phones", "drones")),
            product=f"outboard engine, {s.engine.maker}",
            serial=s.engine.serial,
            readings=tuple(r.sample(readings, r.randrange(1, 4))),
            tested_at=s.seen,
        )

    return {BASE: base, SOURCES: lambda r: TechnicalInformationSources.model_validate(how(s, r))}


def boat_supply(s: Story) -> Writers:
    """The engine and the hull of the story, and what goes with them."""

    def base(r: Random) -> BoatSupplyBase:
        others = tuple(
            Item(what=what, maker=s.hull.maker, serial=numbers.serial(r, "LT"), count=r.randrange(2, 60))
            for what in r.sample(("life_jacket", "fuel_can", "pump"), r.randrange(3))
        )
        return BoatSupplyBase(
            summary=s.text(r, "boats"),
            items=(s.engine, s.hull, *others),
            consignment=s.container,
            warehouse=s.warehouse[0],
            seen_at=s.seen,
        )

    def financial(r: Random) -> BoatSupplyFinancial:
        known = accounts(s, r)
        return BoatSupplyFinancial(
            accounts=known, payments=payments(s, r, known), detail=s.text(r, "money", 1500)
        )

    return {
        BASE: base,
        SOURCES: lambda r: BoatSupplySources.model_validate(how(s, r)),
        PERSONS: lambda r: BoatSupplyPersons(persons=s.persons(r)),
        FINANCIAL: financial,
    }
