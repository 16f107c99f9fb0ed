"""`entente keys`: refuses what it cannot do in one sentence, and puts a certificate in its place."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner

import deploy.cli.keys
from broker.keystore import SIGNING, Keystore
from deploy.arrangements import SHIPPED, read_arrangement
from deploy.ceremony import hold_ceremony, read_ceremony
from deploy.cli.keys import app
from deploy.errors import DeployError
from deploy.pki import Authority
from deploy.secretariat import read_identities
from deploy.stage.run import Run, RunRecord
from schemas.arrangement import countersign, read_proposal, verify_successor
from schemas.clock import IDENTITY_CLOCK
from schemas.history import Standing


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


def test_whose_keys_is_said_once_and_the_broker_opens_nothing(run: Run, tmp_path: Path) -> None:
    line = ["rotate", str(run.folder), "--out", str(tmp_path / "v1.bin")]
    for options, said in (
        (["--signing"], "says whose keys"),
        (["--signing", "--broker", "--agency", "gb-nca"], "says whose keys"),
        (["--signing", "--opening", "--broker"], "opens nothing"),
        (["--broker"], "what is to be new"),
    ):
        called = CliRunner().invoke(app, [*line, *options], env={"COLUMNS": "200"})
        assert (called.exit_code, said in called.output) == (2, True), called.output
    assert [f.name for f in (run.folder / "broker" / "keys").glob("signing*")] == [SIGNING]


def test_a_new_key_of_the_broker_lies_in_its_folder_before_anybody_signs(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    genesis, out = read_ceremony(run.folder).arrangement, tmp_path / "v1.bin"

    class Office:
        async def refresh(self) -> Standing:
            return Standing(genesis, IDENTITY_CLOCK)

    @asynccontextmanager
    async def opened(_: Path) -> AsyncIterator[Office]:
        yield Office()

    monkeypatch.setattr(deploy.cli.keys, "open_secretariat", opened)
    line = ["rotate", str(run.folder), "--broker", "--signing", "--out", str(out)]
    called = CliRunner().invoke(app, line)
    assert called.exit_code == 0, called.output
    assert "the broker's signing key changes" in called.output
    proposed, signed_by = read_proposal(out.read_bytes())
    assert signed_by == ()
    identities = read_identities(run.folder, genesis.directory.agency_ids)
    after = verify_successor(countersign(out.read_bytes(), identities), genesis)
    assert after.body == proposed.body
    folder = run.folder / "broker" / "keys"
    store = Keystore(folder)
    assert store.pair_of(after).public != store.pair_of(genesis).public
    (new,) = folder.glob("signing-*.key")
    assert new.stat().st_mode & 0o777 == 0o600
