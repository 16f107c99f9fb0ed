"""A client of a node's officers' API, as the commands use it: where it is, as whom, and how its refusals are told."""

import json
import time
from pathlib import Path
from typing import Any, Self

import httpx
from pydantic import ValidationError

from agencies.keystore import ISSUING
from deploy.ceremony import read_ceremony
from deploy.errors import DeployError, Refused
from deploy.stage.addresses import read_addresses
from schemas.http.tokens import ApiRole, issue_token, node_audience
from schemas.ids import AgencyId

_SECONDS = 60.0


def officer_token(folder: Path, agency: str, officer: str, life_s: int = 600) -> str:
    """A token for an agency's node in a run; `officer` by id, or by the last part of one of its own.

    Raises: `Refused` for an agency that the run does not have.
    """
    ceremony = read_ceremony(folder)
    arrangement = ceremony.arrangement
    if agency not in arrangement.directory.agency_ids:
        raise Refused(f"'{agency}' is no member, but {', '.join(arrangement.directory.agency_ids)}")
    own = AgencyId(agency)
    return issue_token(
        (ceremony.agency(own) / "keys" / ISSUING).read_bytes(),
        issuer=own,
        subject=officer if "/" in officer else f"{own}/{officer}",
        role=ApiRole.OFFICER,
        agency=own,
        audience=node_audience(arrangement.body.federation, own),
        now_s=int(time.time()),
        life_s=life_s,
    )


class OfficerClient:
    """Asks one node as one officer. As a context manager it lets go of its connection."""

    def __init__(
        self, url: str, token: str, ca: Path | None = None, transport: httpx.BaseTransport | None = None
    ) -> None:
        """Raises: `Refused` for a file of authorities that cannot be used."""
        try:
            verify = True if ca is None else httpx.create_ssl_context(verify=str(ca))
            self._client = httpx.Client(
                base_url=url,
                headers={"authorization": f"Bearer {token}"},
                verify=verify,
                transport=transport,
                trust_env=False,
                timeout=_SECONDS,
            )
        except (OSError, httpx.InvalidURL, UnicodeEncodeError) as error:
            raise Refused(f"cannot ask '{url}': {error}") from error

    @classmethod
    def of_run(cls, folder: Path, agency: str, officer: str) -> Self:
        """A run that is kept. Raises: `Refused`, `DeployError`."""
        token = officer_token(folder, agency, officer)
        try:
            url = read_addresses(folder).agencies[AgencyId(agency)]
        except (OSError, ValidationError, KeyError) as error:
            raise Refused(
                f"'{folder}' says nothing of an API of '{agency}': `entente demo --keep` has one"
            ) from error
        return cls(url, token)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def get(self, path: str, **query: Any) -> dict[str, Any]:
        """Raises: `DeployError`, `Refused`."""
        given = {name: value for name, value in query.items() if value is not None}
        return self._asked("GET", path, params=given)

    def post(self, path: str, body: Any, **headers: str) -> dict[str, Any]:
        """Raises: `DeployError`, `Refused`."""
        return self._asked("POST", path, json=body, headers=headers)

    def _asked(self, method: str, path: str, **more: Any) -> dict[str, Any]:
        try:
            answered = self._client.request(method, path, **more)
        except httpx.HTTPError as error:
            raise DeployError(
                f"'{self._client.base_url}' does not answer ({type(error).__name__})"
            ) from error
        if answered.status_code != httpx.codes.OK:
            raise _refusal(answered)
        found: dict[str, Any] = answered.json()
        return found


def _refusal(answered: httpx.Response) -> DeployError:
    """A problem in words; 404 and what the node cannot do now are no mistake of the call."""
    try:
        problem = answered.json()
        said = [problem["title"], problem.get("detail"), problem.get("reason")]
        told = ": ".join(str(part) for part in said if part)
        faults = [f"  {fault['where']}: expected {fault['expected']}" for fault in problem.get("faults", ())]
    except (json.JSONDecodeError, KeyError, TypeError):
        told, faults = f"answered {answered.status_code}", []
    kind = DeployError if answered.status_code in (404, 429) or answered.status_code >= 500 else Refused
    return kind("\n".join([told, *faults]))
