"""Explanations against trying everything: of every kind, to every agency, and every change that there is."""

from collections.abc import Iterator
from functools import cache
from itertools import combinations, product

import pytest

from broker.policy import Engine
from broker.policy.arranged import engine_of
from broker.policy.drafted import DraftedRecord
from broker.policy.explain.edits import Change, relabelled, restated
from broker.policy.explain.explaining import Explained, explain, received
from broker.policy.explain.levers import ADDRESSING, GATE, SUSPENSION, Case, levers
from broker.policy.explain.parts import parts_of
from broker.policy.explain.turning import asked
from broker.policy.foreseeing import Portion, foresee, refusal
from broker.policy.reads import union
from deploy.arrangements import SHIPPED, read_arrangement
from deploy.cli.policy.explain import received_lines
from schemas.codes import PortionName
from schemas.directory import Directory, Suspension
from schemas.ids import AgencyId
from schemas.records import KINDS
from schemas.verdicts import Effect, Refused, Withheld
from tests.support.federation import NOW_MS

NCA, OLTIM, HSI = AgencyId("gb-nca"), AgencyId("fr-oltim"), AgencyId("us-hsi")


@cache
def engine() -> Engine:
    return engine_of(read_arrangement(SHIPPED / "g7"))


def record(kind: str, portions: dict[str, object], originator: str = NCA) -> DraftedRecord:
    return DraftedRecord.model_validate({"originator": originator, "kind": kind, "portions": portions})


def labelled(draft: DraftedRecord) -> tuple[Portion, ...]:
    return draft.labelled(engine().directory, NOW_MS)


def explained(draft: DraftedRecord, to: str, most_asked: int = 0, of: Engine | None = None) -> Explained:
    return explain(
        of or engine(), draft.originator, draft.kind, labelled(draft), AgencyId(to), NOW_MS, most_asked
    )


def withheld(of: Engine, draft: DraftedRecord, portions: tuple[Portion, ...], name: str, to: str) -> object:
    """What the ordinary preview says, `absent` where it says nothing of the agency."""
    assert refusal(of, draft.originator, draft.kind, portions, NOW_MS) is None
    for portion in foresee(of, draft.originator, draft.kind, portions, NOW_MS):
        for one in portion.outcomes:
            if (portion.name, one.recipient) == (name, to):
                return one.withheld
    return "absent"


PEOPLE: tuple[dict[str, object], ...] = (
    {"subjects": ["suspect"], "protection_cleared": True, "origins": ["XA"]},
    {"subjects": ["victim"], "origins": ["XA"]},
    {"subjects": ["other_party"], "grounds": ["minor", "seeking_protection"], "origins": ["ZZ"]},
    {"subjects": ["unknown"], "origins": ["XB", "CA"], "special": ["health"]},
)
ROUTES: tuple[list[str], ...] = (
    ["fr-oltim", "xa-np", "pf-social", "gb-bsc"],
    ["g7-liaison"],
    ["jit-channel", "us-hsi/liaison-xa"],
    ["expertise-network", "money-network"],
)
MARKS: tuple[dict[str, object], ...] = (
    {},
    {"tlp": "RED", "handling_codes": ["H1", "H2"]},
    {"tlp": "CLEAR", "purposes": ["return"], "caveats": ["orcon"]},
)


def records() -> Iterator[DraftedRecord]:
    """Some of every kind, with every portion in it."""
    for i, (kind, to, people, marks) in enumerate(product(KINDS, ROUTES, PEOPLE, MARKS)):
        if i % 5 == 0:
            portions = KINDS[kind].portions
            yield record(
                kind,
                {
                    name: {"to": to, **marks, **(people if spec.bears_persons else {})}
                    for name, spec in portions.items()
                },
                "de-bpol" if i % 2 else NCA,
            )


def test_the_outcome_is_the_one_that_is_foreseen() -> None:
    seen = set()
    for draft in [*records()][::3]:
        for portion in foresee(engine(), draft.originator, draft.kind, labelled(draft), NOW_MS):
            for one in portion.outcomes:
                told = explained(draft, one.recipient)
                mine = next(p for p in told.portions if p.name == portion.name)
                assert (mine.withheld, tuple(r.id for r in mine.rules)) == (one.withheld, one.rules)
                assert bool(mine.why) == (one.withheld not in (None, Withheld.FORBIDDEN))
                seen.add(one.withheld)
    assert seen == {None, *Withheld}


def test_a_permit_permits_exactly_where_all_of_its_parts_hold() -> None:
    parts = parts_of(engine().policy, engine().directory)
    telling = engine().over(engine().directory, parts.policy)
    permitted = 0
    for draft in [*records()][::3]:
        for portion, to in product(labelled(draft), engine().directory.agency_ids):
            if to == draft.originator:
                continue
            case = Case(
                engine().directory, draft.originator, draft.kind, labelled(draft), portion.name, to, NOW_MS
            )
            verdict = asked(engine(), case)
            lacking = parts.lacking(asked(telling, case))
            if verdict.effect is not Effect.FORBID:
                assert {rule for rule, left in lacking.items() if not left} == set(verdict.rules)
                permitted += verdict.effect is Effect.PERMIT
    assert permitted > 100


