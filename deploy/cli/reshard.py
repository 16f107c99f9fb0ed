"""`entente reshard`: lanes move to other shards, with the broker stopped.

The version that moves them is proposed and signed as any other (`entente arrangement propose RUN --shards N`, `sign`).
This publishes it, and brings the state of each lane to its new shard. Called again after it broke off, it goes on.
Nodes may run meanwhile; what they publish waits.
"""

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from broker.errors import BrokerError
from broker.kafka import Connection
from broker.reshard import Move, reshard
from deploy.ceremony import read_ceremony
from deploy.cli.arrangement import open_secretariat
from deploy.errors import DeployError, Refused
from deploy.secretariat import Secretariat
from deploy.stage.reach import reached
from deploy.stage.run import Run
from deploy.topics import apply_topics
from schemas.arrangement import Arrangement, ArrangementError, moves_lanes, read_proposal
from schemas.history import is_clock
from schemas.transport import client_context

app = typer.Typer(add_completion=False, help="Move lanes to other shards, with the broker stopped.")


@app.command()
def command(
    proposal: Annotated[Path, typer.Argument(help="File of the version, signed by enough members.")],
    run: Annotated[Path, typer.Option("--run", help="Folder of the run.")],
) -> None:
    """Publish a version that moves lanes, and bring the state of each lane to its new shard."""
    try:
        data = proposal.read_bytes()
        if is_clock(data):
            raise ArrangementError("expected a version that moves lanes, found a change of the clock")
        wanted = read_proposal(data)[0]
    except (OSError, ArrangementError) as error:
        raise Refused(f"'{proposal}': {error}") from error
    moves = asyncio.run(_reshard(run, data, wanted))
    for move in moves:
        Console().print(f"lane '{move.lane}': shard {move.before} -> {move.after}", highlight=False)
    Console().print(f"{len(moves)} lanes moved; start a worker for each shard", highlight=False)


async def _reshard(folder: Path, data: bytes, wanted: Arrangement) -> list[Move]:
    run, ceremony = Run.open(folder), read_ceremony(folder)
    async with reached(run) as cluster, open_secretariat(folder) as office:
        current = (await office.refresh()).arrangement
        if wanted.digest != current.digest:
            await _publish(office, data, wanted, current)
        directory, partitions = wanted.directory, office.history.partitions
        await apply_topics(
            cluster.bootstrap,
            cluster.admin_tls,
            directory.agency_ids,
            shards=partitions,
            prefix=run.record.prefix,
            grow=True,
        )
        broker = Connection(cluster.bootstrap, client_context(ceremony.broker / "keys"))
        try:
            return await reshard(broker, run.record.prefix, directory, partitions)
        except BrokerError as error:
            raise DeployError(f"lanes are not moved; the same call goes on: {error}") from error


async def _publish(office: Secretariat, data: bytes, wanted: Arrangement, current: Arrangement) -> None:
    """Publish the version, before anything else: from then on no worker serves a lane by the old one."""
    try:
        if not moves_lanes(wanted.body, current.body):
            raise ArrangementError(
                "it moves no lane; `entente arrangement activate` is for all other changes"
            )
        await office.publish(data)
    except ArrangementError as error:
        raise Refused(f"the version is refused, and nothing has changed: {error}") from error
