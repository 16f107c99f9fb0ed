"""`entente broker`: access to a run's broker API.

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

from agencies.keystore import Keystore
from deploy.ceremony import Ceremony, read_ceremony
from deploy.cli.arrangement import RunFolder, open_secretariat
from deploy.errors import DeployError, Refused
from schemas.http.tokens import MAX_LIFE_S, ApiRole, broker_audience, issue_token
from schemas.ids import AgencyId

app = typer.Typer(no_args_is_help=True, help="Access to a run's broker API.")


@app.callback()
def broker() -> None:
    """Access to a run's broker API."""


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
