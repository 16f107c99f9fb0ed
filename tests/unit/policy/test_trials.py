"""Running cases: what holds, each way in which something comes out otherwise, in words; which rules are covered."""

from collections.abc import Iterable

import pytest

from broker.policy import load_policy
from broker.policy.cases import Case, read_cases
from broker.policy.trials import Trial, coverage, run_cases
from deploy.arrangements import SHIPPED, read_arrangement
from schemas.ids import RuleId

SMALL = read_arrangement(SHIPPED / "g7-small")

NAMED = "{originator: gb-nca, kind: boat_supply, portions: {base: {to: [fr-oltim, xa-np]}}}"
WITNESS = (
    "{originator: gb-nca, kind: debrief, portions: {persons: "
    "{to: [xa-np], tlp: AMBER, subjects: [other_party], origins: [XA], purposes: [return]}}}"
)


def cases(given: str, outcome: str, suppose: str = "{}") -> tuple[Case, ...]:
    text = f"""\
at: 2026-06-04T00:00:00Z
cases:
  - case: The case
    given: {given}
    suppose: {suppose}
    {outcome}
"""
    return read_cases({"mine.yaml": text}, SMALL.directory, SMALL.policy.rules)


def tried(given: str, outcome: str, suppose: str = "{}") -> Trial:
    (trial,) = run_cases(SMALL.policy, cases(given, outcome, suppose))
    return trial


def told(given: str, outcome: str, suppose: str = "{}") -> list[str]:
    return list(map(str, tried(given, outcome, suppose).mismatches))


@pytest.mark.parametrize(
    "given, outcome, suppose",
    [
        (NAMED, "then: {base: {gets: [fr-oltim, xa-np]}}", "{}"),
        (NAMED, "then: {base: {gets: {fr-oltim: partner-named, xa-np: source-state-base}}}", "{}"),
        (NAMED, "then: {base: {gets: [xa-np, fr-oltim], not: {it-pds: [not_addressed, no_permit]}}}", "{}"),
        (
            NAMED,
            "then: {base: {gets: [fr-oltim], not: {xa-np: [not_addressed, suspended]}}}",
            "{suspended: [xa-np]}",
        ),
        (NAMED, "then: {base: {gets: [fr-oltim, xa-np]}}", "{agencies: {xa-np: {role: police}}}"),
        (NAMED, "refused: originator_not_active", "{suspended: [gb-nca]}"),
        (WITNESS, "then: {persons: {gets: nobody, not: {xa-np: protection_gate}}}", "{}"),
        (
            WITNESS,
            "then: {persons: {gets: nobody, not: {xa-np: [protection_gate, source-state-return]}}}",
            "{}",
        ),
    ],
)
def test_a_case_holds(given: str, outcome: str, suppose: str) -> None:
    assert told(given, outcome, suppose) == []
    assert tried(given, outcome, suppose).holds


def decided(*rules: str) -> str:
    """Rules with their reasons, as a mismatch tells them."""
    return " and ".join(f"'{r}' ({SMALL.policy.rules[RuleId(r)].reason.removesuffix('.')})" for r in rules)


