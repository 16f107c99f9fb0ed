"""The settings of the broker API, read once in its composition root from one JSON file."""

from pathlib import Path
from typing import Annotated, Self

from pydantic import Base64UrlBytes, Field, SecretStr, model_validator

from schemas.http.settings import Listening
from schemas.http.tokens import ApiRole
from schemas.model import Settings, SettingsPart


class TokenIssuer(SettingsPart):
    """Whoever issues tokens of a role that belongs to no agency; its public key as raw base64url."""

    role: ApiRole
    """Auditor or operator."""
    key: Annotated[Base64UrlBytes, Field(min_length=32, max_length=32)]
    """Its Ed25519 public key, raw, in base64url."""

    @model_validator(mode="after")
    def _of_no_agency(self) -> Self:
        if self.role.of_agency:
            raise ValueError("an agency issues its own tokens, with its signing key in the arrangement")
        return self


class ApiSettings(Listening, Settings):  # type: ignore[misc]  # pydantic merges their configurations
    """Where the API listens, whom it believes, where the cluster is."""

    bootstrap: Annotated[str, Field(pattern=r"^[^,:]+:\d+(,[^,:]+:\d+)*$")]
    """The cluster's servers, as `host:port`, with commas between them."""
    keys: Path
    """Folder with `ca.pem` and `tls.pem`: the broker's identity on the cluster. No key that signs is read."""
    genesis: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    """Digest of the arrangement's first version: the only root of trust."""
    prefix: str = ""
    """What the names of all topics begin with, on a cluster that is shared."""
    broker_store_url: SecretStr
    """URL of the projection's database, as SQLAlchemy writes it: SQLite or PostgreSQL. It may hold a password."""
    issuers: dict[str, TokenIssuer] = Field(default_factory=dict)
    """By the name that stands in their tokens; auditors and operators."""
    most_body: Annotated[int, Field(ge=1024, le=16 * 1024 * 1024)] = 256 * 1024
    """The largest body of a request, in bytes."""
    most_streams: Annotated[int, Field(gt=0, le=10_000)] = 100
    """Event streams open at once, of all callers."""
    most_work_s: Annotated[int, Field(gt=0, le=3600)] = 60
    """Processor time that a tool may take over a caller's draft of the rules, in seconds."""
    most_lag: Annotated[int, Field(ge=0)] = 1000
    """How many ledger messages the projection may be behind and still be called ready."""
