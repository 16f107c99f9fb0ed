"""`entente broker`: a run's broker API and its projection.

    entente broker rebuild RUN
    entente broker token RUN --role auditor
    entente broker token RUN --role officer --agency gb-nca

A token is issued with the key of the run's folder whose holder may issue it; a real federation keeps each with its
holder. It is printed alone, so that a shell can take it.
"""

import asyncio
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from agencies.keystore import Keystore
from broker.api.signed import Followed
from broker.kafka import Connection
from broker.projection import Database, Projection
from broker.projection.follower import Follower
from deploy.ceremony import Ceremony, read_ceremony
from deploy.cli.arrangement import RunFolder, open_secretariat
from deploy.errors import DeployError, Refused
from deploy.stage.reach import reached
from deploy.stage.run import Run
from schemas.http.tokens import MAX_LIFE_S, ApiRole, broker_audience, issue_token
from schemas.ids import AgencyId, Digest
from schemas.topics import arrangement_topic
from schemas.transport import client_context

app = typer.Typer(no_args_is_help=True, help="A run's broker API and its projection.")


@app.callback()
def broker() -> None:
    """A run's broker API and its projection."""


@app.command()
def token(
    run: RunFolder,
    role: Annotated[ApiRole, typer.Option(help="In which role to call.")],
    agency: Annotated[str | None, typer.Option(help="Whose officer or coordinator.")] = None,
    subject: Annotated[str, typer.Option(help="Who calls, as logs name it.")] = "cli",
    life: Annotated[int, typer.Option(min=1, max=MAX_LIFE_S, help="For so many seconds.")] = 600,
) -> None:
    """Print an access token for the broker API of a run."""
    ceremony = read_ceremony(run)
    if role.of_agency != (agency is not None):
        raise Refused(f"--agency is for officers and coordinators alone, and they need it; here is '{role}'")
    if agency is None:
        issuer, seed = str(role), ceremony.token_key(role).read_bytes()
    else:
        issuer, seed = agency, asyncio.run(_signing_seed(run, ceremony, AgencyId(agency), role))
    print(
        issue_token(
            seed,
            issuer=issuer,
            subject=subject,
            role=role,
            agency=None if agency is None else AgencyId(agency),
            audience=broker_audience(ceremony.arrangement.body.federation),
            now_s=int(time.time()),
            life_s=life,
        )
    )


async def _signing_seed(folder: Path, ceremony: Ceremony, agency: AgencyId, role: ApiRole) -> bytes:
    """The Ed25519 half of the signing key that the version that holds now names."""
    async with open_secretariat(folder) as office:
        arrangement = (await office.refresh()).arrangement
    entry = arrangement.body.keys.get(agency)
    if entry is None:
        raise Refused(f"'{agency}' is no member, but {', '.join(arrangement.directory.agency_ids)}")
    if role is ApiRole.COORDINATOR and not arrangement.directory.agency(agency).coordinating:
        raise Refused(f"the arrangement does not say that '{agency}' coordinates")
    pair = Keystore(ceremony.agency(agency) / "keys").signing_pair(entry.signing.public())
    if pair is None:
        raise DeployError(f"the keystore of '{agency}' lacks the signing key that holds now")
    return pair.seeds()[:32]


@app.command()
def rebuild(
    folder: Annotated[Path, typer.Argument(help="Folder of the run, as `entente demo` prints it.")],
    store: Annotated[
        str,
        typer.Option(
            envvar="ENTENTE_BROKER_STORE_URL", help="URL of the projection's database; else a SQLite file."
        ),
    ] = "",
) -> None:
    """Throw the projection away and build it again from the ledgers. Nothing else is changed."""
    asyncio.run(_rebuild(Run.open(folder), store))


async def _rebuild(run: Run, store: str) -> None:
    ceremony = read_ceremony(run.folder)
    arrangement, prefix = ceremony.arrangement, run.record.prefix
    console, begun = Console(), time.monotonic()
    async with reached(run) as (bootstrap, _), Database(store or run.projection) as database:
        connection = Connection(bootstrap, client_context(ceremony.tls("broker")))
        signed = Followed(arrangement.digest)
        await signed.load(connection, arrangement_topic(prefix))
        lanes = arrangement.directory.agency_ids
        projection = Projection(database, arrangement.domains, lanes, prefix, signed.rules_of)
        await projection.clear()
        messages = await Follower(projection, connection).catch_up()
        table = Table("lane", "leaves", "admitted", "quarantined", "delivered", "root", box=SIMPLE_HEAD)
        for lane in lanes:
            table.add_row(lane, *await _told(projection, lane))
    console.print(table)
    console.print(f"{messages:,} messages of {len(lanes)} ledgers in {time.monotonic() - begun:.1f} s")


async def _told(projection: Projection, lane: AgencyId) -> list[str]:
    counts, root = await projection.counts(lane), Digest((await projection.frontier(lane)).root())
    numbers = (
        counts.leaves,
        counts.admitted,
        sum(counts.quarantined.values()),
        sum(counts.delivered.values()),
    )
    return [*(f"{n:,}" for n in numbers), f"{root.hex()[:16]}…"]
