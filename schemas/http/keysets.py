"""Where a provider's keys come from: its file, or its own discovery, fetched through a port and kept for a while.

- Keys are fetched at first use, again when they are old, and when a token names one that we do not have; the last
  not more than once a minute, whoever makes up key ids.
- While a provider cannot be reached, its last keys hold for an hour; then nobody is believed.
- One fetch at a time; who comes meanwhile waits for it.
"""

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Final

from schemas.http.oidc import Keys, Provider, UnknownKey, is_loopback, verify_provider_token
from schemas.http.tokens import Caller

log = logging.getLogger("entente.http.keysets")

#: Reads a URL, or raises `OSError`; sizes and seconds are bounded by whoever implements it.
Fetch = Callable[[str], Awaitable[bytes]]

_FRESH_S: Final = 900.0
_AGAIN_S: Final = 60.0
_LAST_S: Final = 3600.0


class ProviderUnreachable(Exception):
    """No keys to check a token with: neither believed nor refused, try later."""


class KeySource:
    """The keys of one provider."""

    def __init__(self, provider: Provider, fetch: Fetch, now: Callable[[], float] = time.monotonic) -> None:
        self.provider = provider
        self._fetch = fetch
        self._now = now
        self._keys: Keys | None = None
        self._held_since = 0.0
        self._tried: float | None = None
        self._fetching = asyncio.Lock()

    async def caller(self, text: str, now_s: int) -> Caller:
        """Who calls by this token. Raises: `schemas.http.tokens.BadToken`, `ProviderUnreachable`."""
        keys = await self._current(older_than=_FRESH_S)
        try:
            return verify_provider_token(text, self.provider, keys, now_s)
        except UnknownKey:
            newer = await self._current(older_than=_AGAIN_S)
            if newer is keys:
                raise
            return verify_provider_token(text, self.provider, newer, now_s)

    async def _current(self, older_than: float) -> Keys:
        async with self._fetching:
            now = self._now()
            old = self._keys is None or now - self._held_since >= older_than
            if old and (self._tried is None or now - self._tried >= _AGAIN_S):
                self._tried = now
                await self._renew(now)
            if self._keys is None or now - self._held_since >= _LAST_S:
                raise ProviderUnreachable
            return self._keys

    async def _renew(self, now: float) -> None:
        try:
            self._keys = Keys.parse(await self._read())
            self._held_since = now
        except (OSError, ValueError) as error:
            log.warning(
                "keys of '%s' cannot be read, its last ones hold: %s",
                self.provider.issuer,
                type(error).__name__,
            )

    async def _read(self) -> bytes:
        if self.provider.jwks is not None:
            return await asyncio.to_thread(self.provider.jwks.read_bytes)
        # OpenID Connect Discovery 4.1, 4.3: the document must name the issuer that it was asked for
        issuer = self.provider.issuer
        try:
            found = json.loads(
                await self._fetch(issuer.removesuffix("/") + "/.well-known/openid-configuration")
            )
            named, place = found["issuer"], str(found["jwks_uri"])
        except (LookupError, TypeError, RecursionError) as error:
            raise ValueError("no discovery document") from error
        if named != issuer:
            raise ValueError("a discovery document of another issuer")
        if not place.startswith("https://") and not (is_loopback(place) and is_loopback(issuer)):
            raise ValueError("keys that are not reached by https")
        return await self._fetch(place)
