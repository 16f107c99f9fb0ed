"""The broker's API as an officer of ours may use it: tokens that the node signs, and decisions fetched with them.

A token is signed with the Ed25519 half of the signing key that the arrangement names, so the broker knows it without
having been told. The officer is its subject: the broker's log says who asked.
"""

import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx

from schemas.arrangement import Arrangement
from schemas.http.tokens import ApiRole, broker_audience, issue_token
from schemas.ids import AgencyId, OfficerId
from schemas.keys import SigningPair

_LIFE_S: Final = 600
_SECONDS: Final = 10.0
_MOST: Final = 64 * 1024 * 1024


class BrokerAway(Exception):
    """The broker's API is not reached, or does not answer as one."""


class BrokerRefuses(Exception):
    """It answers with a refusal."""

    def __init__(self, status: int) -> None:
        super().__init__(f"answered {status}")
        self.status = status


@dataclass(frozen=True, slots=True)
class BrokerToken:
    """A token and when it ends, in real seconds."""

    text: str
    expires_s: int


class BrokerDoor:
    """Mints tokens, and asks with them. `signing`: what holds now; `url` None: decisions are not fetched."""

    def __init__(
        self,
        agency: AgencyId,
        signing: Callable[[], tuple[Arrangement, SigningPair]],
        url: str | None,
        tls: ssl.SSLContext | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._agency = agency
        self._signing = signing
        self.url = url
        self._tls = tls
        self._transport = transport

    def token(self, officer: OfficerId) -> BrokerToken:
        """For ten minutes, in the role of an officer."""
        arrangement, pair = self._signing()
        now_s = int(time.time())
        text = issue_token(
            pair.seeds()[:32],
            issuer=self._agency,
            subject=officer,
            role=ApiRole.OFFICER,
            agency=self._agency,
            audience=broker_audience(arrangement.body.federation),
            now_s=now_s,
            life_s=_LIFE_S,
        )
        return BrokerToken(text, now_s + _LIFE_S)

    async def get(self, officer: OfficerId, path: str, query: Mapping[str, str | int]) -> dict[str, Any]:
        """What it answers. Raises: `BrokerAway`, `BrokerRefuses`."""
        if self.url is None:
            raise BrokerAway
        try:
            async with httpx.AsyncClient(
                base_url=self.url,
                headers={"authorization": f"Bearer {self.token(officer).text}"},
                verify=self._tls or ssl.create_default_context(),
                transport=self._transport,
                trust_env=False,
                timeout=_SECONDS,
            ) as client:
                answered = await client.get(path, params=dict(query))
                if answered.status_code != httpx.codes.OK:
                    raise BrokerRefuses(answered.status_code)
                if len(answered.content) > _MOST:
                    raise BrokerAway
                found = answered.json()
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            raise BrokerAway from error
        if not isinstance(found, dict):
            raise BrokerAway
        return found
