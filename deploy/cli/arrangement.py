"""`entente arrangement`: change what holds in a running federation, signed by its members, without a restart.

Rules without a fault, test cases that hold, proofs: proposing, signing and activating each run these checks on the
version itself, and stop at what does not pass.

propose RUN --from FOLDER --out FILE    a new version from an arrangement's folder, a change of the clock (--speed),
                                        or lanes spread anew (--shards), which `entente reshard` puts into force
sign FILE --run RUN --as AGENCY ..      with the offline identity key of each agency
activate FILE --run RUN                 published if enough have signed; returns when every lane acts on it
show RUN                                what was signed, and what holds in each lane
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from broker.policy.checks import checks, require
from broker.policy.differences import differences, rewritten
from broker.policy.proof.changes import Side, changes
from deploy.arrangements import ArrangementError as SourceError
from deploy.arrangements import source_of, spread
from deploy.ceremony import read_ceremony
from deploy.cli.policy.check import show_steps
from deploy.cli.policy.common import read_source
from deploy.cli.policy.plan import recorded_changes, show_plan
from deploy.errors import DeployError, Refused
from deploy.secretariat import (
    Secretariat,
    countersigned,
    propose_change,
    propose_lanes,
    propose_version,
    read_identities,
)
from deploy.stage.reach import reached, running
from deploy.stage.run import Run
from deploy.stage.words import clock_in_words
from schemas.arrangement import ArrangementError, moves_lanes, read_proposal
from schemas.history import is_clock, read_clock
from schemas.ids import AgencyId
from schemas.topics import FEDERATION

app = typer.Typer(no_args_is_help=True, help="Change what holds in a running federation.")

RunFolder = Annotated[Path, typer.Argument(help="Folder of the run, as `entente demo --keep` prints it.")]
RunOption = Annotated[Path, typer.Option("--run", help="Folder of the running federation.")]
Proposal = Annotated[Path, typer.Argument(help="File of the proposal.")]

_LEAD_MS = 3000  # every node and lane should know of a clock's piece before it begins


@app.callback()
def arrangement() -> None:
    """Change what holds in a running federation."""


@app.command()
def propose(
    run: RunFolder,
    out: Annotated[Path, typer.Option(help="File to write.")],
    source: Annotated[
        str | None,
        typer.Option("--from", help="Folder of the new arrangement, or the name of a shipped one."),
    ] = None,
    speed: Annotated[
        float | None,
        typer.Option(min=0, help="Run domain time so many times as fast as real time; 0 pauses it."),
    ] = None,
    shards: Annotated[int | None, typer.Option(min=1, help="Spread the lanes over so many shards.")] = None,
) -> None:
    """Write a proposal that nobody has signed yet: a version (--from, --shards) or a change of the clock (--speed)."""
    if sum(asked is not None for asked in (source, speed, shards)) != 1:
        raise typer.BadParameter("exactly one of --from, --speed and --shards says what is to change")
    work = _propose(run, source, speed) if shards is None else _propose_lanes(run, shards)
    out.write_bytes(asyncio.run(work))
    Console().print(f"proposed in '{out}'; `entente arrangement sign` is next", highlight=False)


async def _propose_lanes(folder: Path, shards: int) -> bytes:
    """For a run that goes on or one that is over: its cluster is booted again for this time."""
    async with reached(Run.open(folder)), open_secretariat(folder) as office:
        current = (await office.refresh()).arrangement
        try:
            directory = spread(current.directory, shards)
        except SourceError as error:
            raise Refused(str(error)) from error
        data = propose_lanes(current, directory)
        for line in differences(current.body, read_proposal(data)[0].body):
            Console().print(f"  {line}", markup=False, highlight=False)
        return data


async def _propose(folder: Path, source: str | None, speed: float | None) -> bytes:
    async with open_secretariat(folder) as office:
        standing = await office.refresh()
        console = Console()
        if source is not None:
            written = read_source(source)
            if written.federation != standing.arrangement.body.federation:
                raise Refused(
                    f"'{source}' is the arrangement of '{written.federation}', this run is of "
                    f"'{standing.arrangement.body.federation}'"
                )
            data = propose_version(standing.arrangement, written)
            held = source_of(standing.arrangement.body)
            lines = rewritten(held, written)
            if not lines:
                raise Refused(f"'{source}' says what holds already")
            at_ms = standing.clock.to_domain(time.time_ns() // 1_000_000)
            steps = list(checks(written, at_ms))
            show_steps(steps)
            if not all(step.passed for step in steps):
                raise DeployError(f"nothing is proposed: '{source}' does not pass")
            # What changes in writing, in what this run has decided so far, and in anything that could be.
            found = changes(Side(held.policy, held.directory), Side(written.policy, written.directory), at_ms)
            show_plan(lines, found, await recorded_changes(held, written, [folder]), held)
            return data
        assert speed is not None
        begins = time.time_ns() // 1_000_000 + _LEAD_MS
        clock = standing.clock.runs(begins, round(speed * 1_000_000))
        console.print(f"  {clock_in_words(clock)}", highlight=False)
        return propose_change(office.history, clock)


def _require(proposal: Path, data: bytes) -> None:
    """Raises: `DeployError` for a version that does not pass what each must pass before anybody signs it."""
    if is_clock(data):
        return
    try:
        require(source_of(read_proposal(data)[0].body), time.time_ns() // 1_000_000)
    except SourceError as error:
        raise DeployError(f"'{proposal}' is refused, and what held holds on:\n{error}") from error


@app.command()
def sign(
    proposal: Proposal,
    run: RunOption,
    agencies: Annotated[list[str], typer.Option("--as", help="An agency that signs; may be given again.")],
) -> None:
    """Add the signatures of agencies' offline identity keys to a proposal."""
    data, current = _read(proposal), read_ceremony(run).arrangement
    known = current.directory.agency_ids
    if unknown := [a for a in agencies if a not in known]:
        raise Refused(f"'{unknown[0]}' is no member, but {', '.join(known)}")
    try:
        _require(proposal, data)
        identities = read_identities(run, [AgencyId(a) for a in agencies])
        data = countersigned(data, current, identities)
    except ArrangementError as error:
        raise Refused(f"'{proposal}': {error}") from error
    proposal.write_bytes(data)
    Console().print(f"signed by {', '.join(_signers(data))}", highlight=False)


