"""Mutants: each is noticed by a case, proved equivalent, or shown with the record that the missing case is about."""

import pytest

from broker.policy.cases import Case, read_cases
from broker.policy.proof.mutants import mutants
from broker.policy.proof.mutate import Fate, mutate
from broker.policy.trials import run_cases
from deploy.arrangements import SHIPPED, read_arrangement
from tests.unit.policy.small import DIRECTORY, load, rule

AT_MS = 1_780_531_200_000
BOATS = 'resource.kind == Kind::"boat_supply" && principal in resource.to_agencies'
G7 = read_arrangement(SHIPPED / "g7")


def cases(text: str, policy_text: str) -> tuple[Case, ...]:
    return read_cases({"c.yaml": text}, DIRECTORY, load(policy_text).rules)


GETS = """
  - case: Boats
    given: {originator: gb-nca, kind: boat_supply, portions: {base: {to: [fr-oltim]}}}
    then: {base: {gets: [fr-oltim]}}
"""
OTHER_KIND = """
  - case: No adverts
    given: {originator: gb-nca, kind: online_advert, portions: {base: {to: [fr-oltim]}}}
    then: {base: {gets: nobody}}
"""


def test_each_mutant_of_a_rule_is_another_rule() -> None:
    for text in (
        rule(f"{BOATS} && !resource.protected"),
        rule("context.at < resource.retain_until", "forbid"),
    ):
        (original,) = load(text).rules.values()
        nodes = [mutant.node for mutant in mutants(original)]
        assert nodes[0] is None
        assert len(set(nodes)) == len(nodes)
        assert original.node not in nodes
        assert all(mutant.wrong for mutant in mutants(original))


def test_a_bound_a_set_and_a_quantifier_each_have_theirs() -> None:
    text = rule(
        '[Tlp::"RED", Tlp::"AMBER"].contains(resource.tlp) && context.at <= resource.retain_until && '
        'resource.purposes.containsAll([Purpose::"return", Purpose::"expertise"])'
    )
    (original,) = load(text).rules.values()
    wrong = [mutant.wrong for mutant in mutants(original)]
    assert 'Tlp::"RED" missing in a set' in wrong
    assert 'Purpose::"return" missing in a set' in wrong
    assert any(w.startswith("the time of admission is before the retention date, for:") for w in wrong)
    assert any("one of" in w or "include return or expertise" in w for w in wrong)


def test_what_no_case_notices_is_shown_by_a_record_that_is_decided_otherwise() -> None:
    text = rule(BOATS)
    found = mutate(load(text), DIRECTORY, cases(f"at: 2026-06-04T00:00:00Z\ncases:{GETS}", text), AT_MS)
    wrong = {one.mutant.wrong: one for one in found.unnoticed}
    assert "without: the kind of record is boat supply" in wrong
    assert "the rule is gone" not in wrong
    shown = wrong["without: the kind of record is boat supply"]
    assert shown.witness is not None
    assert shown.witness.kind != "boat_supply"
    assert shown.before is not None
    assert shown.after is not None
    assert shown.before.withheld is not None
    assert shown.after.withheld is None


def test_a_case_more_notices_it() -> None:
    text = rule(BOATS)
    both = cases(f"at: 2026-06-04T00:00:00Z\ncases:{GETS}{OTHER_KIND}", text)
    found = mutate(load(text), DIRECTORY, both, AT_MS)
    assert "without: the kind of record is boat supply" not in {o.mutant.wrong for o in found.unnoticed}


def test_a_mutant_that_changes_nothing_is_proved_equivalent() -> None:
    text = rule(f"{BOATS} && resource has tlp")
    found = mutate(load(text), DIRECTORY, cases(f"at: 2026-06-04T00:00:00Z\ncases:{GETS}", text), AT_MS)
    fates = {one.mutant.wrong: one.fate for one in found.survivors}
    assert fates["without: the TLP level is on record"] is Fate.EQUIVALENT


def test_cases_that_fail_as_the_rules_are_are_refused() -> None:
    text = rule(BOATS)
    failing = cases(
        f"at: 2026-06-04T00:00:00Z\ncases:{GETS.replace('gets: [fr-oltim]', 'gets: nobody')}", text
    )
    assert not all(trial.holds for trial in run_cases(load(text), failing))
    with pytest.raises(ValueError, match="a case fails as the rules are"):
        mutate(load(text), DIRECTORY, failing, AT_MS)


@pytest.mark.parametrize("name", ["g7", "g7-small"])
def test_the_cases_of_a_shipped_arrangement_notice_every_mutant_that_is_not_equivalent(name: str) -> None:
    source = read_arrangement(SHIPPED / name)
    own = read_cases(source.cases, source.directory, source.policy.rules)
    found = mutate(source.policy, source.directory, own, AT_MS)
    assert [(one.mutant.rule.id, one.mutant.wrong) for one in found.unnoticed] == []
    assert found.total > 10 * len(source.policy.rules)


def test_the_shortcut_notices_what_running_the_cases_notices() -> None:
    """A sample of the mutants, each put into the policy and every case run against it in full."""
    from broker.policy.proof import mutate as tool

    own = read_cases(G7.cases, G7.directory, G7.policy.rules)
    bench = tool._Bench(G7.policy, own)
    every = [mutant for one in G7.policy.rules.values() for mutant in mutants(one)]
    for mutant in every[::90]:
        changed = tool._with(G7.policy, mutant)
        noticed = any(not trial.holds for trial in run_cases(changed, own))
        assert bench.notices(mutant) is noticed, mutant
