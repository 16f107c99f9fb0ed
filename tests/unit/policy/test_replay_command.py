"""`entente policy replay` and `plan --ledger` on exported ledgers: counts, exit codes, and errors that say where."""

import json
import shutil
from base64 import b64encode
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from broker.policy import Engine
from deploy.arrangements import SHIPPED, read_arrangement
from deploy.cli import app
from deploy.errors import Refused
from schemas.ids import Digest
from tests.support.federation import NOW_MS, ceremony
from tests.support.histories import Writer, planned

SOURCE = read_arrangement(SHIPPED / "g7-small")
#: Nothing of this kind reaches anybody under it.
FORBIDDEN = """
@id("no-boats")
@reason("Boats stay where they are.")
@legal_basis("none")
forbid (principal is Agency, action == Action::"receive", resource is Portion)
when { resource.kind == Kind::"boat_supply" };
"""


def call(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["policy", *map(str, arguments)], env={"COLUMNS": "120"})


@pytest.fixture(scope="module")
def ledgers(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Exported ledgers of planned records, decided under `g7-small` as it is shipped."""
    held = ceremony()
    writer = Writer(
        held.arrangement.domains,
        Engine(held.arrangement.domains, SOURCE.policy, SOURCE.directory, Digest(bytes(32))),
    )
    for lane, kind, portions in planned(SOURCE.directory, 60, NOW_MS):
        writer.admit(lane, kind, portions, NOW_MS)
    folder, files = tmp_path_factory.mktemp("ledgers"), []
    for lane, written in writer.lanes.items():
        file = folder / f"{lane}.json"
        document = {
            "versions": [b64encode(held.genesis).decode()],
            "originator": lane,
            "entries": [b64encode(entry).decode() for entry in written.entries],
            "checkpoint": None,
        }
        file.write_text(json.dumps(document))
        files.append(file)
    return files


def given(ledgers: list[Path]) -> list[str | Path]:
    return [word for file in ledgers for word in ("--ledger", file)]


@pytest.fixture
def draft(tmp_path: Path) -> Path:
    copy = tmp_path / "draft"
    shutil.copytree(SHIPPED / "g7-small", copy)
    (copy / "sharing" / "boats.cedar").write_text(FORBIDDEN)
    return copy


def test_under_the_arrangement_that_decided_nothing_changes(ledgers: list[Path]) -> None:
    result = call("replay", "--policy", "g7-small", *given(ledgers))
    assert result.exit_code == 0, result.output
    assert "60 records" in result.output
    assert "nothing changes" in result.output


def test_under_a_draft_exactly_what_it_forbids_is_lost(ledgers: list[Path], draft: Path) -> None:
    result = call("replay", "--policy", draft, *given(ledgers), "--json")
    assert result.exit_code == 1
    found = json.loads(result.output)
    lost = [flow for flow in found["flows"] if flow["change"] == "lost"]
    assert found["lost"] == sum(flow["count"] for flow in lost) > 0
    assert found["gained"] == 0
    assert {flow["kind"] for flow in lost} == {"boat_supply"}
    assert {tuple(flow["after"]["rules"]) for flow in lost} == {("no-boats",)}
    assert found["released"] - found["released_after"] == found["lost"]
    shown = call("replay", "--policy", draft, *given(ledgers))
    assert f"{found['lost']:,} lose release" in shown.output
    assert "no-boats" in shown.output


def test_a_plan_counts_what_was_recorded(ledgers: list[Path], draft: Path) -> None:
    replayed = json.loads(call("replay", "--policy", draft, *given(ledgers), "--json").output)
    planned_ = json.loads(call("plan", "g7-small", draft, *given(ledgers), "--json").output)
    recorded = planned_["recorded"]
    assert recorded["records"] == replayed["records"] == 60
    assert recorded["released"] - recorded["released_after"] == replayed["lost"]
    shown = call("plan", "g7-small", draft, *given(ledgers))
    assert shown.exit_code == 1
    assert "Recorded decisions: 60 records" in shown.output


def test_what_cannot_be_read_is_told(ledgers: list[Path], draft: Path, tmp_path: Path) -> None:
    for arguments, message in (
        (
            ["--policy", draft, "--ledger", tmp_path / "none"],
            "is neither the folder of a run nor an exported ledger",
        ),
        (["--policy", draft, "--ledger", draft / "directory.yaml"], "expected a ledger as it is exported"),
        (["--policy", draft, *given([ledgers[0], _copy(ledgers[0], tmp_path)])], "' too"),
        (["--policy", "nowhere", *given(ledgers)], "'nowhere' is neither a folder nor a shipped arrangement"),
    ):
        result = call("replay", *arguments)
        assert isinstance(result.exception, Refused), result.output
        assert message in str(result.exception)


def _copy(file: Path, folder: Path) -> Path:
    return Path(shutil.copy(file, folder / f"again-{file.name}"))
