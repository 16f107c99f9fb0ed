"""The cases of the shipped arrangements: all hold, every rule decides in one and is named there."""

from collections import Counter

import pytest

from broker.policy.cases import read_cases
from broker.policy.trials import Trial, coverage, run_cases
from deploy.arrangements import SHIPPED, ArrangementSource, read_arrangement

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


def test_a_title_is_said_once(trials: list[Trial]) -> None:
    titles = Counter(trial.case.title for trial in trials)
    assert [title for title, count in titles.items() if count > 1] == []
