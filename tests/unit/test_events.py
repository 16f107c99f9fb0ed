"""Notable events: each sentence on ledgers folded from real records, told once, and nothing of what they say."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from agencies.simulation.plan import planned_draft
from agencies.simulation.script import PortionHint
from deploy.stage.events import Chronicle, Event
from deploy.stage.sentences import counted, kind_in_words, listed, said_at
from schemas.clock import ManualClock
from schemas.codes import (
    Kind,
    PortionName,
    ProtectionGround,
    Purpose,
    SpecialCategory,
    State,
    SubjectCategory,
    Tlp,
)
from schemas.directory import Community, Membership, Suspension, instant_ms
from schemas.entropy import SeededEntropy
from schemas.ids import AgencyId, CommunityId
from tests.support.exercise import Exercise

XA = (State("XA"),)
BASE, PERSONS, REFERRAL, SOURCES = (
    PortionName.BASE,
    PortionName.PERSONS,
    PortionName.REFERRAL,
    PortionName.SOURCES,
)


def at(day: int, hour: int = 9, minute: int = 0) -> int:
    """An instant in June 2026, in milliseconds."""
    return instant_ms(datetime(2026, 6, day, hour, minute, tzinfo=UTC))


def texts(exercise: Exercise) -> list[str]:
    return [event.text for event in exercise.events()]


def return_case(exercise: Exercise, at_ms: int, to: str = "xa-np") -> None:
    exercise.publish(
        "gb-nca",
        at_ms,
        Kind.RETURN_CASE,
        PortionHint(name=BASE, to=(to,), tlp=Tlp.AMBER, purposes=(Purpose.RETURN,)),
        PortionHint(
            name=PERSONS,
            to=(to,),
            tlp=Tlp.AMBER,
            purposes=(Purpose.RETURN,),
            handling_codes=(),
            subjects=(SubjectCategory.OTHER_PARTY,),
            grounds=(ProtectionGround.SEEKING_PROTECTION,),
            origins=XA,
        ),
    )


def test_the_gate_is_told_at_the_first_case_and_in_all() -> None:
    exercise = Exercise()
    for minute in (14, 15, 16):
        return_case(exercise, at(1, 9, minute))
    events = exercise.events()
    assert str(events[0]) == (
        "Mon 1 June 09:14  xa-np got nothing of a return case of gb-nca: the protection gate, "
        "though a rule would have permitted it"
    )
    first, total = events
    assert not first.is_total
    assert total.is_total
    assert total.text == (
        "in all, xa-np got nothing of 3 return cases of gb-nca: the protection gate, "
        "though a rule would have permitted all of them"
    )


def test_a_platform_gets_the_referral_and_nothing_else() -> None:
    exercise = Exercise()
    for minute in range(2):
        exercise.publish(
            "fr-oltim",
            at(1, 10, minute),
            Kind.ONLINE_ADVERT,
            PortionHint(name=BASE, to=("gb-nca",)),
            PortionHint(
                name=REFERRAL, to=("pf-social",), tlp=Tlp.AMBER, purposes=(Purpose.TAKEDOWN,), caveats=()
            ),
        )
    assert texts(exercise) == [
        "in all, pf-social got the referral of 2 online adverts of fr-oltim, and nothing else of them"
    ]


def test_a_community_is_told_with_its_first_record() -> None:
    exercise = Exercise()
    for day in (2, 3, 4):  # the team exists from the third of June on
        exercise.publish(
            "it-pds", at(day), Kind.SMUGGLING_ROUTE, PortionHint(name=BASE, to=("jit-adriatic",))
        )
    begun, first = texts(exercise)
    assert (
        begun
        == "jit-adriatic begins: Joint investigation team Adriatic, of al-asp, at-bk, eu-europol and it-pds"
    )
    assert first == (
        "jit-adriatic: its first record, a smuggling route of it-pds, reaches members only: "
        "al-asp, at-bk and eu-europol"
    )


def test_an_officer_s_access_ends() -> None:
    exercise = Exercise()
    for hour in (11, 12, 13):
        exercise.publish(
            "it-pds", at(5, hour), Kind.SMUGGLING_ROUTE, PortionHint(name=BASE, to=("gb-nca/liaison-al",))
        )
    ended, first, total = exercise.events()
    assert str(ended) == (
        "Fri 5 June 12:00  the posting of gb-nca/liaison-al to AL ends: from now on nothing reaches gb-nca "
        "on that account"
    )
    assert first.at_ms == at(5, 12)
    assert first.text == (
        "gb-nca got nothing of a smuggling route of it-pds for its officer gb-nca/liaison-al, who was not posted "
        "at that time"
    )
    assert total.text.startswith("in all, gb-nca got nothing of 2 smuggling routes of it-pds")


def test_a_suspension_and_what_is_refused_meanwhile() -> None:
    exercise = Exercise()
    to_nca = PortionHint(name=BASE, to=("gb-nca",))
    exercise.publish("xb-np", at(5), Kind.SMUGGLING_ROUTE, to_nca)
    suspension = Suspension(
        agency=AgencyId("xb-np"),
        start=datetime(2026, 6, 6, tzinfo=UTC),
        end=datetime(2026, 6, 7, tzinfo=UTC),
        reason="a report was passed on",
    )
    exercise.change(exercise.directed(suspensions=(suspension,)))
    for hour in (8, 9):
        exercise.publish("xb-np", at(6, hour), Kind.SMUGGLING_ROUTE, to_nca)
    exercise.publish("xb-np", at(7), Kind.SMUGGLING_ROUTE, to_nca)
    assert [str(e) for e in exercise.events() if "posting" not in e.text] == [
        "Fri 5 June 09:00  version 1 holds in every lane",
        "Sat 6 June 00:00  xb-np is suspended: a report was passed on",
        "Sun 7 June 00:00  the suspension of xb-np ends",
        "Sun 7 June 09:00  in all, xb-np was suspended: 2 records of it are refused (originator_not_active)",
    ]


def test_a_version_that_somebody_else_tells_of_is_not_told_twice() -> None:
    exercise = Exercise()
    exercise.publish("it-pds", at(2), Kind.SMUGGLING_ROUTE, PortionHint(name=BASE, to=("gb-nca",)))
    members = tuple(Membership(agency=AgencyId(a)) for a in ("gb-nca", "de-bpol"))
    team = Community(
        id=CommunityId("jit-new"),
        name="Joint investigation team New",
        members=members,
        start=datetime(2026, 6, 1, tzinfo=UTC),
    )
    exercise.change(exercise.directed(communities=(*exercise.directory.communities, team)))
    seen = Chronicle(tells_versions=False)
    seen.feed(exercise.ledgers, exercise.history.versions)
    assert [e.text for e in seen.events] == [
        "jit-new begins: Joint investigation team New, of de-bpol and gb-nca"
    ]


def test_a_correction_replaces_what_agencies_hold() -> None:
    exercise = Exercise()
    first = exercise.publish(
        "gb-nca", at(1), Kind.SMUGGLING_ROUTE, PortionHint(name=BASE, to=("fr-oltim", "de-bpol", "us-hsi"))
    )
    exercise.publish(
        "gb-nca",
        at(2),
        Kind.SMUGGLING_ROUTE,
        PortionHint(name=BASE, to=("fr-oltim", "de-bpol", "jp-npa")),
        corrects=first,
    )
    assert texts(exercise) == [
        "a correction of gb-nca (smuggling route) replaced what 2 agencies hold; a copy of what was before stayed"
    ]


@pytest.mark.parametrize(
    ("hints", "what"),
    [
        ({"special": (SpecialCategory.HEALTH,)}, "special categories of personal data"),
        ({"retain_days": 0}, "what should have been erased by then"),
        ({"grounds": (ProtectionGround.MINOR,)}, "persons under protection"),
    ],
)
def test_what_a_rule_keeps_from_those_who_were_named(hints: dict[str, Any], what: str) -> None:
    exercise = Exercise()
    persons: dict[str, Any] = {
        "subjects": (SubjectCategory.OTHER_PARTY,),
        "origins": (State("VN"),),
        "purposes": (Purpose.INVESTIGATION,),
    }
    exercise.publish(
        "gb-nca", at(1), Kind.DEBRIEF, PortionHint(name=PERSONS, to=("jit-channel",), **{**persons, **hints})
    )
    who = "de-bpol, eu-europol, fr-oltim and gb-bf"
    assert texts(exercise) == [
        f"{who} did not get {what} in a debrief of gb-nca, though named: a rule forbids it"
    ]


def test_a_gap_is_an_alarm() -> None:
    exercise = Exercise()
    exercise.lose("gb-nca", 3)
    exercise.publish("gb-nca", at(1), Kind.SMUGGLING_ROUTE, PortionHint(name=BASE, to=("fr-oltim",)))
    assert texts(exercise) == ["alarm: records 1 to 3 of gb-nca were never seen"]


def busy(days: int) -> Exercise:
    """Every agency publishes seeded records, a few each day."""
    exercise = Exercise()
    for day in range(1, days + 1):
        for number, agency in enumerate(exercise.agencies):
            at_ms = at(day, 1 + number, 7)
            draft = planned_draft(
                agency, exercise.directory, 5, day, ManualClock(at_ms), SeededEntropy(b"kind")
            )
            exercise.publish(agency, at_ms, draft.kind, name=f"plan-{day}")
    return exercise


@pytest.fixture(scope="module")
def week() -> Exercise:
    return busy(7)


def test_there_are_not_too_many(week: Exercise) -> None:
    events = week.events()
    assert len(week.drafts) == 112
    assert 8 < len(events) <= 45


def test_they_are_the_same_however_the_ledgers_are_read(week: Exercise) -> None:
    """Fed with what was admitted until each midday, as a run in progress is read."""
    piecemeal = Chronicle()
    growing = {lane: type(ledger)(lane, [], ledger.rulings) for lane, ledger in week.ledgers.items()}
    for day in range(1, 9):
        for lane, ledger in week.ledgers.items():
            known = len(growing[lane].leaves)
            growing[lane].leaves += [
                leaf for leaf in ledger.leaves[known:] if getattr(leaf, "at_ms", 0) < at(day, 12)
            ]
        piecemeal.feed(growing, week.history.versions)
    piecemeal.finish()
    assert sorted(piecemeal.events, key=lambda e: e.at_ms) == list(week.events())
    assert piecemeal.published == dict.fromkeys(week.agencies, 7)


def test_nothing_of_what_a_record_says_is_told(week: Exercise) -> None:
    told = " ".join(texts(week))

    def strings(value: object) -> list[str]:
        if isinstance(value, dict):
            return [s for inner in value.values() for s in strings(inner)]
        if isinstance(value, list):
            return [s for inner in value for s in strings(inner)]
        return [value] if isinstance(value, str) and len(value) > 9 else []

    said = [
        s
        for draft in week.drafts
        for portion in draft.portions
        for s in strings(portion.content.model_dump(mode="json"))
    ]
    assert len(said) > 500
    codes = {"investigation", "confiscation", "sea_crossing"}
    assert not [s for s in said if s in told and s not in codes]


def test_withheld_and_published_are_counted_as_leaves_are_read(week: Exercise) -> None:
    seen = Chronicle()
    seen.feed(week.ledgers, week.history.versions)
    matrix = week.report().audited.counts.matrix
    for agency in week.agencies:
        assert seen.withheld[agency] == sum(f["withheld"] for (_, r), f in matrix.items() if r == agency)


def test_a_lane_waits_for_a_version_that_is_not_known_yet() -> None:
    exercise = Exercise()
    exercise.publish("it-pds", at(2), Kind.SMUGGLING_ROUTE, PortionHint(name=BASE, to=("gb-nca",)))
    early = dict(exercise.history.versions)
    suspension = Suspension(agency=AgencyId("xb-np"), reason="a report was passed on")
    exercise.change(exercise.directed(suspensions=(suspension,)))
    exercise.publish("xb-np", at(2, 10), Kind.SMUGGLING_ROUTE, PortionHint(name=BASE, to=("gb-nca",)))
    seen = Chronicle()
    seen.feed(exercise.ledgers, early)
    waited = seen.waiting, len(seen.events)
    seen.feed(exercise.ledgers, exercise.history.versions)
    assert (waited, seen.waiting) == ((True, 0), False)
    assert [e.text for e in seen.events] == [
        "version 1 holds in every lane",
        "xb-np is suspended: a report was passed on",
    ]


def test_what_is_told_beside_the_ledgers_stands_in_its_place() -> None:
    exercise = Exercise()
    return_case(exercise, at(1))
    return_case(exercise, at(3))
    told = Event(at(2), "SIGKILL broker; deliveries went on after 2.1 s")
    assert exercise.events(told)[1] == told


def test_an_instant_just_before_another_is_said_as_that_one() -> None:
    """A version is activated a millisecond before it holds."""
    assert said_at(at(5, 0) - 1) == "Fri 5 June 00:00"
    assert said_at(at(12, 9, 5) + int(timedelta(seconds=59).total_seconds() * 1000)) == "Fri 12 June 09:05"


def test_words() -> None:
    assert listed([]) == ""
    assert listed(["a"]) == "a"
    assert listed(["a", "b"]) == "a and b"
    assert listed("abcdef") == "a, b, c and 3 others"
    assert counted("debrief", 1) == "a debrief"
    assert counted("online advert", 1) == "an online advert"
    assert counted("record", 1234) == "1,234 records"
    assert {kind_in_words(kind, 2) for kind in Kind} >= {"return cases", "pieces of expertise", "debriefs"}
