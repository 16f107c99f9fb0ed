"""Proofs, changes and lint on small rules: what holds, what does not with a record that shows it, and what is idle."""

import pytest

from broker.policy import Policy, PolicyError
from broker.policy.proof.changes import Changes, Side, changes
from broker.policy.proof.invariants import load_invariants
from broker.policy.proof.lint import Smell, lint
from broker.policy.proof.prove import GATE, Proved, prove
from schemas.codes import AgencyRole, State
from schemas.directory import Agency, Directory, Suspension
from schemas.ids import AgencyId
from schemas.lined_yaml import YamlError
from schemas.records import KINDS, bears_persons
from schemas.verdicts import Withheld
from tests.unit.policy.small import DIRECTORY, load, rule

AT_MS = 1_780_531_200_000
POLICE = 'principal.role == AgencyRole::"police"'
PLATFORM = 'principal.role == AgencyRole::"platform"'


def policy(*rules: str) -> Policy:
    """Rules `rule-1`, `rule-2`, in their order."""
    return load("".join(text.replace("the-rule", f"rule-{n}") for n, text in enumerate(rules, 1)))


def proved(rules: Policy, *invariants: tuple[str, str]) -> Proved:
    """Invariants `one`, `two`, each a promise and a condition."""
    written = "invariants:\n"
    for name, (promise, condition) in zip(("one", "two"), invariants, strict=False):
        written += f"  - id: inv-{name}\n    says: It is so.\n    {promise}: '{condition}'\n"
    found = load_invariants(written, rules.schema, DIRECTORY, "i.yaml") if invariants else {}
    return prove(rules, DIRECTORY, found, AT_MS)


# -- prove -------------------------------------------------------------------------------------------------------


def test_the_gate_holds_under_a_rule_that_permits_everything_and_is_seen_to_be_all_that_does() -> None:
    found = proved(policy(rule("true")))
    assert [(proof.id, proof.holds) for proof in found.proofs] == [(GATE, True)]
    assert found.gate_alone is not None
    assert found.gate_alone.decided.withheld is Withheld.GATE


def test_where_the_rules_keep_the_gate_shut_themselves_it_is_not_alone() -> None:
    found = proved(policy(rule("true"), rule("resource.protected", "forbid")))
    assert found.hold
    assert found.gate_alone is None


def test_a_promise_that_is_broken_is_shown_by_a_record_that_cedar_releases() -> None:
    found = proved(policy(rule(POLICE)), ("never", f"{POLICE} && resource.bears_persons"))
    (broken,) = [proof for proof in found.proofs if not proof.holds]
    assert broken.against is not None
    witness, decided = broken.against.witness, broken.against.decided
    assert (decided.withheld, decided.rules) == (None, ("rule-1",))
    assert decided.recipient == witness.recipient.id
    assert witness.recipient.role is AgencyRole.POLICE
    assert witness.as_today
    assert witness.at_ms == AT_MS
    document = witness.document()
    assert document["portion"] in document["record"]["portions"]  # type: ignore[index]


def test_a_witness_may_be_an_agency_that_no_directory_has_yet() -> None:
    rules = policy(rule('principal.role == AgencyRole::"platform"'))
    found = proved(rules, ("never", 'principal.role == AgencyRole::"platform"'))
    against = found.proofs[1].against
    assert against is not None
    assert not against.witness.as_today
    assert against.witness.recipient.role is AgencyRole.PLATFORM


@pytest.mark.parametrize(
    "promise, condition, holds",
    [
        ("always", f"{POLICE} && !resource.bears_persons", True),
        ("always", "!resource.bears_persons", False),
        ("sometimes", "resource.bears_persons", True),
        ("sometimes", 'principal.role == AgencyRole::"platform"', False),
        ("never", 'context.at >= datetime("2026-01-01")', False),
    ],
)
def test_the_three_promises(promise: str, condition: str, holds: bool) -> None:
    (_, proof) = proved(policy(rule(POLICE)), (promise, condition)).proofs
    assert proof.holds is holds
    if promise == "always" and not holds:
        assert proof.against is not None
        assert proof.against.decided.withheld is Withheld.NO_PERMIT
    if promise == "sometimes":
        assert (proof.example is not None) is holds


