"""Officer x portion: a restriction more never shows more, and no label, clearance or name opens the gate."""

from dataclasses import replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, TypeVar

from hypothesis import assume, given
from hypothesis import strategies as st

from agencies.access import Denied, Employment, Held, Reader, decide
from schemas.clearance import Clearance
from schemas.codes import (
    HandlingCode,
    InformationGrade,
    ProtectionGround,
    Purpose,
    SourceGrade,
    SpecialCategory,
    State,
    SubjectCategory,
    Tlp,
)
from schemas.directory import Agency, Directory, Interval, Officer, Suspension
from schemas.ids import AgencyId, OfficerId
from schemas.labels import Handling, ordered
from schemas.records import KINDS

_Code = TypeVar("_Code", bound=StrEnum)

DAY_MS = 86_400_000
NOW_MS = 20_000 * DAY_MS
AGENCIES = ("gb-nca", "fr-oltim", "it-pds", "xa-np")
STATES = ("GB", "FR", "IT", "XA", "XB", "ZZ")
OFFICERS = ("gb-nca/one", "gb-nca/posted", "fr-oltim/one", "it-pds/hosted", "xa-np/hosted")


def _sets(codes: type[_Code]) -> st.SearchStrategy[frozenset[_Code]]:
    return st.frozensets(st.sampled_from(codes), max_size=3)


def _instants() -> st.SearchStrategy[datetime]:
    return st.integers(-3, 3).map(lambda d: datetime.fromtimestamp((NOW_MS + d * DAY_MS) / 1000, UTC))


@st.composite
def intervals(draw: st.DrawFn) -> Interval:
    start, end = draw(st.none() | _instants()), draw(st.none() | _instants())
    assume(start is None or end is None or start < end)
    return Interval(start=start, end=end)


clearances = st.builds(
    Clearance,
    tlp=st.sampled_from([*Tlp, Tlp.RED]),
    handling_codes=_sets(HandlingCode) | st.just(frozenset(HandlingCode)),
    special=_sets(SpecialCategory) | st.just(frozenset(SpecialCategory)),
)


@st.composite
def officers(draw: st.DrawFn, officer: str) -> Officer:
    span = draw(intervals())
    host = draw(st.sampled_from([None, *AGENCIES]))
    state = draw(st.sampled_from([None, *map(State, STATES[:5])]))
    return Officer(
        id=OfficerId(officer),
        host=None if host is None else AgencyId(host),
        posted_to=state,
        start=span.start,
        end=span.end,
        clearance=draw(st.none() | clearances),
    )


@st.composite
def directories(draw: st.DrawFn) -> Directory:
    agencies = tuple(
        Agency.model_validate(
            {
                "id": a,
                "name": a,
                "role": "police",
                "states": draw(st.sampled_from([[a[:2].upper()], []])) if a != "gb-nca" else ["GB"],
                "exposed_states": draw(st.sampled_from([[], [], None, ["XB"]])),
            }
        )
        for a in AGENCIES
    )
    named = draw(st.lists(st.sampled_from(OFFICERS), unique=True, max_size=3))
    suspended = draw(st.lists(st.sampled_from(AGENCIES), unique=True, max_size=1))
    return Directory(
        agencies=agencies,
        officers=tuple(draw(officers(o)) for o in named),
        suspensions=tuple(Suspension(agency=AgencyId(a), reason="r") for a in suspended),
    )


@st.composite
def labels(draw: st.DrawFn) -> Handling:
    return Handling(
        draw(st.sampled_from(Tlp)),
        ordered(draw(_sets(HandlingCode))),
        SourceGrade.A,
        InformationGrade.ONE,
        ordered(draw(st.frozensets(st.sampled_from(Purpose), min_size=1))),
        ordered(draw(_sets(SubjectCategory))),
        ordered(draw(_sets(SpecialCategory))),
        (),
        ordered(draw(st.frozensets(st.sampled_from(ProtectionGround), max_size=1))),
        draw(st.booleans()),
        ordered(draw(st.frozensets(st.sampled_from([State(s) for s in STATES]), max_size=2))),
        draw(st.integers(19_998, 20_002)),
    )


@st.composite
def portions(draw: st.DrawFn) -> Held:
    kind = draw(st.sampled_from(["boat_supply", "debrief", "travel_document"]))
    name = draw(st.sampled_from(sorted(KINDS[kind].portions)))
    named = draw(st.lists(st.sampled_from(OFFICERS), unique=True, max_size=2))
    return Held(AgencyId("de-bpol"), b"r" * 16, b"m" * 32, kind, name, draw(labels()), tuple(named))


@st.composite
def readers(draw: st.DrawFn) -> Reader:
    employed = draw(st.none() | st.builds(Employment, intervals(), st.none() | clearances))
    return Reader(
        OfficerId(draw(st.sampled_from(OFFICERS))), AgencyId(draw(st.sampled_from(AGENCIES))), employed
    )


def restricted_label(draw: st.DrawFn, portion: Held) -> Held:
    """One restriction more on a portion."""
    handling = portion.handling
    assert handling is not None
    if draw(st.booleans()):
        others = [o for o in OFFICERS if o not in portion.officers]
        fewer = tuple(portion.officers[1:]) if len(portion.officers) > 1 else portion.officers
        return replace(portion, officers=fewer or tuple(others[:1]))
    handling = draw(
        st.sampled_from(
            [
                replace_(handling, tlp=Tlp.RED),
                replace_(handling, handling_codes=ordered(HandlingCode)),
                replace_(handling, special=ordered(SpecialCategory)),
                replace_(handling, purposes=handling.purposes[1:]),
                replace_(handling, retain_until=handling.retain_until - 3),
                replace_(handling, protection_cleared=False),
                replace_(handling, grounds=ordered(ProtectionGround)),
                replace_(handling, origins=ordered([*handling.origins, State("ZZ")])),
            ]
        )
    )
    return replace(portion, handling=handling)


