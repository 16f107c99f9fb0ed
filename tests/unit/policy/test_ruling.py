"""The engine's answers at its edges: unknown ids, errors in the rules, life and bounds of the memory."""

from dataclasses import replace

import cedarpy
import pytest

from broker.policy import Engine, Policy
from broker.policy.instants import LAST_MS
from broker.policy.schema import parse_schema
from schemas.canonical import Domains
from schemas.codes import InformationGrade, Purpose, SourceGrade, State, SubjectCategory, Tlp
from schemas.gate import surroundings
from schemas.ids import AgencyId, Digest
from schemas.labels import Handling, Label, Routing
from schemas.rulings import Ruling, parse_ruling, ruling_digest
from schemas.verdicts import Effect
from tests.unit.policy.small import DIRECTORY, SCHEMA, load, rule

DOMAINS = Domains("test")
ARRANGEMENT = Digest(b"\x07" * 32)
DAY_MS = 86_400_000
RETAIN_DAYS = 20_000

HANDLING = Handling(
    tlp=Tlp.AMBER,
    handling_codes=(),
    source=SourceGrade.A,
    information=InformationGrade.ONE,
    purposes=(Purpose.INVESTIGATION,),
    subjects=(SubjectCategory.VICTIM,),
    special=(),
    caveats=(),
    grounds=(),
    protection_cleared=False,
    origins=(State("XA"),),
    retain_until=RETAIN_DAYS,
)
LABEL = Label(HANDLING, Routing(("fr-oltim",), (), ()))
NOW = RETAIN_DAYS * DAY_MS - 10 * DAY_MS


def engine(policy: Policy, remembered: int | None = None) -> Engine:
    return Engine(DOMAINS, policy, DIRECTORY, ARRANGEMENT, remembered)


def ask(
    asked: Engine,
    label: Label = LABEL,
    kind: str = "boat_supply",
    portion: str = "base",
    originator: str = "gb-nca",
    at_ms: int = NOW,
) -> Ruling:
    digest, data, ruling = asked.rule(
        originator=AgencyId(originator),
        kind=kind,
        portion=portion,
        label=label,
        record=surroundings([(True, label.handling)]),
        at_ms=at_ms,
    )
    assert parse_ruling(data) == ruling
    assert ruling_digest(DOMAINS, data) == digest
    return ruling


def outcomes(ruling: Ruling) -> list[tuple[str, bool, Effect, tuple[str, ...]]]:
    return [(v.recipient, v.barred, v.effect, tuple(v.rules)) for v in ruling.verdicts]


def test_a_permit_a_forbid_and_nothing() -> None:
    text = rule('principal == Agency::"fr-oltim"') + rule("resource.protected", "forbid").replace(
        "the-rule", "not-so"
    )
    asked = engine(load(text))
    assert outcomes(ask(asked)) == [("fr-oltim", False, Effect.PERMIT, ("the-rule",))]
    # Both agencies declare no exposed states, so the gate bars them from persons of whatever origin.
    assert outcomes(ask(asked, portion="persons")) == [("fr-oltim", True, Effect.FORBID, ("not-so",))]
    assert outcomes(ask(asked, originator="fr-oltim")) == [("gb-nca", False, Effect.NONE, ())]
    assert asked.stats.errors == 0


@pytest.mark.parametrize(
    "unknown",
    [
        {"kind": "boat_suply"},
        {"portion": "referral"},
        {"originator": "gb-nobody"},
        {"label": Label(HANDLING, Routing(("fr-nobody",), (), ()))},
        {"label": Label(HANDLING, Routing((), ("teem",), ()))},
        {"label": Label(HANDLING, Routing((), (), ("gb-nca/nobody",)))},
    ],
)
def test_an_unknown_id_is_denied_even_where_everything_is_permitted(unknown: dict[str, object]) -> None:
    asked = engine(load(rule("true")))
    ruling = ask(asked, **unknown)  # type: ignore[arg-type]
    assert {v.effect for v in ruling.verdicts} == {Effect.FORBID}
    assert {v.rules for v in ruling.verdicts} == {()}
    assert asked.stats.errors == 1
    assert {v.effect for v in ask(asked).verdicts} == {Effect.PERMIT}


def test_what_may_name_persons_is_barred_when_its_kind_is_unknown() -> None:
    assert all(v.barred for v in ask(engine(load(rule("true"))), kind="unheard_of").verdicts)


def broken(policy: Policy, forbid: str) -> Policy:
    """The policy with a forbid that the loader would never let in, asked by Cedar all the same."""
    text = f'@id("the-forbid") forbid (principal, action, resource) when {{ {forbid} }};'
    nodes = cedarpy.PolicySet.from_str(text).to_pst().static_policies
    merged = policy.handle.to_pst()
    (node,) = nodes.values()
    together = replace(
        merged,
        static_policies=cedarpy.pst.FrozenMap(
            {**merged.static_policies, "the-forbid": replace(node, id="the-forbid")}
        ),
    )
    return replace(policy, handle=cedarpy.PolicySet.from_pst(together))


