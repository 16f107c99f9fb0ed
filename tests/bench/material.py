"""What is sealed: records of three portions whose content is exactly 1 KiB, and windows as an outbox cuts them."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from agencies.drafting import Draft, DraftPortion, check
from agencies.outbox import _WINDOW_BYTES as WINDOW_BYTES
from agencies.sealing import ClosedRecord, Sealer, content_bytes
from broker.admission import SourceMessage
from schemas.clock import SystemClock
from schemas.codes import (
    HandlingCode,
    InformationGrade,
    Kind,
    PortionName,
    Purpose,
    SourceGrade,
    State,
    SubjectCategory,
    Tlp,
)
from schemas.directory import Directory
from schemas.entropy import SystemEntropy
from schemas.ids import AgencyId, new_record_id
from schemas.labels import Handling, Label, Routing, ordered, retain_until
from schemas.merkle import BATCH_LEAVES
from schemas.records.boat_supply import BoatSupplyBase, BoatSupplyPersons, BoatSupplySources
from schemas.records.kind import Person
from schemas.records.particulars import Item
from tests.bench.members import NOW_MS

CONTENT = 1024
RECIPIENTS = 12
"""What goals are set for."""

_SEEN_AT = datetime.fromtimestamp(NOW_MS // 1000 - 86_400, UTC)
_TEXT = "Consignment observed at dusk, hulls unmarked, engines crated, cash paid in two parts. " * 40
_clock, _entropy = SystemClock(), SystemEntropy()


def partners(directory: Directory, originator: AgencyId) -> list[AgencyId]:
    """The originator's law-enforcement partners: to whom the rules permit all three portions."""
    return [a for a in directory.agency_ids if directory.agency(a).role == "police" and a != originator]


def _base(filler: str) -> BoatSupplyBase:
    item = Item(what="outboard_engine", maker="Nordmar", serial="A123456-01", count=12)
    return BoatSupplyBase(
        summary=filler, items=(item,), consignment="ABCU1234560", warehouse="Depot 12", seen_at=_SEEN_AT
    )


def _sources(filler: str) -> BoatSupplySources:
    return BoatSupplySources(method="surveillance", detail=filler)


def _persons(filler: str) -> BoatSupplyPersons:
    person = Person(name="Hana Beispiel", born="1990-05-17", nationality="XB", role="consignee", note=filler)
    return BoatSupplyPersons(persons=(person,))


def _handling(*, persons: bool) -> Handling:
    return Handling(
        Tlp.AMBER,
        (HandlingCode.H0,),
        SourceGrade.B,
        InformationGrade.TWO,
        ordered([Purpose.DETECTION, Purpose.INVESTIGATION]),
        (SubjectCategory.SUSPECT,) if persons else (),
        (),
        (),
        (),
        persons,
        (State("XB"),) if persons else (),
        retain_until(NOW_MS, 365),
    )


def record(directory: Directory, originator: AgencyId, recipients: int | None = None) -> Draft:
    """A `boat_supply` record for the first so many law-enforcement partners, or for all; every portion of it."""
    routing = Routing(ordered(partners(directory, originator)[:recipients]), (), ())
    portions = []
    for name, make in (
        (PortionName.BASE, _base),
        (PortionName.SOURCES, _sources),
        (PortionName.PERSONS, _persons),
    ):
        missing = CONTENT - len(content_bytes(make("x"))) + 1
        content = make(_TEXT[:missing])
        assert len(content_bytes(content)) == CONTENT
        portions.append(
            DraftPortion(name, content, Label(_handling(persons=name is PortionName.PERSONS), routing))
        )
    draft = Draft(new_record_id(_clock, _entropy), Kind.BOAT_SUPPLY, NOW_MS // 1000, tuple(portions))
    check(draft, directory)
    return draft


def windows(sealer: Sealer, drafts: Sequence[Draft], first: int) -> Iterator[tuple[bytes, int]]:
    """The drafts as parcels, each as full as an outbox makes it, with the number of its records."""
    closed, size = list[ClosedRecord](), 0
    for at, draft in enumerate(drafts, first):
        one = sealer.close_record(draft, at)
        if closed and (len(closed) == BATCH_LEAVES or size + one.size > WINDOW_BYTES):
            yield sealer.seal_window(closed, (), closed[0].sequence), len(closed)
            closed, size = [], 0
        closed.append(one)
        size += one.size
    if closed:
        yield sealer.seal_window(closed, (), closed[0].sequence), len(closed)


def message(value: bytes, offset: int) -> SourceMessage:
    """A submission as a shard reads it, appended one second after its records were made."""
    return SourceMessage(offset, NOW_MS + 1000, value, bare=True)
