"""The broker's settings, read once in the composition root from one JSON file."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from schemas.model import Model


class BrokerSettings(Model):
    """Where the cluster is, where the broker's own keys are, and the root of trust."""

    bootstrap: Annotated[str, Field(pattern=r"^[^,:]+:\d+(,[^,:]+:\d+)*$")]
    keys: Path
    """Folder with `ca.pem`, `tls.pem` and `signing.key`: the broker's own, and nothing else."""
    state: Path
    """Folder for the record index."""
    genesis: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    prefix: str = ""
    shard: Annotated[int, Field(ge=0)] = 0
    heads_every_s: Annotated[float, Field(gt=0, le=86_400)] = 60.0
    """How often every recipient is told all heads, and each ledger that moved is signed. Real time."""
