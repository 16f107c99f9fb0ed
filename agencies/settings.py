"""The settings of a node host, read once in the composition root from one JSON file and the environment."""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from agencies.api.settings import OfficersApi
from schemas.directory import AgencyField
from schemas.model import Settings, SettingsPart


def _store_url(secret: SecretStr) -> SecretStr:
    """Raises: `ValueError`, which does not quote it."""
    try:
        make_url(secret.get_secret_value())
    except (ArgumentError, ValueError):
        raise ValueError("a database URL as SQLAlchemy writes it is expected") from None
    return secret


StoreUrl = Annotated[SecretStr, AfterValidator(_store_url)]
"""A URL may hold a password, so it is shown nowhere."""


class PlanSettings(SettingsPart):
    """A seeded plan that a node plays into its outbox."""

    seed: int
    """The same seed gives the same records."""
    records: Annotated[int, Field(ge=0)]
    """How many the node publishes in all, over all its starts."""
    per_second: Annotated[float, Field(gt=0)] | None = None
    """How fast; none: as fast as the outbox takes."""


class NodeSettings(SettingsPart):
    """One agency's node."""

    agency: AgencyField
    """Its id in the arrangement."""
    keys: Path
    """Folder with `ca.pem`, `tls.pem`, `signing.key`, `opening.key`: this agency's own; `token.key` for an API."""
    store: StoreUrl
    """URL of the SQL store, as SQLAlchemy writes it."""
    plan: PlanSettings | None = None
    """For a simulation: records of a seeded plan."""
    heads_every_s: Annotated[float, Field(gt=0, le=86_400)] = 60.0
    """How often the broker tells every chain's head, as its own settings have it; three times so long is silence."""
    script: Path | None = None
    """For a simulation: file of the acts that a scenario has for this agency."""
    api: OfficersApi | None = None
    """The API for its officers; none: there is no API."""


class HostSettings(Settings):
    """The cluster, the root of trust, and the nodes of one host process."""

    bootstrap: Annotated[str, Field(pattern=r"^[^,:]+:\d+(,[^,:]+:\d+)*$")]
    """Kafka's servers, `host:port`, comma between them."""
    genesis: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    """Digest of the arrangement's first version: the only root of trust."""
    prefix: str = ""
    """What the names of all topics begin with, on a cluster that is shared."""
    nodes: Annotated[tuple[NodeSettings, ...], Field(min_length=1)]
    """The nodes of this host."""
