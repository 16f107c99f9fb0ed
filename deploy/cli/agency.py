"""`entente agency`: an agency's node, as its officers use it.

    entente agency token RUN --agency gb-nca --officer analyst-1
    entente agency publish record.json --run RUN --agency gb-nca
    entente agency search "hull container" --purpose detection --run RUN --agency fr-oltim
    entente agency read gb-nca RECORD --purpose detection --justification "case 7" --run RUN --agency fr-oltim
    entente agency log --url https://node.example --token ...

- Against a run that `entente demo --keep` has left running, or any node by its address and a token.
- An officer is named by id, or by the last part of it. A run has `analyst-1`, `chief` and `dpo` in each agency.
- `--json` prints what the node answers, for machines.
"""

import json
import sys
import uuid
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from deploy.cli.agency_views import (
    show_audience,
    show_decisions,
    show_hits,
    show_inbox,
    show_log,
    show_published,
    show_record,
)
from deploy.cli.arrangement import RunFolder
from deploy.cli.officer_client import OfficerClient, officer_token
from deploy.errors import DeployError, Refused
from schemas.codes import Purpose
from schemas.http.tokens import MAX_LIFE_S

app = typer.Typer(no_args_is_help=True, help="An agency's node, as its officers use it.")

Run = Annotated[
    Path | None, typer.Option("--run", help="Folder of the run, as `entente demo --keep` prints it.")
]
Agency = Annotated[str | None, typer.Option("--agency", help="Whose node, with --run.")]
Officer = Annotated[str, typer.Option("--officer", help="As whom, with --run.")]
Url = Annotated[str | None, typer.Option("--url", help="Address of a node, instead of --run.")]
Token = Annotated[
    str | None, typer.Option("--token", envvar="ENTENTE_TOKEN", help="An access token, with --url.")
]
Ca = Annotated[Path | None, typer.Option("--ca", help="With --url: whom to believe there, as PEM.")]
Json = Annotated[bool, typer.Option("--json", help="What the node answers, for machines.")]
For = Annotated[Purpose, typer.Option("--purpose", help="What for.")]
Limit = Annotated[int, typer.Option("--limit", min=1, max=100, help="So many at most.")]
Record = Annotated[Path, typer.Argument(metavar="FILE", help="The record as JSON; - reads it from stdin.")]

_ANALYST = "analyst-1"


@app.callback()
def agency_commands() -> None:
    """An agency's node, as its officers use it."""


@app.command()
def token(
    run: RunFolder,
    agency: Annotated[str, typer.Option(help="Whose node.")],
    officer: Annotated[str, typer.Option(help="Who calls.")] = _ANALYST,
    life: Annotated[int, typer.Option(min=1, max=MAX_LIFE_S, help="For so many seconds.")] = 600,
) -> None:
    """Print an access token for an agency's node in a run, alone, so that a shell can take it."""
    print(officer_token(run, agency, officer, life))


@app.command()
def preview(
    record: Record,
    run: Run = None,
    agency: Agency = None,
    officer: Officer = _ANALYST,
    url: Url = None,
    token: Token = None,
    ca: Ca = None,
    as_json: Json = False,
) -> None:
    """Say whom a record would be sealed for, and for whom not and why. Nothing is sealed."""
    client = _client(run, agency, officer, url, token, ca)
    _tell(client.post("/v1/previews", _read(record)), show_audience, as_json)


@app.command()
def publish(
    record: Record,
    key: Annotated[
        str | None, typer.Option(help="Idempotency key: asking again with it publishes once. Else a new one.")
    ] = None,
    run: Run = None,
    agency: Agency = None,
    officer: Officer = _ANALYST,
    url: Url = None,
    token: Token = None,
    ca: Ca = None,
    as_json: Json = False,
) -> None:
    """Publish a record."""
    client = _client(run, agency, officer, url, token, ca)
    body, chosen = _read(record), key or str(uuid.uuid4())
    try:
        made = client.post("/v1/records", body, **{"idempotency-key": chosen})
    except Refused:
        raise
    except DeployError as error:
        raise DeployError(
            f"{error}\nwhether it was published is not known: ask again with --key {chosen}"
        ) from error
    _tell(made, show_published, as_json)


