"""The cases of the shipped arrangements: all hold, every rule decides in one, and no slip in a rule goes unnoticed."""

import re
from collections import Counter
from textwrap import dedent

import pytest

from broker.policy.cases import read_cases
from broker.policy.proof.mutate import mutate
from broker.policy.trials import Trial, coverage, run_cases
from deploy.arrangements import SHIPPED, ArrangementSource, read_arrangement
from schemas.ids import RuleId

#: How many cases there are at least.
FEWEST = {"g7": 120, "g7-small": 10}


@pytest.fixture(scope="module", params=FEWEST)
def source(request: pytest.FixtureRequest) -> ArrangementSource:
    return read_arrangement(SHIPPED / str(request.param))


@pytest.fixture(scope="module")
def trials(source: ArrangementSource) -> list[Trial]:
    return list(run_cases(source.policy, read_cases(source.cases, source.directory, source.policy.rules)))


def test_every_case_holds(source: ArrangementSource, trials: list[Trial]) -> None:
    assert len(trials) >= FEWEST[source.federation]
    assert [(t.case.file, t.case.title, *map(str, t.mismatches)) for t in trials if not t.holds] == []


def test_every_rule_decides_in_a_case_and_is_named_there(
    source: ArrangementSource, trials: list[Trial]
) -> None:
    found = coverage(source.policy, trials)
    assert found.keys() == source.policy.rules.keys()
    assert [rule for rule, covered in found.items() if not covered.pairs or not covered.pinned] == []


def test_no_slip_in_a_rule_goes_unnoticed(source: ArrangementSource, trials: list[Trial]) -> None:
    """Each mutant of each rule fails a case, or the solver proves that it releases nothing else."""
    cases = [trial.case for trial in trials]
    found = mutate(source.policy, source.directory, cases, cases[0].at_ms)
    assert found.total > 100
    assert [(one.mutant.rule.id, one.mutant.wrong) for one in found.unnoticed] == []


def test_the_example_of_the_page_holds() -> None:
    page = (SHIPPED.parents[1] / "docs" / "policy-cases.md").read_text()
    block = re.search(r"## An example\n\n((?:    .*\n|\n)+)", page)
    assert block is not None
    g7 = read_arrangement(SHIPPED / "g7")
    (trial,) = run_cases(g7.policy, read_cases({"page": dedent(block[1])}, g7.directory, g7.policy.rules))
    assert list(map(str, trial.mismatches)) == []
    assert trial.decided == {
        RuleId("platform-referral"): 1,
        RuleId("platform-referral-only"): 1,
        RuleId("partner-named"): 1,
    }


def test_a_title_is_said_once(trials: list[Trial]) -> None:
    titles = Counter(trial.case.title for trial in trials)
    assert [title for title, count in titles.items() if count > 1] == []
