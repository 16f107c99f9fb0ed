"""A broker API in memory: real versions, real tokens, an ASGI client; no socket and no cluster."""

import time
from collections.abc import Mapping
from typing import Any

import httpx

from broker.api.app import Doors, make_app
from broker.api.context import Parts
from broker.api.settings import Rates
from broker.api.signed import Signed
from deploy.ceremony import Ceremony
from schemas.http.callers import Callers
from schemas.http.tokens import ApiRole, Issuer, broker_audience, issue_token, public_key
from schemas.ids import AgencyId

AUDITOR_SEED, OPERATOR_SEED = b"\x0a" * 32, b"\x0b" * 32
WIDE = Doors(64 * 1024, Rates(a_second=1e5, burst=100_000), Rates(a_second=1e5, burst=100_000))


class Desk:
    """Clients of one API, each with a token of its role."""

    def __init__(self, ceremony: Ceremony, now_ms: int, doors: Doors = WIDE) -> None:
        self.ceremony = ceremony
        self.signed = Signed(ceremony.arrangement.digest)
        self.signed.hear(0, ceremony.genesis)
        self.lacking: str | None = None
        self.audience = broker_audience(ceremony.arrangement.body.federation)
        self.others = {
            "auditors": Issuer(public_key(AUDITOR_SEED), frozenset({ApiRole.AUDITOR}), None),
            "operators": Issuer(public_key(OPERATOR_SEED), frozenset({ApiRole.OPERATOR}), None),
        }
        parts = Parts(self.signed, self._lacking, lambda: now_ms)
        self.app = make_app(
            parts, Callers(lambda: {**self.signed.issuers(), **self.others}, self.audience), doors
        )

    async def _lacking(self) -> str | None:
        return self.lacking

    def token(
        self, role: ApiRole, by: AgencyId | None = None, *, now_s: int | None = None, **changed: Any
    ) -> str:
        """A token as its issuer would make it, but for what is changed."""
        if by is None:
            seed = AUDITOR_SEED if role is ApiRole.AUDITOR else OPERATOR_SEED
            issuer = "auditors" if role is ApiRole.AUDITOR else "operators"
        else:
            seed = (self.ceremony.agency(by) / "keys" / "signing.key").read_bytes()[:32]
            issuer = by
        made: dict[str, Any] = {
            "issuer": issuer,
            "subject": f"{role}-1",
            "role": role,
            "agency": by,
            "audience": self.audience,
            "now_s": int(time.time()) if now_s is None else now_s,
        }
        return issue_token(seed, **{**made, **changed})

    def client(self, token: str | None, headers: Mapping[str, str] | None = None) -> httpx.AsyncClient:
        """A client that shows the token, or none."""
        shown = {} if token is None else {"authorization": f"Bearer {token}"}
        transport = httpx.ASGITransport(app=self.app, client=("192.0.2.1", 1))
        return httpx.AsyncClient(
            transport=transport, base_url="http://broker", headers={**shown, **(headers or {})}
        )

    def officer(self, agency: AgencyId) -> httpx.AsyncClient:
        return self.client(self.token(ApiRole.OFFICER, agency))

    def coordinator(self, agency: AgencyId) -> httpx.AsyncClient:
        return self.client(self.token(ApiRole.COORDINATOR, agency))

    def auditor(self) -> httpx.AsyncClient:
        return self.client(self.token(ApiRole.AUDITOR))

    def operator(self) -> httpx.AsyncClient:
        return self.client(self.token(ApiRole.OPERATOR))
