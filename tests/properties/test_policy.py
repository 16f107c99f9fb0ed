"""What must hold of any policy: a forbid more never releases more, memory and classes change no answer.

Policies are drawn from the whole allowed subset, labels from all closed lists. The last test holds the
engine against a plain reading of the shipped rules.
"""

import json
import random
from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache

import cedarpy
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from broker.policy import Engine, Policy, load_policy
from broker.policy.asking import BATCH, PORTION_UID
from broker.policy.entities import AGENCY, CONTEXT, PORTION, Portion, attributes
from broker.policy.roster import Roster
from deploy.arrangements import SHIPPED, read_arrangement
from schemas.canonical import Domains
from schemas.codes import (
    AgencyRole,
    Caveat,
    HandlingCode,
    InformationGrade,
    PortionName,
    ProtectionGround,
    Purpose,
    SourceGrade,
    SpecialCategory,
    State,
    SubjectCategory,
    Tlp,
)
from schemas.directory import Agency, Community, Directory, Membership, Officer, Suspension, instant_ms
from schemas.gate import Surroundings, barred
from schemas.ids import AgencyId, CommunityId, Digest, OfficerId
from schemas.labels import Handling, Label, Routing
from schemas.records import KINDS, bears_persons
from schemas.verdicts import Effect
from tests.properties.g7_small_reading import Case, read

G7 = read_arrangement(SHIPPED / "g7-small")
DOMAINS = Domains("test")
ARRANGEMENT = Digest(b"\x02" * 32)
DAY_MS = 86_400_000
SPRING = datetime(2026, 4, 1, tzinfo=UTC)
AUTUMN = datetime(2026, 9, 1, tzinfo=UTC)
LONG = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

STATES = [State(code) for code in ("GB", "FR", "IT", "XA", "XB", "ZZ")]
ROLES = list(AgencyRole)
PORTIONS = [(kind, name) for kind, spec in KINDS.items() for name in spec.portions]
BY_NAME = [[portion for portion in PORTIONS if portion[1] == name] for name in PortionName]


def _agency(number: int) -> Agency:
    """Agencies of few sorts, so that classes of equals are large."""
    return Agency(
        id=AgencyId(f"gb-a{number:03d}"),
        name=f"Agency {number}",
        role=ROLES[number % 3],
        states=frozenset({STATES[number % 4]}),
        exposed_states=None if number % 7 == 0 else frozenset({STATES[number % 5]}),
        coordinating=number % 4 == 0,
    )


def _directory(size: int) -> Directory:
    agencies = tuple(_agency(n) for n in range(size))
    return Directory(
        agencies=agencies,
        officers=(
            Officer(id=OfficerId("gb-a001/o1"), posted_to=State("XA"), start=SPRING),
            Officer(id=OfficerId("gb-a002/o2"), host=AgencyId("gb-a003"), end=AUTUMN),
        ),
        communities=(
            Community(
                id=CommunityId("team"),
                name="Team",
                end=AUTUMN,
                members=tuple(Membership(agency=a.id) for a in agencies[::5]),
            ),
            Community(
                id=CommunityId("network"),
                name="Network",
                members=tuple(Membership(agency=a.id, start=SPRING) for a in agencies[1::2]),
            ),
        ),
        suspensions=(Suspension(agency=AgencyId("gb-a004"), start=SPRING, end=AUTUMN, reason="a test"),),
    )


SMALL, LARGE = _directory(12), _directory(150)


@cache
def load(text: str, directory_size: int = 12) -> Policy:
    return load_policy({"f.cedar": text}, G7.schema_text, SMALL if directory_size == 12 else LARGE)


def engine(policy: Policy, directory: Directory = SMALL, remembered: int | None = None) -> Engine:
    return Engine(DOMAINS, policy, directory, ARRANGEMENT, remembered)


# -- policies of the subset ----------------------------------------------------------------------------------

