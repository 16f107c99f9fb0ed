"""The broker's settings, read once in the composition root from one JSON file and the environment."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from schemas.model import Settings


class BrokerSettings(Settings):
    """Where the cluster is, where the broker's own keys are, and the root of trust."""

    bootstrap: Annotated[str, Field(pattern=r"^[^,:]+:\d+(,[^,:]+:\d+)*$")]
    """Kafka's servers, `host:port`, comma between them."""
    keys: Path
    """Folder with `ca.pem`, `tls.pem`, `signing.key` and those that follow it: the broker's own, and nothing else."""
    state: Path
    """Folder for the record index, a cache that is made anew from the ledgers when it is lost."""
    genesis: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    """Digest of the arrangement's first version: the only root of trust."""
    prefix: str = ""
    """What the names of all topics begin with, on a cluster that is shared."""
    shard: Annotated[int, Field(ge=0)] = 0
    """Which shard's lanes this worker serves."""
    heads_every_s: Annotated[float, Field(gt=0, le=86_400)] = 60.0
    """How often every recipient is told all heads, and each ledger that moved is signed. Real time."""
