"""Who calls: from the `Authorization` header to a verified caller, by our own tokens or a provider's.

A token that says that it is a provider's is checked as such and never as one of ours, and the other way round.
"""

import time
from collections.abc import Callable, Mapping

from schemas.http.keysets import KeySource
from schemas.http.oidc import issuer_of
from schemas.http.tokens import BadToken, Caller, Issuer, TokenFault, verify_token


class Callers:
    """Knows whose tokens a service believes. `issuers` is asked at each call: an arrangement changes its keys."""

    def __init__(
        self,
        issuers: Callable[[], Mapping[str, Issuer]],
        audience: str,
        providers: tuple[KeySource, ...] = (),
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self._issuers = issuers
        self._audience = audience
        self._providers = {source.provider.issuer: source for source in providers}
        self._now_s = now_s

    async def caller(self, authorization: str) -> Caller:
        """By RFC 6750 2.1. Raises: `BadToken`, `schemas.http.keysets.ProviderUnreachable`."""
        scheme, _, text = authorization.partition(" ")
        if scheme.lower() != "bearer":
            raise BadToken(TokenFault.SHAPE)
        now_s = int(self._now_s())
        source = self._providers.get(issuer_of(text) or "") if self._providers else None
        if source is not None:
            return await source.caller(text, now_s)
        return verify_token(text, self._issuers(), self._audience, now_s)
