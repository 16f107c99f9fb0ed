"""`entente broker token`: what it prints is believed by whoever knows the issuer's public key, and by nobody else."""

import time

import pytest
from typer.testing import CliRunner

from deploy.ceremony import read_ceremony
from deploy.cli.broker import app
from deploy.errors import DeployError
from deploy.stage.addresses import Addresses, address_in, read_addresses, write_addresses
from deploy.stage.run import Run
from schemas.http.tokens import ApiRole, Issuer, broker_audience, public_key, verify_token
from tests.unit.test_keys_command import run as a_run

run = a_run


@pytest.mark.parametrize("role", [ApiRole.AUDITOR, ApiRole.OPERATOR])
def test_a_token_of_the_ceremonys_key(run: Run, role: ApiRole) -> None:
    result = CliRunner().invoke(app, ["token", str(run.folder), "--role", role, "--life", "60"])
    assert result.exit_code == 0, result.output
    key = read_ceremony(run.folder).token_key(role)
    assert key.stat().st_mode & 0o777 == 0o600
    issuers = {str(role): Issuer(public_key(key.read_bytes()), frozenset({role}), None)}
    caller = verify_token(result.output.strip(), issuers, broker_audience("g7-small"), int(time.time()))
    assert (caller.role, caller.agency, caller.subject) == (role, None, "cli")


def test_what_cannot_be_done_is_said(run: Run) -> None:
    for more, words in (
        (["--role", "officer"], "--agency is for officers"),
        (["--role", "auditor", "--agency", "gb-nca"], "--agency is for officers"),
        (["--role", "officer", "--agency", "gb-nca"], "does not run"),
    ):
        called = CliRunner().invoke(app, ["token", str(run.folder), *more])
        assert isinstance(called.exception, DeployError)
        assert words in str(called.exception)
    assert (
        CliRunner().invoke(app, ["token", str(run.folder), "--role", "auditor", "--life", "901"]).exit_code
        == 2
    )


def test_addresses_are_written_and_read(run: Run) -> None:
    said = "2026 INFO x\nbroker api at http://127.0.0.1:1\nagain\nbroker api at http://127.0.0.1:40123\n"
    written = Addresses(broker=address_in(said), agencies={})
    write_addresses(run.folder, written)
    assert read_addresses(run.folder) == written
    assert written.broker == "http://127.0.0.1:40123"
