"""`entente policy lint|prove|plan|mutate|check`: exit codes, what is shown, and errors that say where."""

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from deploy.arrangements import SHIPPED
from deploy.cli import app
from deploy.errors import Refused

#: Opens to platforms what an invariant of the arrangement keeps from them.
OPENED = """
@id("platform-anything")
@reason("A platform gets whatever names it.")
@legal_basis("none")
permit (principal is Agency, action == Action::"receive", resource is Portion)
when { principal.role == AgencyRole::"platform" && principal in resource.to_agencies };
"""
PROMISE = """
invariants:
  - id: platforms-get-no-persons
    says: No platform learns of a person.
    never: principal.role == AgencyRole::"platform" && resource.bears_persons
"""
FORBIDDEN = 'when { principal.role == AgencyRole::"platform" }'


def call(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["policy", *map(str, arguments)], env={"COLUMNS": "160"})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of `g7-small` with one promise."""
    copy = tmp_path / "mine"
    shutil.copytree(SHIPPED / "g7-small", copy)
    (copy / "invariants.yaml").write_text(PROMISE)
    return copy


def opened(folder: Path) -> Path:
    """The copy, with platforms let in."""
    rules = folder / "sharing" / "adverts.cedar"
    text = rules.read_text()
    assert "platform-referral-only" in text
    start = text.index('@id("platform-referral-only")')
    end = text.index(";", start) + 1
    rules.write_text(text[:start] + text[end:] + OPENED)
    return folder


def test_a_shipped_arrangement_passes_everything() -> None:
    for name in ("g7", "g7-small"):
        result = call("check", name)
        assert result.exit_code == 0, result.output
        assert [line.split()[:2] for line in result.output.splitlines()] == [
            ["passed", "rules:"],
            ["passed", "cases:"],
            ["passed", "proofs:"],
        ]


def test_what_was_let_in_is_shown_by_each_tool(folder: Path) -> None:
    before = SHIPPED / "g7-small"
    opened(folder)
    proved = call("prove", folder)
    assert proved.exit_code == 1
    assert "fails  platforms-get-no-persons  No platform learns of a person." in proved.output
    assert "released by platform-anything" in proved.output

    planned = call("plan", before, folder)
    assert planned.exit_code == 1
    assert "new rule 'platform-anything': A platform gets whatever names it." in planned.output
    assert "rule 'platform-referral-only' ends" in planned.output
    assert "new invariant 'platforms-get-no-persons': No platform learns of a person." in planned.output
    assert "gains" in planned.output

    checked = call("check", folder)
    assert checked.exit_code == 1
    shown = checked.output.splitlines()
    assert any(line.startswith("failed  cases:") for line in shown)
    assert any(line.startswith("failed  proofs: 1 of 2 hold") for line in shown)


def test_a_counterexample_is_a_record_that_can_be_asked_about(folder: Path, tmp_path: Path) -> None:
    found = json.loads(call("prove", opened(folder), "--json").output)
    (broken,) = [proof for proof in found["proofs"] if not proof["holds"]]
    against = broken["against"]
    assert against["decided"] == {"withheld": None, "rules": ["platform-anything"]}
    assert against["as_today"]
    case = {
        "case": "No platform learns of a person",
        "given": against["record"],
        "then": {against["portion"]: {"gets": "nobody"}},
    }
    file = tmp_path / "missing.yaml"
    file.write_text(json.dumps({"cases": [case]}))
    result = call("test", file, "--arrangement", folder)
    assert result.exit_code == 1
    assert "platform-anything" in result.output


def test_a_plan_of_the_same_is_proved_empty() -> None:
    result = call("plan", "g7", "g7")
    assert result.exit_code == 0
    assert "nothing changes: proved for every label, agency and membership" in result.output
    found = json.loads(call("plan", "g7", "g7", "--json").output)
    assert (found["written"], found["flows"], found["whole"]) == ([], [], True)


def test_a_plan_stops_where_it_is_told_and_says_so(folder: Path) -> None:
    result = call("plan", "g7-small", opened(folder), "--most", "2")
    assert "stopped after 2 classes: there are more" in result.output


def test_a_promise_that_is_dropped_is_seen_in_the_plan(folder: Path) -> None:
    result = call("plan", folder, "g7-small")
    assert result.exit_code == 0
    assert "invariant 'platforms-get-no-persons' ends: No platform learns of a person." in result.output


def test_lint_tells_faults_from_notes(folder: Path) -> None:
    assert call("lint", folder).exit_code == 0
    rules = folder / "sharing" / "adverts.cedar"
    doubled = OPENED.replace(
        'principal.role == AgencyRole::"platform"', "principal.suspended && !principal.suspended"
    )
    rules.write_text(rules.read_text() + doubled)
    result = call("lint", folder)
    assert result.exit_code == 1
    assert "platform-anything: no label and no agency can ever satisfy it" in result.output


def test_mutate_shows_what_a_dropped_case_leaves_unnoticed(folder: Path) -> None:
    assert call("mutate", "g7-small").exit_code == 0
    (folder / "cases" / next(iter(sorted(p.name for p in (folder / "cases").iterdir())))).unlink()
    result = call("mutate", folder)
    assert result.exit_code == 1
    assert "unnoticed" in result.output


OUTSIDE = "invariants.yaml:5: not in the allowed subset: the unknown attribute"


@pytest.mark.parametrize(
    "file, old, new, message",
    [
        ("sharing/adverts.cedar", FORBIDDEN, "when { principal.role = 1 }", "sharing/adverts.cedar:"),
        ("invariants.yaml", "resource.bears_persons", "resource.persons", OUTSIDE),
        ("invariants.yaml", "never:", "nevr:", "invariants.yaml:5: invariants[0].nevr: there is no such field"),
        ("directory.yaml", "threshold: 3", "threshold: 9", "directory.yaml:"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("command", ["prove", "test"])
def test_what_cannot_be_read_is_refused_with_its_place(
    folder: Path, command: str, file: str, old: str, new: str, message: str
) -> None:
    path = folder / file
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))
    result = call(command, folder)
    assert isinstance(result.exception, Refused)
    assert f"{folder}/{message}" in str(result.exception)


def test_mutate_without_cases_says_what_is_missing(folder: Path) -> None:
    shutil.rmtree(folder / "cases")
    result = call("mutate", folder)
    assert isinstance(result.exception, Refused)
    assert "has no test cases" in str(result.exception)