@app.command()
def search(
    query: Annotated[
        str, typer.Argument(help='Words; "two words" together, -word not, word* as a beginning.')
    ],
    purpose: For,
    justification: Annotated[str | None, typer.Option(help="Why, for the log.")] = None,
    limit: Limit = 20,
    after: Annotated[str | None, typer.Option(help="The `next` of the page before.")] = None,
    run: Run = None,
    agency: Agency = None,
    officer: Officer = _ANALYST,
    url: Url = None,
    token: Token = None,
    ca: Ca = None,
    as_json: Json = False,
) -> None:
    """Search what the agency holds."""
    client = _client(run, agency, officer, url, token, ca)
    asked = {
        "query": query,
        "purpose": purpose,
        "justification": justification,
        "limit": limit,
        "after": after,
    }
    _tell(client.post("/v1/searches", asked), show_hits, as_json)


@app.command()
def read(
    originator: Annotated[str, typer.Argument(help="Who published it.")],
    record: Annotated[str, typer.Argument(help="Its id.")],
    purpose: For,
    justification: Annotated[str, typer.Option(help="Why, for the log.")],
    manifest: Annotated[str | None, typer.Option(help="One revision; else the newest.")] = None,
    run: Run = None,
    agency: Agency = None,
    officer: Officer = _ANALYST,
    url: Url = None,
    token: Token = None,
    ca: Ca = None,
    as_json: Json = False,
) -> None:
    """Read a record. It is logged, granted or refused."""
    client = _client(run, agency, officer, url, token, ca)
    asked = {
        "originator": originator,
        "record": record,
        "manifest": manifest,
        "purpose": purpose,
        "justification": justification,
    }
    _tell(client.post("/v1/reads", asked), show_record, as_json)


@app.command()
def inbox(
    purpose: For,
    limit: Limit = 20,
    after: Annotated[str | None, typer.Option(help="The `next` of the page before.")] = None,
    run: Run = None,
    agency: Agency = None,
    officer: Officer = _ANALYST,
    url: Url = None,
    token: Token = None,
    ca: Ca = None,
    as_json: Json = False,
) -> None:
    """List what came in and may be used for a purpose."""
    client = _client(run, agency, officer, url, token, ca)
    _tell(client.get("/v1/inbox", purpose=purpose, limit=limit, after=after), show_inbox, as_json)


@app.command(name="log")
def disclosures(
    limit: Limit = 50,
    before: Annotated[int | None, typer.Option(help="The `next` of the page before.")] = None,
    run: Run = None,
    agency: Agency = None,
    officer: Officer = _ANALYST,
    url: Url = None,
    token: Token = None,
    ca: Ca = None,
    as_json: Json = False,
) -> None:
    """Show who was shown what and why: all to the data-protection officer, else one's own."""
    client = _client(run, agency, officer, url, token, ca)
    _tell(client.get("/v1/disclosures", limit=limit, before=before), show_log, as_json)


@app.command()
def decisions(
    record: Annotated[str | None, typer.Argument(help="Of one record that we published.")] = None,
    limit: Limit = 20,
    after: Annotated[str | None, typer.Option(help="The `next` of the page before.")] = None,
    run: Run = None,
    agency: Agency = None,
    officer: Officer = _ANALYST,
    url: Url = None,
    token: Token = None,
    ca: Ca = None,
    as_json: Json = False,
) -> None:
    """Show what the broker decided on what we published, with reasons."""
    client = _client(run, agency, officer, url, token, ca)
    found = (
        client.get("/v1/decisions", limit=limit, after=after)
        if record is None
        else client.get(f"/v1/decisions/{record}")
    )
    _tell(found, show_decisions, as_json)


def _client(
    run: Path | None, agency: str | None, officer: str, url: str | None, token: str | None, ca: Path | None
) -> OfficerClient:
    """Raises: `Refused`."""
    if run is not None and agency is not None and url is None:
        return OfficerClient.of_run(run, agency, officer)
    if url is not None and token is not None and run is None:
        return OfficerClient(url, token, ca)
    raise Refused("expected --run and --agency of a run that is kept, or --url and --token of a node")


def _read(file: Path) -> Any:
    """Raises: `Refused`."""
    try:
        return json.loads(sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise Refused(f"'{file}' is no record in JSON: {error}") from error


def _tell(found: dict[str, Any], show: Any, as_json: bool) -> None:
    if as_json:
        print(json.dumps(found, ensure_ascii=False))
    else:
        show(Console(), found)