def test_what_the_whole_record_holds_is_made_a_second_portion() -> None:
    found = proved(
        policy(rule(POLICE)),
        ("never", 'resource.record_protected && resource.name == PortionName::"base" && !resource.protected'),
    )
    against = found.proofs[1].against
    assert against is not None
    base, other = against.witness.portions
    assert base.name == "base"
    assert bears_persons(against.witness.kind, other.name)


_ONE = "  - {id: inv-x, says: s, never: 'true'}\n"
BAD = {
    "no promise": (
        "  - {id: inv-x, says: s}\n",
        r"^i.yaml:2: invariants\[0\]: expected exactly one of 'never'.*$",
    ),
    "two promises": (_ONE.replace("}", ", always: 'true'}"), "expected exactly one of"),
    "unknown field": (_ONE.replace("}", ", nver: 'true'}"), "nver: there is no such field"),
    "twice": (_ONE * 2, "i.yaml:3: .*stands twice; first in line 2"),
    "none": ("  []\n", "i.yaml:1: invariants: .*at least 1 item"),
}


@pytest.mark.parametrize("text, message", BAD.values(), ids=BAD.keys())
def test_a_file_of_invariants_with_an_error_says_where(text: str, message: str) -> None:
    with pytest.raises(YamlError, match=message):
        load_invariants(f"invariants:\n{text}", load(rule("true")).schema, DIRECTORY, "i.yaml")


@pytest.mark.parametrize(
    "condition, message",
    [
        ("resource.colour", "the unknown attribute 'resource.colour'"),
        ('resource.tlp == Tlp::"RAD"', "the unknown id"),
        ("resource.tlp", "needs Bool"),
        ("true) || (true", "needs|cannot read|Cedar"),
        ("true }; permit (principal, action, resource) when { true", "a ';' in a condition|cannot read"),
        ("true } unless { false", "more than one condition|cannot read"),
        ("1 + 1 == 2", "arithmetic"),
        ("", "cannot read"),
    ],
)
def test_a_condition_of_an_invariant_is_checked_as_a_rule_s_is(condition: str, message: str) -> None:
    text = f"invariants:\n  - id: inv-x\n    says: s\n    never: '{condition}'\n"
    if condition == "true) || (true":  # two conditions in brackets are one condition
        assert load_invariants(text, load(rule("true")).schema, DIRECTORY, "i.yaml")
        return
    with pytest.raises(PolicyError, match=message) as raised:
        load_invariants(text, load(rule("true")).schema, DIRECTORY, "i.yaml")
    assert {fault.line for fault in raised.value.faults} == {4}


# -- changes -----------------------------------------------------------------------------------------------------


def changed(before: Policy, after: Policy, old: Directory = DIRECTORY, new: Directory = DIRECTORY) -> Changes:
    return changes(Side(before, old), Side(after, new), AT_MS)


def test_rules_that_say_the_same_otherwise_are_proved_equal() -> None:
    found = changed(
        policy(rule(f"{POLICE} && resource.protected"), rule(f"{POLICE} && !resource.protected")),
        policy(rule(POLICE)),
    )
    assert found == Changes((), True)


def test_what_a_new_forbid_closes_is_shown_with_the_rules_before_and_after() -> None:
    found = changed(
        policy(rule(POLICE)), policy(rule(POLICE), rule('resource.kind == Kind::"boat_supply"', "forbid"))
    )
    assert found.whole
    assert {(f.kind, f.before.rules, f.after.rules) for f in found.flows} == {
        ("boat_supply", ("rule-1",), ("rule-2",))
    }
    assert {f.portion for f in found.flows} == KINDS["boat_supply"].portions.keys()
    assert not any(f.gained for f in found.flows)
    assert {f.after.withheld for f in found.flows} == {Withheld.FORBIDDEN}


def test_it_says_when_it_stopped() -> None:
    found = changes(
        Side(policy(rule(POLICE)), DIRECTORY), Side(policy(rule("true")), DIRECTORY), AT_MS, most=3
    )
    assert (len(found.flows), found.whole) == (3, False)


def test_a_change_of_an_agency_s_entry_is_shown_for_that_agency() -> None:
    rules = policy(rule("true"), rule('principal.states.contains(State::"FR")', "forbid"))
    entries = tuple(
        a.model_copy(update={"states": frozenset({State("IT")})}) if a.id == "fr-oltim" else a
        for a in DIRECTORY.agencies
    )
    moved = DIRECTORY.model_copy(update={"agencies": entries})
    found = changed(rules, rules, new=Directory.model_validate(moved.model_dump()))
    assert found.whole
    assert {flow.agency for flow in found.flows} == {"fr-oltim"}
    assert {flow.gained for flow in found.flows} == {True}


