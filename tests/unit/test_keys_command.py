"""`entente keys`: refuses what it cannot do in one sentence, and puts a certificate in its place."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from deploy.arrangements import SHIPPED, read_arrangement
from deploy.ceremony import hold_ceremony
from deploy.cli.keys import app
from deploy.errors import DeployError
from deploy.pki import Authority
from deploy.stage.run import Run, RunRecord


@pytest.fixture
def run(tmp_path: Path) -> Run:
    made = Run.create(tmp_path / "run", RunRecord(arrangement="g7-small", seed=1, records=0))
    authority = Authority.create()
    authority.save(made.authority)
    hold_ceremony(read_arrangement(SHIPPED / "g7-small"), made.folder, authority)
    return made


def test_a_new_certificate_takes_the_old_ones_place(run: Run) -> None:
    path = run.folder / "agencies" / "fr-oltim" / "keys" / "tls.pem"
    before = path.read_bytes()
    result = CliRunner().invoke(app, ["tls", str(run.folder), "--principal", "fr-oltim"])
    assert result.exit_code == 0, result.output
    assert path.read_bytes() != before
    assert path.stat().st_mode & 0o777 == 0o600


def test_what_cannot_be_done_is_said(run: Run, tmp_path: Path) -> None:
    called = CliRunner().invoke(app, ["tls", str(run.folder), "--principal", "zz-top"])
    assert isinstance(called.exception, DeployError)
    assert "'zz-top' has no certificate here, but auditor, broker" in str(called.exception)
    line = ["rotate", str(run.folder), "--agency", "gb-nca", "--out", str(tmp_path / "v1.bin")]
    called = CliRunner().invoke(app, line)
    assert called.exit_code == 2
    called = CliRunner().invoke(app, [*line, "--signing"])
    assert isinstance(called.exception, DeployError)
    assert "does not run" in str(called.exception)
    assert not (tmp_path / "v1.bin").exists()
