"""`entente policy test`: exit codes, what is shown of a case that fails, and the rules of which no case speaks."""

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from deploy.arrangements import SHIPPED, read_arrangement
from deploy.cli import app
from deploy.errors import Refused

CASES = """\
at: 2026-06-04T00:00:00Z
cases:
  - case: A partner gets what is addressed to it
    given: {originator: gb-nca, kind: boat_supply, portions: {base: {to: [fr-oltim]}}}
    then: {base: {gets: [fr-oltim]}}
"""


#: How many cases `g7-small` has.
ALL = sum(text.count("- case:") for text in read_arrangement(SHIPPED / "g7-small").cases.values())


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.yaml"
    path.write_text(CASES)
    return path


def call(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["policy", "test", *map(str, arguments)], env={"COLUMNS": "200"})


def refusal(*arguments: str | Path) -> str:
    """The message that the call must end in, with exit code 2 (`deploy.cli.main`)."""
    result = call(*arguments)
    assert isinstance(result.exception, Refused)
    return str(result.exception)


def test_an_arrangement_is_held_against_its_own_cases() -> None:
    result = call("g7-small")
    assert result.exit_code == 0
    assert (
        f"{ALL} of {ALL} cases hold against the arrangement g7-small\n17 of 17 rules decide" in result.output
    )


def test_a_case_that_fails_is_shown_with_its_place_and_what_decides(file: Path) -> None:
    file.write_text(CASES.replace("gets: [fr-oltim]", "gets: nobody, not: {fr-oltim: tlp-red-by-name}"))
    result = call(file, "--arrangement", "g7-small")
    assert result.exit_code == 1
    shown = " ".join(result.output.split())
    assert (
        f"fails {file}:3 A partner gets what is addressed to it base to fr-oltim: the case says that" in shown
    )
    assert "forbidden by 'tlp-red-by-name'; it is permitted by 'partner-named' (A law-enforcement" in shown
    assert "0 of 1 cases hold" in shown


def test_rules_without_a_case_are_told_and_fail_where_that_is_asked_for(file: Path) -> None:
    result = call(file, "--arrangement", "g7-small")
    assert result.exit_code == 0
    assert "1 of 17 rules decide in a case\n  no case exercises: expertise-names-nobody, " in result.output
    assert result.output.endswith("  no case names: partner-named\n")
    assert call(file, "--arrangement", "g7-small", "--all-rules").exit_code == 1


def test_a_folder_of_cases_is_held_against_g7_unless_said_otherwise(file: Path) -> None:
    (file.parent / "more.yaml").write_text(CASES)
    result = call(file.parent)
    assert result.exit_code == 0
    assert "2 of 2 cases hold against the arrangement g7\n1 of 44 rules decide in a case\n" in result.output


def test_a_dot_is_the_folder_where_one_stands(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(SHIPPED / "g7-small", tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    assert f"{ALL} of {ALL} cases hold" in call(".").output
    assert "1 of 1 cases hold against the arrangement g7-small" in call(file, "--arrangement", ".").output


def test_json_has_every_case_and_every_rule(file: Path) -> None:
    file.write_text(
        CASES
        + CASES[CASES.index("  - case") :].replace("A partner", "It").replace("[fr-oltim]}}\n", "nobody}}\n")
    )
    result = call(file, "--arrangement", "g7-small", "--json")
    assert result.exit_code == 1
    told = json.loads(result.output)
    assert [(case["line"], case["case"], case["holds"]) for case in told["cases"]] == [
        (3, "A partner gets what is addressed to it", True),
        (6, "It gets what is addressed to it", False),
    ]
    (mismatch,) = told["cases"][1]["mismatches"]
    assert (mismatch["portion"], mismatch["agency"]) == ("base", "fr-oltim")
    assert mismatch["says"] == "only those in 'gets' get it"
    assert mismatch["finds"].startswith("it is permitted by 'partner-named' (")
    assert told["rules"]["partner-named"] == {"pairs": 1, "pinned": 0}
    assert len(told["rules"]) == 17


def test_what_cannot_be_tested_is_said(file: Path, tmp_path: Path) -> None:
    assert refusal("gone.yaml") == "gone.yaml: cannot be read: No such file or directory"
    assert "neither a folder nor a shipped arrangement" in refusal(file, "--arrangement", "g8")
    assert refusal("g7", "--arrangement", "g7-small").startswith(
        "'g7' is an arrangement; --arrangement goes with"
    )
    (tmp_path / "empty").mkdir()
    assert refusal(tmp_path / "empty").endswith("expected *.yaml files of cases in this folder")
    mine = shutil.copytree(SHIPPED / "g7-small", tmp_path / "mine")
    shutil.rmtree(mine / "cases")
    assert refusal(mine).endswith("has no cases: expected *.yaml files in its folder 'cases'")
    file.write_text(CASES.replace("boat_supply", "boat"))
    assert refusal(file).startswith(f"{file}:4: cases[0].given.kind: Input should be ")