@app.command()
def activate(proposal: Proposal, run: RunOption) -> None:
    """Publish a proposal that enough members have signed, and wait until every lane acts on it."""
    asyncio.run(_activate(run, _read(proposal), proposal))


async def _activate(folder: Path, data: bytes, proposal: Path) -> None:
    async with open_secretariat(folder) as office:
        standing = await office.refresh()
        if not is_clock(data) and moves_lanes(read_proposal(data)[0].body, standing.arrangement.body):
            raise Refused(f"'{proposal}' moves lanes: stop the broker, and use `entente reshard`")
        try:
            standing = await office.publish(data)
        except ArrangementError as error:
            raise Refused(f"'{proposal}' is refused, and what held holds on: {error}") from error
        await office.activated(standing)
        Console().print(
            f"version {standing.arrangement.body.number} and its clock hold in every lane", highlight=False
        )


@app.command()
def show(run: RunFolder) -> None:
    """Show what was signed, and what holds in each lane."""
    asyncio.run(_show(run))


async def _show(folder: Path) -> None:
    async with open_secretariat(folder) as office:
        await office.refresh()
        history = office.history
        active = await office.activations()
    console = Console()
    table = Table("version", "digest", "clock", "what it changes", title="signed", box=SIMPLE_HEAD)
    before = None
    for standing in history.standings:
        body = standing.arrangement.body
        changes = ["the genesis"] if before is None else differences(before.arrangement.body, body)
        words = clock_in_words(standing.clock) if before is None or before.clock != standing.clock else ""
        table.add_row(
            str(body.number), standing.arrangement.digest.hex()[:16] + "…", words, "\n".join(changes)
        )
        before = standing
    console.print(table)
    numbers = {s.arrangement.digest: s.arrangement.body.number for s in history.standings}
    lanes = Table("lane", "version", "clock", "from offset", title="active", box=SIMPLE_HEAD)
    for lane, activation in active.items():
        if activation is None:
            lanes.add_row(lane, "none yet", "", "")
        else:
            number = numbers.get(activation.arrangement)  # type: ignore[call-overload]
            lanes.add_row(lane, str(number), clock_in_words(activation.clock), str(activation.offset))
    console.print(lanes)


def _read(proposal: Path) -> bytes:
    try:
        return proposal.read_bytes()
    except OSError as error:
        raise Refused(f"'{proposal}' cannot be read: {error.strerror}") from error


def _signers(data: bytes) -> tuple[str, ...]:
    if is_clock(data):
        return tuple(member.agency for member in read_clock(data)[0].signatures)
    return read_proposal(data)[1]


@asynccontextmanager
async def open_secretariat(folder: Path) -> AsyncIterator[Secretariat]:
    """The secretariat of a run that goes on. Raises: `DeployError`."""
    run, ceremony = Run.open(folder), read_ceremony(folder)
    found = running(run)
    if found is None:
        raise DeployError(f"'{folder}' does not run; start it with `entente demo --keep`")
    office = Secretariat.of(
        found.bootstrap,
        ceremony.tls(FEDERATION),
        found.admin_tls,
        run.record.prefix,
        ceremony.arrangement,
    )
    try:
        yield office
    finally:
        await office.close()
