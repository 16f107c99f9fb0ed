"""`entente agency`: its tokens are believed by the node they are for, and what cannot be done is said."""

import time
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from agencies.roster import parse_roster
from deploy.ceremony import read_ceremony
from deploy.cli.agency import app
from deploy.cli.officer_client import OfficerClient
from deploy.errors import DeployError, Refused
from deploy.staff import ROSTER
from deploy.stage.addresses import Addresses, write_addresses
from deploy.stage.run import Run
from schemas.http.problems import ProblemType, problem
from schemas.http.tokens import ApiRole, Issuer, node_audience, public_key, verify_token
from schemas.ids import AgencyId
from tests.unit.test_keys_command import run as a_run

run = a_run
OLTIM = AgencyId("fr-oltim")


@pytest.mark.parametrize(
    "officer, subject",
    [("chief", "fr-oltim/chief"), ("it-pds/liaison-paris", "it-pds/liaison-paris")],
)
def test_a_token_is_for_one_node_and_names_the_officer(run: Run, officer: str, subject: str) -> None:
    line = ["token", str(run.folder), "--agency", OLTIM, "--officer", officer, "--life", "60"]
    result = CliRunner().invoke(app, line)
    assert result.exit_code == 0, result.output
    key = read_ceremony(run.folder).agency(OLTIM) / "keys" / "token.key"
    assert key.stat().st_mode & 0o777 == 0o600
    issuers = {str(OLTIM): Issuer(public_key(key.read_bytes()), frozenset({ApiRole.OFFICER}), OLTIM)}
    caller = verify_token(result.output.strip(), issuers, node_audience("g7-small", OLTIM), int(time.time()))
    assert (caller.role, caller.agency, caller.subject) == (ApiRole.OFFICER, OLTIM, subject)


def test_the_ceremony_leaves_a_roster_that_the_node_reads(run: Run) -> None:
    for agency in read_ceremony(run.folder).arrangement.directory.agency_ids:
        text = (read_ceremony(run.folder).agency(agency) / ROSTER).read_bytes()
        names = {m.id.split("/")[1] for m in parse_roster(text, agency).officers}
        assert {"analyst-1", "chief", "dpo"} <= names


def test_what_cannot_be_done_is_said(run: Run, tmp_path: Path) -> None:
    runner = CliRunner()
    unknown = runner.invoke(app, ["token", str(run.folder), "--agency", "zz-nobody"])
    assert isinstance(unknown.exception, Refused)
    for line in (["log"], ["log", "--run", str(run.folder)], ["log", "--url", "http://127.0.0.1:1"]):
        assert isinstance(runner.invoke(app, line).exception, Refused)
    where = ["--run", str(run.folder), "--agency", OLTIM]
    no_api = runner.invoke(app, ["log", *where])
    assert isinstance(no_api.exception, Refused)
    assert "entente demo --keep" in str(no_api.exception)
    write_addresses(run.folder, Addresses(agencies={OLTIM: "http://127.0.0.1:1"}))
    away = runner.invoke(app, ["log", *where])
    assert isinstance(away.exception, DeployError)
    assert "does not answer" in str(away.exception)
    file = tmp_path / "record.json"
    file.write_text("{")
    assert isinstance(runner.invoke(app, ["publish", str(file), *where]).exception, Refused)
    file.write_text("{}")
    unsure = runner.invoke(app, ["publish", str(file), *where])
    assert "ask again with --key " in str(unsure.exception)


@pytest.mark.parametrize(
    "kind, error",
    [
        (ProblemType.NOT_FOUND, DeployError),
        (ProblemType.NOT_READY, DeployError),
        (ProblemType.FORBIDDEN, Refused),
        (ProblemType.INVALID, Refused),
    ],
)
def test_a_refusal_is_told_in_words(kind: ProblemType, error: type[Exception]) -> None:
    body = problem(kind, "what was expected", reason="code")

    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(kind.status, content=body.body())

    client = OfficerClient("http://node", "token", transport=httpx.MockTransport(answer))
    with pytest.raises(error, match=f"^{kind.words}: what was expected: code$") as raised:
        client.get("/v1/me")
    assert type(raised.value) is error


def test_an_answer_that_is_no_problem() -> None:
    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(502, content=b"<html>")

    client = OfficerClient("http://node", "token", transport=httpx.MockTransport(answer))
    with pytest.raises(DeployError, match="answered 502"):
        client.get("/v1/me")
