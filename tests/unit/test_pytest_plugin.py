"""The pytest plugin in a project of its own: what it collects, how a failure reads, and that it is silent unasked."""

import shutil
from pathlib import Path

import pytest

from deploy.arrangements import SHIPPED, read_arrangement

pytest_plugins = ["pytester"]

#: Not the concern of these tests: another plugin warns where a project does not set its options.
QUIET = ("-p", "no:asyncio", "-p", "no:cacheprovider")

HOLDS = """\
at: 2026-06-04T00:00:00Z
cases:
  - case: A partner gets what is addressed to it
    given: {originator: gb-nca, kind: boat_supply, portions: {base: {to: [fr-oltim]}}}
    then: {base: {gets: {fr-oltim: partner-named}}}
"""
FAILS = """\
  - case: A source state gets it too
    given: {originator: gb-nca, kind: boat_supply, portions: {base: {to: [xa-np], tlp: RED}}}
    then: {base: {gets: [xa-np]}}
"""


def write(pytester: pytest.Pytester, **files: str) -> None:
    pytester.mkdir("cases")
    for name, text in files.items():
        (pytester.path / "cases" / f"{name}.yaml").write_text(text)


def run(pytester: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    return pytester.runpytest_inprocess(*QUIET, *arguments)


def test_each_case_is_an_item_with_its_title_and_line(pytester: pytest.Pytester) -> None:
    write(pytester, mine=HOLDS + FAILS)
    items, _ = pytester.inline_genitems(*QUIET, "--entente-arrangement", "g7-small")
    assert [item.nodeid for item in items] == [
        "cases/mine.yaml::A partner gets what is addressed to it",
        "cases/mine.yaml::A source state gets it too",
    ]
    assert [item.location[:2] for item in items] == [("cases/mine.yaml", 2), ("cases/mine.yaml", 5)]


def test_a_failure_is_what_the_case_says_and_what_the_rules_decide_without_a_trace(
    pytester: pytest.Pytester,
) -> None:
    write(pytester, mine=HOLDS + FAILS)
    result = run(pytester, "--entente-arrangement", "g7-small")
    result.assert_outcomes(passed=1, failed=1)
    assert result.ret is pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        [
            "*_ A source state gets it too _*",
            "base to xa-np: the case says that it gets it; no rule permits it",
            "",
            "*/cases/mine.yaml:6",
            "FAILED cases/mine.yaml::A source state gets it too - base to xa-np: the case*",
        ]
    )
    result.stdout.no_fnmatch_line("*Traceback*")
    result.stdout.no_fnmatch_line("*.py:*")


def test_the_arrangement_may_be_ones_own(pytester: pytest.Pytester) -> None:
    """A folder of an arrangement, with a rule that lets through what the shipped one does not."""
    write(pytester, mine=HOLDS + FAILS)
    shutil.copytree(SHIPPED / "g7-small", pytester.path / "mine", ignore=shutil.ignore_patterns("cases"))
    rule = pytester.path / "mine" / "sharing" / "source-states.cedar"
    text = rule.read_text()
    assert '[Tlp::"AMBER", ' in text
    rule.write_text(text.replace('[Tlp::"AMBER", ', '[Tlp::"RED", Tlp::"AMBER", '))
    run(pytester, "--entente-arrangement", "mine").assert_outcomes(passed=2)


def test_the_shipped_cases_of_the_small_arrangement_hold(pytester: pytest.Pytester) -> None:
    written = read_arrangement(SHIPPED / "g7-small").cases
    write(pytester, **{Path(file).stem: text for file, text in written.items()})
    result = run(pytester, "--entente-arrangement", "g7-small")
    result.assert_outcomes(passed=sum(text.count("- case:") for text in written.values()))


@pytest.mark.parametrize(
    "text, expected",
    [
        (HOLDS.replace("fr-oltim", "fr-gone"), "*/cases/mine.yaml:4: *to[[]0[]]: 'fr-gone' is no agency*"),
        ("cases: [", "*/cases/mine.yaml:1:9: no valid YAML:*"),
    ],
)
def test_a_file_at_fault_has_its_line_and_no_trace(
    pytester: pytest.Pytester, text: str, expected: str
) -> None:
    write(pytester, mine=text)
    result = run(pytester, "--entente-arrangement", "g7-small")
    result.assert_outcomes(errors=1)
    assert result.ret is pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines([expected])
    result.stdout.no_fnmatch_line("*Traceback*")


def test_an_arrangement_that_is_not_read_is_told_and_no_case_runs(pytester: pytest.Pytester) -> None:
    write(pytester, mine=HOLDS)
    result = run(pytester, "--entente-arrangement", "g8")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*/g8/directory.yaml: cannot be read: No such file or directory"])
    result.stdout.no_fnmatch_line("*Traceback*")


def test_only_yaml_in_a_folder_of_cases_is_collected(pytester: pytest.Pytester) -> None:
    write(pytester, mine=HOLDS)
    (pytester.path / "cases" / "notes.txt").write_text("no cases")
    (pytester.path / "other.yaml").write_text("no: cases")
    run(pytester, "--entente-arrangement", "g7-small").assert_outcomes(passed=1)


def test_without_the_option_nothing_is_collected_and_nothing_imported(pytester: pytest.Pytester) -> None:
    write(pytester, mine=FAILS)
    pytester.makepyfile(
        """
        import sys

        def test_nothing_of_it_is_here():
            assert "deploy.pytest_plugin" in sys.modules
            assert not {"broker", "cedarpy", "typer", "yaml"} & sys.modules.keys()
        """
    )
    result = pytester.runpytest_subprocess(*QUIET, "-p", "no:schemathesis")
    result.assert_outcomes(passed=1)
