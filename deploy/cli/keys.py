"""`entente keys`: new keys for an agency or the broker, while everything runs.

    entente keys rotate RUN --agency fr-oltim --signing --opening --out v1.bin   # then arrangement sign and activate
    entente keys rotate RUN --broker --signing --out v1.bin
    entente keys tls RUN --principal fr-oltim

- New private keys lie in the keystore before any version names them, and the old ones stay: what was sealed to an old
  opening key is opened by it for as long as it is kept.
- The proposal bears the agency's own signature already; other members add theirs by `entente arrangement sign`. The
  broker is no member: nobody has signed the proposal of its key.
"""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from agencies.keystore import Keystore, OpeningKey, write_secret
from broker.keystore import later_file
from broker.policy.differences import differences
from deploy.ceremony import read_ceremony
from deploy.cli.arrangement import RunFolder, open_secretariat
from deploy.errors import DeployError, Refused
from deploy.pki import Authority, write_tls
from deploy.secretariat import propose_broker_key, propose_rotation, read_identities
from deploy.stage.run import Run
from schemas.arrangement import Arrangement, read_proposal
from schemas.clock import MappedClock, SystemClock
from schemas.ids import AgencyId
from schemas.keys import SigningPair
from schemas.topics import AUDITOR, BROKER, FEDERATION

app = typer.Typer(no_args_is_help=True, help="Give an agency or the broker new keys while everything runs.")


@app.callback()
def keys() -> None:
    """Give an agency or the broker new keys while everything runs."""


@app.command()
def rotate(
    run: RunFolder,
    out: Annotated[Path, typer.Option(help="File of the proposal to write.")],
    agency: Annotated[str, typer.Option(help="The agency whose keys.")] = "",
    broker: Annotated[bool, typer.Option("--broker", help="The broker's key, not an agency's.")] = False,
    signing: Annotated[bool, typer.Option("--signing", help="A new signing pair.")] = False,
    opening: Annotated[bool, typer.Option("--opening", help="A new opening key.")] = False,
    overlap_hours: Annotated[
        float,
        typer.Option(
            min=0.01, help="How long an agency's old signing key is good beside it, in domain time."
        ),
    ] = 168,
) -> None:
    """Make new keys in the keystore of an agency or the broker, and propose the version that names them."""
    if broker == bool(agency):
        raise typer.BadParameter("--agency or --broker says whose keys")
    if broker and opening:
        raise typer.BadParameter("the broker opens nothing, and has no --opening key")
    if not (signing or opening):
        raise typer.BadParameter("--signing, --opening or both say what is to be new")
    overlap = timedelta(hours=overlap_hours)
    work = _rotate_broker(run) if broker else _rotate(run, AgencyId(agency), signing, opening, overlap)
    data = asyncio.run(work)
    out.write_bytes(data)
    Console().print(f"proposed in '{out}'; `entente arrangement sign` is next", highlight=False)


async def _rotate(folder: Path, agency: AgencyId, signing: bool, opening: bool, overlap: timedelta) -> bytes:
    async with open_secretariat(folder) as office:
        standing = await office.refresh()
        current = standing.arrangement
        entry = current.body.keys.get(agency)
        if entry is None:
            raise Refused(f"'{agency}' is no member, but {', '.join(current.directory.agency_ids)}")
        store = Keystore(read_ceremony(folder).agency(agency) / "keys")
        pair = SigningPair.generate() if signing else store.signing_pair(entry.signing.public())
        if pair is None:
            raise DeployError(f"the keystore of '{agency}' lacks the signing key that holds now")
        key = OpeningKey.generate() if opening else None
        for new in ([pair] if signing else []) + ([key] if key is not None else []):
            store.add(current.domains, new)
        clock = MappedClock(SystemClock())
        clock.map = standing.clock
        data = propose_rotation(
            current,
            agency,
            read_identities(folder, [agency])[agency],
            pair,
            entry.opening.public() if key is None else key.public,
            datetime.fromtimestamp(clock.now_ms() / 1000, UTC) + overlap,
        )
        _tell(current, data)
        return data


async def _rotate_broker(folder: Path) -> bytes:
    async with open_secretariat(folder) as office:
        current = (await office.refresh()).arrangement
        pair = SigningPair.generate()
        name = later_file(pair.public.key_id(current.domains))
        write_secret(read_ceremony(folder).broker / "keys" / name, pair.seeds())
        data = propose_broker_key(current, pair.public)
        _tell(current, data)
        return data


def _tell(current: Arrangement, data: bytes) -> None:
    for line in differences(current.body, read_proposal(data)[0].body):
        Console().print(f"  {line}", markup=False, highlight=False)


@app.command()
def tls(
    run: RunFolder,
    principal: Annotated[str, typer.Option(help="An agency, or broker, auditor, federation.")],
) -> None:
    """Put a new certificate in the place of the old one; what connects from then on shows it."""
    ceremony = read_ceremony(run)
    services = {name: ceremony.tls(name) for name in (BROKER, AUDITOR, FEDERATION)}
    folders = services | {a: ceremony.agency(a) / "keys" for a in ceremony.arrangement.directory.agency_ids}
    if principal not in folders:
        raise Refused(f"'{principal}' has no certificate here, but {', '.join(sorted(folders))}")
    write_tls(folders[principal], Authority.load(Run.open(run).authority).issue(principal))
    Console().print(f"a new certificate for '{principal}' is in place", highlight=False)
