"""The settings of a node's officers' API, a part of the node's own."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from schemas.http.settings import Listening


class OfficersApi(Listening):
    """Where the API listens, and whom it believes beside those whose tokens `token.key` signs."""

    officers: Path
    """The roster of the agency's own staff (`agencies.roster`)."""
    broker: Annotated[str, Field(pattern=r"^https?://[^\s?#]+$", max_length=255)] | None = None
    """The broker's API, where decisions on what we published are fetched; None: they are not."""
    broker_ca: Path | None = None
    """Whom to believe there; None: the machine's own authorities."""
    most_body: Annotated[int, Field(ge=1024, le=16 * 1024 * 1024)] = 6 * 1024 * 1024
    """The largest body of a request, in bytes."""