@pytest.mark.parametrize(
    "given, outcome, suppose, about, says, finds",
    [
        (
            NAMED,
            "then: {base: {gets: [fr-oltim]}}",
            "{}",
            "base to xa-np",
            "only those in 'gets' get it",
            f"it is permitted by {decided('source-state-base')}",
        ),
        (
            NAMED,
            "then: {base: {gets: [fr-oltim, xa-np, it-pds]}}",
            "{}",
            "base to it-pds",
            "it gets it",
            "it is not addressed, and no rule decides",
        ),
        (
            NAMED,
            "then: {base: {gets: {fr-oltim: partner-by-community, xa-np: []}}}",
            "{}",
            "base to fr-oltim",
            "it gets it, by 'partner-by-community'",
            f"it is permitted by {decided('partner-named')}",
        ),
        (
            NAMED,
            "then: {base: {gets: [fr-oltim], not: {xa-np: no_permit}}}",
            "{}",
            "base to xa-np",
            "no rule permits it",
            f"it is permitted by {decided('source-state-base')}",
        ),
        (
            NAMED,
            "then: {base: {gets: [fr-oltim], not: {xa-np: [not_addressed, no_permit]}}}",
            "{suspended: [xa-np]}",
            "base to xa-np",
            "it is not addressed, and no rule decides",
            f"it is not addressed, and the rules forbid it by {decided('suspended')}",
        ),
        (
            NAMED.replace("to: [", "purposes: [], caveats: [law_enforcement_only], to: ["),
            "then: {base: {gets: nobody, not: {fr-oltim: purpose-stated, xa-np: law-enforcement-only}}}",
            "{}",
            "base to xa-np",
            "it does not get it, forbidden by 'law-enforcement-only'",
            f"it is forbidden by {decided('law-enforcement-only', 'purpose-stated')}",
        ),
        (
            WITNESS,
            "then: {persons: {gets: nobody, not: {xa-np: [protection_gate, no_permit]}}}",
            "{}",
            "persons to xa-np",
            "the protection gate bars it, and no rule decides",
            f"the protection gate bars it, and the rules permit it by {decided('source-state-return')}",
        ),
        (
            WITNESS,
            "then: {persons: {gets: nobody, not: {xa-np: forbidden}}}",
            "{agencies: {xa-np: {states: [XB]}}}",
            "persons to xa-np",
            "it does not get it, forbidden by some rule",
            f"it is permitted by {decided('source-state-return')}",
        ),
        (
            NAMED,
            "then: {base: {gets: [fr-oltim, xa-np]}}",
            "{suspended: [gb-nca]}",
            "the record",
            "it is admitted",
            "it is refused as 'originator_not_active'",
        ),
        (NAMED, "refused: expired", "{}", "the record", "it is refused as 'expired'", "it would be admitted"),
    ],
)
def test_what_comes_out_otherwise_is_said_with_what_decides(
    given: str, outcome: str, suppose: str, about: str, says: str, finds: str
) -> None:
    assert told(given, outcome, suppose) == [f"{about}: the case says that {says}; {finds}"]


def test_whoever_looks_for_the_first_failure_runs_no_more() -> None:
    ran = []

    def watched() -> Iterable[Case]:
        for outcome in ("{gets: [fr-oltim, xa-np]}", "{gets: nobody}", "{gets: [xa-np]}"):
            ran.append(outcome)
            yield from cases(NAMED, f"then: {{base: {outcome}}}")

    assert not all(trial.holds for trial in run_cases(SMALL.policy, watched()))
    assert len(ran) == 2


def test_a_rule_is_covered_by_the_pairs_that_are_stated() -> None:
    """`xa-np` is not named: that a rule decides there is nothing that the case speaks of."""
    found = coverage(SMALL.policy, [tried(NAMED, "then: {base: {gets: [fr-oltim]}}")])
    assert found.keys() == SMALL.policy.rules.keys()
    assert (found[RuleId("partner-named")].pairs, found[RuleId("partner-named")].pinned) == (1, 0)
    assert found[RuleId("source-state-base")].pairs == 0


def test_a_rule_behind_a_stronger_reason_is_covered_where_the_case_says_so() -> None:
    rule = RuleId("source-state-return")
    plain = tried(WITNESS, "then: {persons: {gets: nobody, not: {xa-np: protection_gate}}}")
    pinned = tried(WITNESS, f"then: {{persons: {{gets: nobody, not: {{xa-np: [protection_gate, {rule}]}}}}}}")
    assert coverage(SMALL.policy, [plain])[rule].pairs == 0
    both = coverage(SMALL.policy, [plain, pinned])[rule]
    assert (both.pairs, both.pinned) == (1, 1)


def test_cases_are_held_against_other_rules_than_they_were_read_with() -> None:
    """A rule that a case names may be gone: then what the case says of it does not hold."""
    policies = {file: text.replace('[Tlp::"AMBER", ', "[") for file, text in SMALL.policies.items()}
    assert policies != SMALL.policies
    changed = load_policy(policies, SMALL.schema_text, SMALL.directory)
    read = cases(NAMED, "then: {base: {gets: {fr-oltim: partner-named, xa-np: source-state-base}}}")
    (trial,) = run_cases(changed, read)
    assert list(map(str, trial.mismatches)) == [
        "base to xa-np: the case says that it gets it, by 'source-state-base'; no rule permits it"
    ]
