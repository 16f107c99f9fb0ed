"""The settings of a node's officers' API, a part of the node's own."""

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from schemas.http.oidc import Provider
from schemas.model import SettingsPart


class Rates(SettingsPart):
    """Requests: `burst` at once and `a_second` after that, for each address and for each caller."""

    a_second: Annotated[float, Field(gt=0, le=100_000)]
    """So many a second."""
    burst: Annotated[int, Field(gt=0, le=1_000_000)]
    """And so many at once."""


class ServerTls(SettingsPart):
    """Certificate with its chain, and key, as PEM files."""

    certificate: Path
    """PEM file of the certificate with its chain."""
    key: Path
    """PEM file of its key."""


class OfficersApi(SettingsPart):
    """Where the API listens, and whom it believes."""

    officers: Path
    """The roster of the agency's own staff (`agencies.roster`)."""
    host: str = "127.0.0.1"
    """Where it listens."""
    port: Annotated[int, Field(ge=0, le=65_535)] = 0
    """0: one that is free; it is logged."""
    tls: ServerTls | None = None
    """None only on this host itself, or behind a proxy that speaks TLS (`behind_proxy`)."""
    behind_proxy: bool = False
    """A proxy before it speaks TLS and says who calls."""
    providers: tuple[Provider, ...] = ()
    """Whose tokens are believed beside those that `token.key` in the folder of keys signs."""
    broker: Annotated[str, Field(pattern=r"^https?://[^\s?#]+$", max_length=255)] | None = None
    """The broker's API, where decisions on what we published are fetched; None: they are not."""
    broker_ca: Path | None = None
    """Whom to believe there; None: the machine's own authorities."""
    most_body: Annotated[int, Field(ge=1024, le=16 * 1024 * 1024)] = 6 * 1024 * 1024
    """The largest body of a request, in bytes."""
    address_rate: Rates = Rates(a_second=100, burst=400)
    """For each address."""
    caller_rate: Rates = Rates(a_second=50, burst=200)
    """For each caller."""

    @model_validator(mode="after")
    def _guarded(self) -> Self:
        if self.tls is None and not self.behind_proxy and self.host not in ("127.0.0.1", "::1", "localhost"):
            raise ValueError("`tls` is needed for a host other than this one, or `behind_proxy`")
        return self