ATOMS = [
    "true",
    "false",
    "principal.suspended",
    "principal.coordinating",
    "principal.exposed_known",
    'principal.role == AgencyRole::"police"',
    '[AgencyRole::"police", AgencyRole::"border"].contains(principal.role)',
    "principal.role != resource.originator_role",
    "principal.states.containsAny(resource.origins)",
    "resource.origins.containsAll(principal.exposed_states)",
    'principal.exposed_states.contains(State::"XA")',
    'principal == Agency::"gb-a003"',
    'principal in [Agency::"gb-a001", Agency::"gb-a006"]',
    'principal in Community::"team"',
    "principal in resource.to_agencies",
    "principal in resource.to_communities",
    "principal in resource.to_officers_of",
    'resource.to_communities.contains(Community::"network")',
    'resource.originator == Agency::"gb-a000"',
    "resource.originator_states.containsAny(principal.states)",
    "resource.bears_persons",
    "resource.protected",
    "resource.protection_cleared",
    "resource.origins_known",
    'resource.name == PortionName::"base"',
    'resource.kind == Kind::"debrief"',
    'resource.tlp == Tlp::"RED"',
    '[Tlp::"GREEN", Tlp::"CLEAR"].contains(resource.tlp)',
    'resource.handling_codes.containsAny([HandlingCode::"H1", HandlingCode::"H2"])',
    'resource.source == SourceGrade::"A"',
    'resource.information != InformationGrade::"4"',
    "resource.purposes.isEmpty()",
    'resource.purposes.contains(Purpose::"return")',
    'resource.subjects.contains(SubjectCategory::"victim")',
    "resource.special.isEmpty()",
    'resource.caveats.containsAll([Caveat::"orcon"])',
    'resource.grounds.contains(ProtectionGround::"minor")',
    "principal has role",
    "context.at < resource.retain_until",
    "resource.retain_until <= context.at",
    'context.at >= datetime("2026-06-01")',
    'context.at == datetime("2026-06-01T00:00:00.001Z")',
    'resource.retain_until > datetime("2026-07-01")',
    "1 < 2",
]
SCOPES = [
    "principal",
    "principal is Agency",
    'principal == Agency::"gb-a005"',
    'principal in Community::"network"',
]

conditions = st.recursive(
    st.sampled_from(ATOMS),
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(lambda p: f"({p[0]} && {p[1]})"),
        st.tuples(inner, inner).map(lambda p: f"({p[0]} || {p[1]})"),
        inner.map(lambda c: f"!({c})"),
        st.tuples(inner, inner, inner).map(lambda p: f"(if {p[0]} then {p[1]} else {p[2]})"),
    ),
    max_leaves=6,
)


@st.composite
def rules(draw: st.DrawFn, effect: str | None = None) -> str:
    """A rule without its id."""
    does = effect or draw(st.sampled_from(["permit", "permit", "forbid"]))
    head = f'{does} ({draw(st.sampled_from(SCOPES))}, action == Action::"receive", resource)'
    return f"{head} {draw(st.sampled_from(['when', 'unless']))} {{ {draw(conditions)} }};"


def written(bodies: list[str]) -> str:
    return "\n".join(
        f'@id("rule-{n}") @reason("r") @legal_basis("l") {body}' for n, body in enumerate(bodies)
    )


policies = st.lists(rules(), min_size=1, max_size=6)


# -- questions -----------------------------------------------------------------------------------------------


def some(codes: type, most: int = 3) -> st.SearchStrategy[tuple[object, ...]]:
    return st.lists(st.sampled_from(list(codes)), max_size=most).map(tuple)  # type: ignore[call-overload]