def replace_(handling: Handling, **changed: object) -> Handling:
    fields = {f: getattr(handling, f) for f in handling.__struct_fields__}
    return Handling(**{**fields, **changed})


@st.composite
def restrictions(draw: st.DrawFn) -> tuple[tuple[Reader, Held, Directory], tuple[Reader, Held, Directory]]:
    """The same question twice, the second time with one restriction more."""
    reader, portion, directory = draw(readers()), draw(portions()), draw(directories())
    where = draw(st.sampled_from(["label", "employment", "directory"]))
    after_reader, after_portion, after = reader, portion, directory
    if where == "label":
        after_portion = restricted_label(draw, portion)
    elif where == "employment":
        less = None
        if reader.employment is not None and reader.employment.clearance is not None:
            held = reader.employment.clearance
            smaller = held.model_copy(update={"tlp": Tlp.CLEAR})
            without = held.model_copy(update={"handling_codes": frozenset(), "special": frozenset()})
            start, now = reader.employment.during.start, datetime.fromtimestamp(NOW_MS / 1000, UTC)
            ended = [
                replace(reader.employment, during=Interval(start=start, end=now))
                for _ in range(start is None or start < now)
            ]
            less = draw(
                st.sampled_from(
                    [
                        None,
                        replace(reader.employment, clearance=None),
                        replace(reader.employment, clearance=smaller),
                        replace(reader.employment, clearance=without),
                        *ended,
                    ]
                )
            )
        after_reader = replace(reader, employment=less)
    else:
        suspension = Suspension(agency=AgencyId(draw(st.sampled_from(AGENCIES))), reason="more")
        stripped = tuple(o.model_copy(update={"clearance": None}) for o in directory.officers)
        unknown = tuple(a.model_copy(update={"exposed_states": None}) for a in directory.agencies)
        change: dict[str, Any] = draw(
            st.sampled_from(
                [
                    {"suspensions": (*directory.suspensions, suspension)},
                    {"officers": stripped},
                    {"agencies": unknown},
                ]
            )
        )
        after = Directory.model_validate(directory.model_copy(update=change).model_dump())
    return (reader, portion, directory), (after_reader, after_portion, after)


@given(restrictions(), st.sampled_from(Purpose))
def test_a_restriction_more_never_shows_more(
    pair: tuple[tuple[Reader, Held, Directory], tuple[Reader, Held, Directory]], purpose: Purpose
) -> None:
    (reader, portion, directory), (reader_2, portion_2, directory_2) = pair
    if decide(reader, portion, purpose, directory, NOW_MS) is not None:
        assert decide(reader_2, portion_2, purpose, directory_2, NOW_MS) is not None


def seen_from(reader: Reader, directory: Directory) -> set[str]:
    """Written anew: the states to which an officer carries what they see, by home, host and posting."""
    home = reader.officer.split("/")[0]
    states = {str(s) for a in directory.agencies if a.id == home for s in a.states}
    for o in directory.officers:
        if o.id == reader.officer and o.holds(NOW_MS):
            states |= {str(o.posted_to)} if o.posted_to else set()
            states |= {str(s) for a in directory.agencies if a.id == o.host for s in a.states}
    return states


@given(st.data(), directories(), readers(), labels(), st.sampled_from(Purpose))
def test_the_gate_never_opens_for_a_barred_state(
    data: st.DataObject, directory: Directory, reader: Reader, label: Handling, purpose: Purpose
) -> None:
    shut = [(), (State("ZZ"),), *((State(s),) for s in sorted(seen_from(reader, directory)))]
    origins = data.draw(st.sampled_from(shut))
    label = replace_(label, origins=ordered([*origins, *(label.origins if origins else ())]))
    if data.draw(st.booleans()):
        label = replace_(label, protection_cleared=False)
    else:
        label = replace_(label, subjects=(SubjectCategory.SUSPECT, SubjectCategory.VICTIM))
    everything = Clearance(
        tlp=Tlp.RED, handling_codes=frozenset(HandlingCode), special=frozenset(SpecialCategory)
    )
    best = replace(reader, employment=Employment(Interval(), everything))
    for who in (reader, best):
        for named in ((), (who.officer,)):
            portion = Held(AgencyId("de-bpol"), b"r" * 16, b"m" * 32, "boat_supply", "persons", label, named)
            assert decide(who, portion, purpose, directory, NOW_MS) is Denied.GATE


@given(directories(), readers(), portions(), st.sampled_from(Purpose))
def test_whoever_is_shown_something_is_posted_cleared_and_named(
    directory: Directory, reader: Reader, portion: Held, purpose: Purpose
) -> None:
    if decide(reader, portion, purpose, directory, NOW_MS) is not None:
        return
    handling, home = portion.handling, reader.officer.split("/")[0]
    assert handling is not None
    assert purpose in handling.purposes
    assert handling.retain_until * DAY_MS + DAY_MS > NOW_MS
    assert not portion.officers or reader.officer in portion.officers
    assert not {s.agency for s in directory.suspensions} & {home, reader.agency}
    posting = [o for o in directory.officers if o.id == reader.officer]
    assert all(o.holds(NOW_MS) for o in posting)
    if home == reader.agency:
        assert reader.employment is not None
        assert reader.employment.clearance is not None
    else:
        assert [o.host for o in posting] == [reader.agency]
        assert posting[0].clearance is not None
