"""The settings of a node host, read once in the composition root from one JSON file."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from schemas.directory import AgencyField
from schemas.model import Model


class PlanSettings(Model):
    """A seeded plan that a node plays into its outbox. `per_second` None: as fast as the outbox takes."""

    seed: int
    records: Annotated[int, Field(ge=0)]
    per_second: Annotated[float, Field(gt=0)] | None = None


class NodeSettings(Model):
    """One agency's node."""

    agency: AgencyField
    keys: Path
    """Folder with `ca.pem`, `tls.pem`, `signing.key`, `opening.key`: this agency's own."""
    store: str
    """URL of the SQL store, as SQLAlchemy writes it."""
    plan: PlanSettings | None = None
    heads_every_s: Annotated[float, Field(gt=0, le=86_400)] = 60.0
    """How often the broker tells every chain's head, as its own settings have it; three times so long is silence."""
    script: Path | None = None
    """File of the acts that a scenario has for this agency."""


class HostSettings(Model):
    """The cluster, the root of trust, and the nodes of one host process."""

    bootstrap: Annotated[str, Field(pattern=r"^[^,:]+:\d+(,[^,:]+:\d+)*$")]
    genesis: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    prefix: str = ""
    nodes: Annotated[tuple[NodeSettings, ...], Field(min_length=1)]