@pytest.mark.parametrize(
    "forbid", ["9223372036854775807 + 1 == 0", "resource.nowhere", "context.nothing == 1"]
)
def test_an_error_in_a_rule_denies_where_cedar_would_allow(forbid: str) -> None:
    policy = broken(load(rule("true")), forbid)
    asked = engine(policy)
    assert outcomes(ask(asked)) == [("fr-oltim", False, Effect.FORBID, ())]
    assert asked.stats.errors == 1


def test_no_decision_denies() -> None:
    """A schema whose context wants what is never sent: Cedar then decides nothing."""
    policy = load(rule("true"))
    other = cedarpy.Schema.from_str(SCHEMA.replace("at: datetime }", "at: datetime, mood: Bool }"))
    asked = engine(replace(policy, schema=replace(parse_schema(SCHEMA), handle=other)))
    assert outcomes(ask(asked)) == [("fr-oltim", False, Effect.FORBID, ())]


@pytest.mark.parametrize("attribute", ["coordinating", "bears_persons"])
def test_what_the_schema_refuses_is_denied_though_all_is_permitted(attribute: str) -> None:
    """An agency, or a portion, with an attribute of another type than the schema's."""
    policy = load(rule("true"))
    other = cedarpy.Schema.from_str(SCHEMA.replace(f"{attribute}: Bool", f"{attribute}: Long"))
    asked = engine(replace(policy, schema=replace(parse_schema(SCHEMA), handle=other)))
    assert outcomes(ask(asked)) == [("fr-oltim", False, Effect.FORBID, ())]
    assert asked.stats.errors == 1


def test_a_reason_that_is_no_rule_of_ours_denies() -> None:
    policy = load(rule("true"))
    asked = engine(replace(policy, rules={}))
    assert outcomes(ask(asked)) == [("fr-oltim", False, Effect.FORBID, ())]


def test_an_admission_time_out_of_range_is_not_decided() -> None:
    asked = engine(load(rule("true")))
    ask(asked)
    with pytest.raises(ValueError, match="outside years 1 to 9999"):
        ask(asked, at_ms=LAST_MS + 1)


def test_a_retention_date_out_of_range_is_denied_and_spoils_no_other_answer() -> None:
    far = Label(replace_handling(retain_until=10**9), LABEL.routing)
    for first, second in ((LABEL, far), (far, LABEL)):
        asked = engine(load(rule("context.at < resource.retain_until")))
        found = {label is far: ask(asked, label).verdicts[0].effect for label in (first, second)}
        assert found == {False: Effect.PERMIT, True: Effect.FORBID}


def replace_handling(**fields: object) -> Handling:
    values = {name: getattr(HANDLING, name) for name in Handling.__struct_fields__}
    return Handling(**{**values, **fields})


@pytest.mark.parametrize(
    "condition, turns",
    [
        ("context.at < resource.retain_until", {-1: True, 0: False, 1: False}),
        ("context.at <= resource.retain_until", {-1: True, 0: True, 1: False}),
        ("context.at > resource.retain_until", {-1: False, 0: False, 1: True}),
        ("context.at >= resource.retain_until", {-1: False, 0: True, 1: True}),
        ("context.at == resource.retain_until", {-1: False, 0: True, 1: False}),
        ("context.at != resource.retain_until", {-1: True, 0: False, 1: True}),
        ("resource.retain_until > context.at", {-1: True, 0: False, 1: False}),
        ("resource.retain_until <= context.at", {-1: False, 0: True, 1: True}),
    ],
)
def test_a_remembered_ruling_ends_where_a_comparison_turns(condition: str, turns: dict[int, bool]) -> None:
    asked = engine(load(rule(condition)))
    end = RETAIN_DAYS * DAY_MS
    for _ in range(2):
        for offset, permitted in [*turns.items(), *reversed(turns.items())]:
            effect = ask(asked, at_ms=end + offset).verdicts[0].effect
            assert (effect is Effect.PERMIT) is permitted, offset
    assert asked.stats.misses == 2


def test_labels_that_differ_in_nothing_that_is_read_share_a_ruling() -> None:
    asked = engine(load(rule('resource.tlp == Tlp::"AMBER" && context.at < resource.retain_until')))
    first = ask(asked)
    other = Label(
        replace_handling(retain_until=RETAIN_DAYS + 5, source=SourceGrade.X), Routing((), ("team",), ())
    )
    assert ask(asked, other) is first
    assert (asked.stats.hits, asked.stats.misses) == (1, 1)
    assert ask(asked, Label(replace_handling(tlp=Tlp.RED), LABEL.routing)) is not first
    assert asked.stats.hit_rate == pytest.approx(1 / 3)


def test_both_memories_are_bounded() -> None:
    asked = engine(load(rule('resource.tlp == Tlp::"AMBER"')), remembered=3)
    for days in range(50):
        ask(asked, Label(replace_handling(retain_until=days, tlp=list(Tlp)[days % 5]), LABEL.routing))
    assert len(asked._by_label._entries) == 3
    assert len(asked._by_key._entries) == 3