def test_in_a_large_directory_too_each_changed_entry_is_compared() -> None:
    rules = policy(rule("true"), rule('principal.states.contains(State::"FR")', "forbid"))

    def large(states: str) -> Directory:
        more = tuple(
            Agency(
                id=AgencyId(f"it-n{n:03d}"),
                name="More",
                role=AgencyRole.POLICE,
                states=frozenset({State("IT")}),
            )
            for n in range(120)
        )
        last = more[-1].model_copy(update={"states": frozenset({State(states)})})
        return Directory(agencies=(*DIRECTORY.agencies, *more[:-1], last), communities=DIRECTORY.communities)

    found = changed(rules, rules, large("IT"), large("FR"))
    assert {flow.agency for flow in found.flows} == {"it-n119"}
    assert not any(flow.gained for flow in found.flows)


def test_a_suspension_loses_the_suspended_everything() -> None:
    rules = policy(rule("true"))
    suspended = Directory(
        agencies=DIRECTORY.agencies,
        communities=DIRECTORY.communities,
        suspensions=(Suspension(agency=DIRECTORY.agencies[1].id, reason="a test"),),
    )
    found = changed(rules, rules, new=suspended)
    assert {flow.agency for flow in found.flows} == {"fr-oltim"}
    assert {flow.after.withheld for flow in found.flows} == {Withheld.NOT_ADDRESSED}


# -- lint --------------------------------------------------------------------------------------------------------


RED_AND_CLEAR = 'resource.tlp == Tlp::"RED" && resource.tlp == Tlp::"CLEAR"'
SUSPICIOUS = {
    "nothing": ((rule("true"),), []),
    "two levels at once": ((rule("true"), rule(RED_AND_CLEAR, "forbid")), [("rule-2", Smell.IMPOSSIBLE)]),
    "what no label can be": (
        (rule("true"), rule("resource.protected && !resource.bears_persons", "forbid")),
        [("rule-2", Smell.IMPOSSIBLE)],
    ),
    "a part that never holds": (
        (rule(f'{POLICE} || (resource.kind == Kind::"debrief" && 1 == 2)'),),
        [("rule-1", Smell.IMPOSSIBLE_CONDITION)],
    ),
    "a part that always holds": (
        (rule(f"{POLICE} && resource has tlp"),),
        [("rule-1", Smell.IDLE_CONDITION)],
    ),
    "permitted by another": (
        (rule(POLICE), rule(f"{POLICE} && resource.protected")),
        [("rule-2", Smell.IDLE_PERMIT)],
    ),
    "permitted and forbidden": (
        (rule(POLICE), rule("resource.protected"), rule("resource.bears_persons", "forbid")),
        [("rule-2", Smell.IDLE_PERMIT)],
    ),
    "where nothing is permitted": (
        (rule(POLICE), rule(PLATFORM, "forbid")),
        [("rule-2", Smell.SECOND_LOCK)],
    ),
}


@pytest.mark.parametrize("rules, smells", SUSPICIOUS.values(), ids=SUSPICIOUS.keys())
def test_what_is_suspicious_is_found_and_nothing_else(
    rules: tuple[str, ...], smells: list[tuple[str, Smell]]
) -> None:
    found = lint(policy(*rules), DIRECTORY)
    assert [(finding.rule.id, finding.smell) for finding in found] == smells
    assert all(finding.message for finding in found)


def test_only_what_suffices_by_itself_is_named_beside_an_idle_rule() -> None:
    narrow = f"{POLICE} && resource.protected"
    rules = (rule(PLATFORM), rule(POLICE), rule("resource.protected", "forbid"), rule("true"), rule(narrow))
    found = {str(finding.rule.id): finding for finding in lint(policy(*rules), DIRECTORY)}
    assert found["rule-5"].smell is Smell.IDLE_PERMIT
    assert set(found["rule-5"].beside) == {"rule-2", "rule-3", "rule-4"}
    assert set(found["rule-2"].beside) == {"rule-4"}


def test_what_makes_a_permit_idle_is_named() -> None:
    (finding,) = lint(policy(rule(POLICE), rule(f"{POLICE} && resource.protected")), DIRECTORY)
    assert finding.beside == ("rule-1",)
    assert finding.smell.is_fault
