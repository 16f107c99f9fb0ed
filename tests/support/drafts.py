"""Small drafts with the labels that a test asks for, instead of those of a plan."""

from collections.abc import Sequence
from datetime import UTC, datetime

from agencies.drafting import Draft, DraftPortion
from schemas.clock import DAY_S, ManualClock
from schemas.codes import (
    InformationGrade,
    Kind,
    PortionName,
    ProtectionGround,
    Purpose,
    SourceGrade,
    State,
    SubjectCategory,
    Tlp,
)
from schemas.entropy import SeededEntropy
from schemas.ids import RecordId, new_record_id
from schemas.labels import Handling, Label, Routing
from schemas.model import Model
from schemas.records.boat_supply import BoatSupplyBase, BoatSupplyPersons, BoatSupplySources
from schemas.records.kind import Person
from schemas.records.particulars import Item
from tests.support.federation import NOW_MS

AT = datetime.fromtimestamp(NOW_MS // 1000, UTC)


def handling(
    *,
    tlp: Tlp = Tlp.GREEN,
    subjects: Sequence[SubjectCategory] = (),
    grounds: Sequence[ProtectionGround] = (),
    origins: Sequence[str] = (),
    cleared: bool = False,
    retain_until: int = NOW_MS // (DAY_S * 1000) + 90,
) -> Handling:
    """A label that few rules object to, but for what is given."""
    return Handling(
        tlp,
        (),
        SourceGrade.B,
        InformationGrade.TWO,
        (Purpose.DETECTION, Purpose.INVESTIGATION, Purpose.PREVENTION),
        tuple(subjects),
        (),
        (),
        tuple(grounds),
        cleared,
        tuple(State(o) for o in origins),
        retain_until,
    )


def label(*agencies: str, by: Handling | None = None, officers: Sequence[str] = ()) -> Label:
    return Label(by or handling(), Routing(tuple(sorted(agencies)), (), tuple(officers)))


def base(summary: str = "Twelve hulls in one container") -> BoatSupplyBase:
    item = Item(what="hull", maker="Example Marine", serial="HULL-0001", count=12)
    return BoatSupplyBase(
        summary=summary, items=(item,), consignment="ABCU1234560", warehouse="Unit 4", seen_at=AT
    )


def sources(detail: str = "Routine check of manifests") -> BoatSupplySources:
    return BoatSupplySources(method="customs data", detail=detail)


def persons(name: str = "Arben Esempio") -> BoatSupplyPersons:
    return BoatSupplyPersons(persons=(Person(name=name, role="consignee"),))


def record_id(seed: object) -> RecordId:
    return new_record_id(ManualClock(NOW_MS), SeededEntropy(f"id {seed}".encode()))


def draft(
    seed: object,
    *portions: tuple[PortionName, Model, Label],
    revision: int = 1,
    created_s: int = NOW_MS // 1000,
) -> Draft:
    """A `boat_supply` record; the seed gives its id."""
    made = tuple(DraftPortion(*p) for p in portions)
    return Draft(record_id(seed), Kind.BOAT_SUPPLY, created_s, made, revision)


def plain(seed: object, *to: str, summary: str = "Twelve hulls in one container", revision: int = 1) -> Draft:
    """A record of one portion, about goods, for the agencies given."""
    return draft(seed, (PortionName.BASE, base(summary), label(*to)), revision=revision)