CASES = [
    (record("organised_group", {"base": {"to": ["g7-liaison"], "tlp": "RED"}}), "base", HSI),
    (record("organised_group", {"financial": {"to": ["jp-npa"]}}), "financial", "jp-npa"),
    (record("organised_group", {"sources": {"to": ["g7-liaison"], "caveats": ["orcon"]}}), "sources", HSI),
    (
        record("online_advert", {"referral": {"to": ["pf-social"], "purposes": ["detection"]}}),
        "referral",
        "pf-social",
    ),
    (record("boat_supply", {"base": {}}), "base", "al-asp"),
    (
        record(
            "return_case",
            {
                "base": {"to": ["xa-np"]},
                "persons": {"to": ["xa-np", "fr-oltim"], "subjects": ["victim"], "origins": ["XA"]},
            },
        ),
        "base",
        "xa-np",
    ),
    (
        record("debrief", {"persons": {"to": ["us-hsi"], "subjects": ["suspect"], "origins": ["CA"]}}),
        "persons",
        HSI,
    ),
    (
        record(
            "debrief", {"persons": {"to": ["us-hsi/liaison-xa"], "subjects": ["victim"], "origins": ["XA"]}}
        ),
        "persons",
        HSI,
    ),
]


@pytest.mark.parametrize("draft, name, to", CASES)
def test_each_change_turns_the_refusal_and_no_smaller_one_does(
    draft: DraftedRecord, name: str, to: str
) -> None:
    portions = labelled(draft)
    assert withheld(engine(), draft, portions, name, to) is not None
    told = next(p for p in explained(draft, to, 3000).portions if p.name == name)
    assert told.turns is not None
    assert told.turns.told
    assert not told.turns.stopped
    assert not told.turns.more
    answers = {
        frozenset(Change(c.portion, c.field, c.verb, (v,)) for c, v in zip(turn.changes, values, strict=True))
        for turn in told.turns.told
        for values in product(*(c.values for c in turn.changes))
    }
    for answer in answers:
        assert _turns(draft, name, to, answer)
    least = min(map(len, answers))
    everything = _every_lever(draft, name, to)
    for size in range(1, min(least, 2) + 1):
        made = {
            frozenset(some)
            for some in combinations(everything, size)
            if not any(a.excludes(b) for a, b in combinations(some, 2))
            and _turns(draft, name, to, frozenset(some))
        }
        assert made == {answer for answer in answers if len(answer) == size}


def _turns(draft: DraftedRecord, name: str, to: str, changes: frozenset[Change]) -> bool:
    """Whether an engine of its own releases the portion after the changes."""
    ordered = sorted(changes, key=lambda c: c.place)
    directory = restated(engine().directory, AgencyId(to), ordered)
    changed = engine() if directory is engine().directory else engine().over(directory)
    portions = relabelled(labelled(draft), ordered)
    if refusal(changed, draft.originator, draft.kind, portions, NOW_MS) is not None:
        return False
    case = Case(directory, draft.originator, draft.kind, portions, PortionName(name), AgencyId(to), NOW_MS)
    if len(changes) > 1 and asked(changed, case).effect is not Effect.PERMIT:
        return False  # a preview asks for everybody, and takes its time
    return withheld(changed, draft, portions, name, to) is None


def _every_lever(draft: DraftedRecord, name: str, to: str) -> list[Change]:
    """The changes that touch anything which any rule, the gate or addressing reads."""
    reads = union(engine().policy.reads, GATE, ADDRESSING, SUSPENSION)
    case = Case(
        engine().directory,
        draft.originator,
        draft.kind,
        labelled(draft),
        PortionName(name),
        AgencyId(to),
        NOW_MS,
    )
    return sorted(levers(case, reads), key=lambda c: c.place)


def test_who_is_suspended_is_told_so() -> None:
    directory = engine().directory
    suspended = engine().over(
        Directory(
            agencies=directory.agencies,
            officers=directory.officers,
            communities=directory.communities,
            suspensions=(Suspension(agency=HSI, reason="a test"),),
        )
    )
    (base,) = explained(record("boat_supply", {"base": {"to": ["us-hsi"]}}), HSI, 3000, suspended).portions
    assert (base.withheld, base.why.partition(",")[0]) == (Withheld.NOT_ADDRESSED, "us-hsi is suspended")
    assert base.turns is not None
    (turn,) = base.turns.told
    assert turn.changes == (Change(None, "suspended", turn.changes[0].verb, ("false",)),)


def test_what_nothing_turns_is_said() -> None:
    draft = record("return_case", {"persons": {"to": ["gb-bsc"], "subjects": ["victim"], "origins": ["ZZ"]}})
    (persons,) = explained(draft, "gb-bsc", 3000).portions
    assert persons.turns is not None
    assert (persons.turns.told, persons.turns.stopped) == ((), False)


def test_a_recipient_cannot_tell_withheld_from_refused_from_never_there() -> None:
    silent = told = refused = 0
    drafts = [*records()][::2]
    nothing = [*received_lines(received(None))]
    for draft in [*drafts, *map(expired, drafts[::10])]:
        for to in engine().directory.agency_ids:
            if to == draft.originator:
                continue
            found = explained(draft, to)
            refused += found.refused is Refused.EXPIRED
            came = {p.name for p in found.portions if p.withheld is None}
            assert set(received(found).portions) == came
            lines = [*received_lines(received(found))]
            assert (lines == nothing) == (not came)
            assert not [a for a in engine().directory.agency_ids for line in lines if a in line]
            told, silent = told + bool(came), silent + (not came)
            assert all(rule.effect is Effect.PERMIT for rule in received(found).rules)
    assert min(silent, told, refused) > 50


def expired(draft: DraftedRecord) -> DraftedRecord:
    portions = {
        name: {**label.model_dump(exclude_unset=True), "retain_until": "2020-01-01"}
        for name, label in draft.portions.items()
    }
    return DraftedRecord.model_validate(
        {"originator": draft.originator, "kind": draft.kind, "portions": portions}
    )
