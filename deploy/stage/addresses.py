"""Where the APIs of a run are: `apis.json` in its folder, for people, commands and clients.

    {"broker": "http://127.0.0.1:40123", "agencies": {"gb-nca": "http://127.0.0.1:40124"}}

Ports are chosen free before the services start, and are theirs over every restart.
"""

from pathlib import Path
from typing import Final

from pydantic import Field

from schemas.directory import AgencyField
from schemas.model import Model

APIS: Final = "apis.json"
BROKER_API: Final = "broker-api"
ADDRESS: Final = "broker api at "
"""What the broker API prints before its address."""


class Addresses(Model):
    """The base URL of each API that runs."""

    broker: str | None = None
    agencies: dict[AgencyField, str] = Field(default_factory=dict)


def address_in(said: str) -> str:
    """The address that the broker API has printed last. Raises: `IndexError` if it has not."""
    return said.rsplit(ADDRESS, 1)[1].split()[0]


def write_addresses(folder: Path, addresses: Addresses) -> None:
    """Write them down, all at once: who reads meanwhile sees the old ones or the new ones."""
    part = folder / f".{APIS}.part"
    part.write_text(addresses.model_dump_json(indent=2) + "\n")
    part.rename(folder / APIS)


def read_addresses(folder: Path) -> Addresses:
    """Raises: `OSError`, `pydantic.ValidationError` where a run has none."""
    return Addresses.model_validate_json((folder / APIS).read_bytes())
