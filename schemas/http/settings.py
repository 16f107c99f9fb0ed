"""The settings that every HTTP service has: where it listens, whom it believes, how much a caller may ask for."""

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


class Listening(SettingsPart):
    """Part of a service's settings. In clear text it listens to this host alone, or to a proxy."""

    host: str = "127.0.0.1"
    """Where it listens."""
    port: Annotated[int, Field(ge=0, le=65_535)] = 0
    """0: one that is free; it is told at the start."""
    tls: ServerTls | None = None
    """None only on this host itself, or behind a proxy that speaks TLS (`behind_proxy`)."""
    behind_proxy: bool = False
    """A proxy before it speaks TLS and says who calls."""
    providers: tuple[Provider, ...] = ()
    """OpenID Connect providers whose tokens are believed beside those of our own issuers."""
    address_rate: Rates = Rates(a_second=100, burst=400)
    """For each address."""
    caller_rate: Rates = Rates(a_second=50, burst=200)
    """For each caller."""

    @model_validator(mode="after")
    def _guarded(self) -> Self:
        if self.tls is None and not self.behind_proxy and self.host not in ("127.0.0.1", "::1", "localhost"):
            raise ValueError("`tls` is needed for a host other than this one, or `behind_proxy`")
        return self