INSTANTS = [
    instant_ms(datetime(2026, month, 1, tzinfo=UTC)) + offset
    for month in (2, 4, 6, 7, 9)
    for offset in (-1, 0, 1)
]
RETENTIONS = [INSTANTS[n] // DAY_MS + days for n in (1, 4, 7, 10, 13) for days in (0, 1)]
RECIPIENTS = [a.id for a in SMALL.agencies]

handlings = st.builds(
    Handling,
    tlp=st.sampled_from(Tlp),
    handling_codes=some(HandlingCode),
    source=st.sampled_from(SourceGrade),
    information=st.sampled_from(InformationGrade),
    purposes=some(Purpose),
    subjects=some(SubjectCategory, 2),
    special=some(SpecialCategory, 1),
    caveats=some(Caveat, 2),
    grounds=some(ProtectionGround, 1),
    protection_cleared=st.booleans(),
    origins=st.lists(st.sampled_from(STATES), max_size=2).map(tuple),
    retain_until=st.sampled_from(RETENTIONS),
)
routings = st.builds(
    Routing,
    agencies=st.lists(st.sampled_from(RECIPIENTS), max_size=4).map(tuple),
    communities=st.lists(st.sampled_from(["team", "network"]), max_size=2).map(tuple),
    officers=st.lists(st.sampled_from(["gb-a001/o1", "gb-a002/o2"]), max_size=2).map(tuple),
)


@dataclass(frozen=True)
class Question:
    originator: AgencyId
    kind: str
    portion: str
    label: Label
    record: Surroundings
    at_ms: int

    def put(self, asked: Engine) -> bytes:
        return self.ask(asked)[0]

    def ask(self, asked: Engine) -> tuple[bytes, dict[str, tuple[bool, Effect, tuple[str, ...]]]]:
        _, data, ruling = asked.rule(
            originator=self.originator,
            kind=self.kind,
            portion=self.portion,
            label=self.label,
            record=self.record,
            at_ms=self.at_ms,
        )
        return data, {v.recipient: (v.barred, v.effect, tuple(v.rules)) for v in ruling.verdicts}


#: A record in which no other portion matters.
ALONE = Surroundings(False, frozenset(), True)

records = st.builds(
    Surroundings, st.booleans(), st.frozensets(st.sampled_from(["XA", "XB", "ZZ"])), st.booleans()
)


@st.composite
def questions(draw: st.DrawFn) -> Question:
    kind, portion = draw(st.sampled_from(PORTIONS))
    return Question(
        draw(st.sampled_from(RECIPIENTS)),
        kind,
        portion,
        Label(draw(handlings), draw(routings)),
        draw(records),
        draw(st.sampled_from(INSTANTS)),
    )


def alone(
    policy: Policy, directory: Directory, question: Question
) -> dict[str, tuple[Effect, tuple[str, ...]]]:
    """Each recipient asked in a call of its own, with nobody else among the entities; no class, no memory."""
    everything = frozenset(AGENCY)
    roster = Roster(directory, question.at_ms, everything, everything)
    portion = Portion(
        directory.agency(question.originator),
        question.kind,
        question.portion,
        bears_persons(question.kind, question.portion),
        question.label.handling,
        question.label.routing,
        question.record,
    )
    resource = {"uid": PORTION_UID, "attrs": attributes(PORTION, PORTION, portion), "parents": []}
    found = {}
    for recipient in roster.recipients(question.originator, question.label):
        result = cedarpy.is_authorized(
            {
                "principal": {"type": "Agency", "id": recipient.agency},
                "action": 'Action::"receive"',
                "resource": PORTION_UID,
                "context": attributes(CONTEXT, CONTEXT, question.at_ms),
            },
            policy.handle,
            json.dumps([resource, recipient.entity()]),
            policy.schema.handle,
        )
        assert not result.diagnostics.errors
        reasons = tuple(sorted(result.diagnostics.reasons))
        effect = Effect.PERMIT if result.allowed else Effect.FORBID if reasons else Effect.NONE
        found[str(recipient.agency)] = (effect, reasons)
    return found


def released(asked: Engine, question: Question) -> set[str]:
    return {
        recipient
        for recipient, (shut, effect, _) in question.ask(asked)[1].items()
        if effect is Effect.PERMIT and not shut
    }


@given(bodies=policies, more=rules(effect="forbid"), asked=st.lists(questions(), min_size=1, max_size=8))
@settings(LONG, max_examples=60)
def test_a_forbid_more_never_releases_more(bodies: list[str], more: str, asked: list[Question]) -> None:
    before, after = engine(load(written(bodies))), engine(load(written([*bodies, more])))
    for question in asked:
        assert released(after, question) <= released(before, question)


@given(bodies=policies, asked=st.lists(questions(), min_size=2, max_size=10), order=st.randoms())
@settings(LONG, max_examples=60)
def test_a_ruling_s_bytes_do_not_depend_on_what_was_asked_before(
    bodies: list[str], asked: list[Question], order: random.Random
) -> None:
    policy = load(written(bodies))
    cold = {question: question.put(engine(policy)) for question in asked}
    for remembered in (None, 1, 3):
        warm = engine(policy, remembered=remembered)
        mixed = [*asked, *asked]
        order.shuffle(mixed)
        for question in mixed:
            assert question.put(warm) == cold[question]
        assert warm.stats.hits + warm.stats.misses == len(mixed)


@given(
    bodies=policies,
    base=questions(),
    others=st.lists(st.tuples(handlings, routings, st.sampled_from(INSTANTS)), min_size=3, max_size=12),
    pick=st.data(),
)
@settings(LONG, max_examples=60)
def test_labels_that_share_a_key_share_an_answer(
    bodies: list[str],
    base: Question,
    others: list[tuple[Handling, Routing, int]],
    pick: st.DataObject,
) -> None:
    """Near neighbours of one label, a field changed at a time: a key that forgets too much shows here."""
    policy = load(written(bodies))
    warm = engine(policy)
    fields = Handling.__struct_fields__
    for handling, routing, at_ms in others:
        field = pick.draw(st.sampled_from([*fields, "routing", "at_ms"]))
        values = {name: getattr(handling if name == field else base.label.handling, name) for name in fields}
        label = Label(Handling(**values), routing if field == "routing" else base.label.routing)
        near = replace(base, label=label, at_ms=at_ms if field == "at_ms" else base.at_ms)
        data, answers = near.ask(warm)
        assert data == near.put(engine(policy))
        assert {r: (effect, reasons) for r, (_, effect, reasons) in answers.items()} == alone(
            policy, SMALL, near
        )


@pytest.mark.parametrize(
    "condition, portion",
    [("true", "persons"), ('principal.exposed_states.contains(State::"XA")', "base")],
    ids=["by the gate", "by a rule"],
)
def test_the_posting_of_a_named_officer_is_never_forgotten(condition: str, portion: str) -> None:
    """The gate or a rule reads where the officer sits; nothing else in the label says so."""
    scope = '(principal == Agency::"gb-a001", action == Action::"receive", resource)'
    asked = engine(load(written([f"permit {scope} when {{ {condition} }};"])))
    victims = (SubjectCategory.VICTIM,)
    handling = Handling(
        Tlp.AMBER,
        (),
        SourceGrade.A,
        InformationGrade.ONE,
        (),
        victims,
        (),
        (),
        (),
        False,
        (State("XA"),),
        30_000,
    )
    answers = []
    for officers in ((), ("gb-a001/o1",), ()):
        label = Label(handling, Routing(("gb-a001",), (), officers))
        question = Question(AgencyId("gb-a003"), "debrief", portion, label, ALONE, INSTANTS[-1])
        answers.append(question.ask(asked)[1]["gb-a001"])
    assert answers[0] == answers[2] != answers[1]


@given(bodies=policies, question=questions())
@settings(LONG, max_examples=15)
def test_classes_of_recipients_answer_as_each_would_alone(bodies: list[str], question: Question) -> None:
    policy = load(written(bodies), 150)
    answers = question.ask(engine(policy, LARGE))[1]
    assert {r: (effect, reasons) for r, (_, effect, reasons) in answers.items()} == alone(
        policy, LARGE, question
    )
    bears = bears_persons(question.kind, question.portion)
    for recipient, (shut, _, _) in answers.items():
        officers = tuple(o for o in question.label.routing.officers if o.startswith(f"{recipient}/"))
        exposed = LARGE.exposed_states(recipient, question.at_ms, officers)
        assert shut is barred(bears, question.label.handling, exposed)


def test_more_recipients_than_a_batch_holds_are_all_answered() -> None:
    named = tuple(a.id for a in LARGE.agencies[: BATCH + 40])
    scope = '(principal, action == Action::"receive", resource)'
    policy = load(written([f"permit {scope} when {{ principal in resource.to_agencies }};"]), 150)
    handling = Handling(
        Tlp.GREEN, (), SourceGrade.A, InformationGrade.ONE, (), (), (), (), (), False, (), RETENTIONS[-1]
    )
    question = Question(
        LARGE.agencies[0].id,
        "boat_supply",
        "base",
        Label(handling, Routing(named, (), ())),
        ALONE,
        INSTANTS[0],
    )
    answers = question.ask(engine(policy, LARGE))[1]
    assert list(answers) == sorted(a.id for a in LARGE.agencies[1:])
    assert {r for r, (_, effect, _) in answers.items() if effect is Effect.PERMIT} == set(named[1:])


# -- the shipped rules against a plain reading of them -------------------------------------------------------


def drawn(source: random.Random) -> tuple[str, str, Label, int]:
    """A label of the kind that analysts write: mostly addressed, seldom marked."""

    def few(codes: type, chance: float) -> tuple[object, ...]:
        return tuple(c for c in list(codes) if source.random() < chance)  # type: ignore[call-overload]

    kind, portion = source.choice(source.choice(BY_NAME))
    at_ms = source.choice(
        [
            instant_ms(datetime(2026, 2, 14, tzinfo=UTC)),
            *[instant_ms(datetime(2026, 11, 24, 12, tzinfo=UTC))] * 6,
            instant_ms(datetime(2036, 1, 1, tzinfo=UTC)) - source.randrange(2),
        ]
    )
    handling = Handling(
        source.choice([Tlp.AMBER, Tlp.GREEN, *Tlp]),
        few(HandlingCode, 0.1),  # type: ignore[arg-type]
        source.choice(list(SourceGrade)),
        source.choice(list(InformationGrade)),
        few(Purpose, 0.35),  # type: ignore[arg-type]
        few(SubjectCategory, 0.2),  # type: ignore[arg-type]
        few(SpecialCategory, 0.02),  # type: ignore[arg-type]
        few(Caveat, 0.08),  # type: ignore[arg-type]
        few(ProtectionGround, 0.1),  # type: ignore[arg-type]
        source.random() < 0.5,
        tuple(s for s in STATES if source.random() < 0.2),
        at_ms // DAY_MS + source.choice([0, 1, 1, 30, 365, 365, 365]),
    )
    routing = Routing(
        tuple(a for a in G7.directory.agency_ids if source.random() < 0.55),
        tuple(c.id for c in G7.directory.communities if source.random() < 0.35),
        tuple(o.id for o in G7.directory.officers if source.random() < 0.2),
    )
    return kind, portion, Label(handling, routing), at_ms


def test_the_engine_agrees_with_a_plain_reading_of_g7_small() -> None:
    source = random.Random(20261124)
    asked = Engine(DOMAINS, G7.policy, G7.directory, ARRANGEMENT)
    effects: Counter[Effect] = Counter()
    decided: Counter[str] = Counter()
    for _ in range(3_000):
        kind, portion, label, at_ms = drawn(source)
        question = Question(source.choice(G7.directory.agency_ids), kind, portion, label, ALONE, at_ms)
        for recipient, (_, effect, reasons) in question.ask(asked)[1].items():
            case = Case(G7.directory, recipient, kind, portion, bears_persons(kind, portion), label, at_ms)
            assert (effect, reasons) == read(case), case
            effects[effect] += 1
            decided.update(reasons)
    assert asked.stats.errors == 0
    assert 0.3 < effects[Effect.PERMIT] / effects.total() < 0.6
    assert effects[Effect.NONE] > 100
    assert decided.keys() == set(G7.policy.rules)
    assert min(decided.values()) > 20
