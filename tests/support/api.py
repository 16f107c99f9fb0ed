"""A broker API in memory: real versions, real tokens, an ASGI client; no socket and no cluster."""

import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import httpx
from fastapi import FastAPI

from agencies.drafting import Draft
from agencies.keystore import Keystore
from agencies.sealing import Sealer
from broker.api.app import make_app, routes
from broker.api.certifying import Certificates
from broker.api.context import Parts
from broker.api.signed import Followed
from broker.api.streams import Streams
from broker.api.workshop import Workshop
from broker.index import MemoryIndex
from broker.lane import EMPTY_LANE, Folded, Lane, activate, fold
from broker.rounds import Rounds
from broker.step import ledger_parcels
from deploy.arrangements import SHIPPED, read_arrangement
from deploy.ceremony import Ceremony, hold_ceremony
from deploy.pki import Authority
from schemas.clock import IDENTITY_CLOCK
from schemas.entropy import SeededEntropy
from schemas.http.callers import Callers
from schemas.http.doors import Doors
from schemas.http.settings import Rates
from schemas.http.tokens import ApiRole, Issuer, broker_audience, issue_token, public_key
from schemas.ids import AgencyId
from schemas.keys import SigningPair
from schemas.ledger import Leaf
from tests.support.federation import commit, leaves, message
from tests.support.ledgers import Ledgers

AUDITOR_SEED, OPERATOR_SEED = b"\x0a" * 32, b"\x0b" * 32


@cache
def g7() -> Ceremony:
    """The shipped arrangement with a coordinating agency; one ceremony for all tests of a process."""
    return hold_ceremony(read_arrangement(SHIPPED / "g7"), Path(mkdtemp()), Authority.create())


WIDE = Doors(256 * 1024, Rates(a_second=1e5, burst=100_000), Rates(a_second=1e5, burst=100_000))


class Desk:
    """Clients of one API, each with a token of its role."""

    def __init__(
        self,
        ceremony: Ceremony,
        now_ms: int,
        doors: Doors = WIDE,
        most_streams: int = 5,
        most_work_s: int = 60,
    ) -> None:
        self.ceremony = ceremony
        self.signed = Followed(ceremony.arrangement.digest)
        self.signed.hear(0, ceremony.genesis)
        self.lacking: str | None = None
        self.folded: list[Folded] = []
        self.audience = broker_audience(ceremony.arrangement.body.federation)
        self.others = {
            "auditors": Issuer(public_key(AUDITOR_SEED), frozenset({ApiRole.AUDITOR}), None),
            "operators": Issuer(public_key(OPERATOR_SEED), frozenset({ApiRole.OPERATOR}), None),
        }
        arrangement = ceremony.arrangement
        self.ledgers = Ledgers(arrangement.domains, arrangement.directory.agency_ids)
        self._parts = Parts(
            self.signed,
            self.ledgers,
            Certificates(self.ledgers),
            Streams(most_streams),
            Workshop(most_work_s),
            self._lacking,
            lambda: now_ms,
        )
        self.app = make_app(
            self._parts, Callers(lambda: {**self.others, **self.signed.issuers(now_ms)}, self.audience), doors
        )

    @property
    def routes(self) -> FastAPI:
        """The routes behind the doors, with their OpenAPI document."""
        return routes(self._parts)

    async def _lacking(self) -> str | None:
        return self.lacking

    async def lane(self, agency: AgencyId) -> Lane:
        """A lane after the activation of the genesis, which the API has read."""
        lane = Lane(agency, EMPTY_LANE, {}, {}, MemoryIndex())
        genesis = self.ceremony.arrangement
        await self._take(lane, activate(lane, genesis.digest, 0, IDENTITY_CLOCK, genesis.domains))
        return lane

    async def decide(self, lane: Lane, *items: Draft, first: int = 1) -> list[Leaf]:
        """Let the lane's owner seal drafts, the lane decide on them, and the API read what its ledger then has."""
        keys = Keystore(self.ceremony.agency(lane.id) / "keys")
        sealer = Sealer(lane.id, self.ceremony.arrangement, keys.signing, SeededEntropy(b"api"))
        closed = [sealer.close_record(draft, first + i) for i, draft in enumerate(items)]
        return await self.fold(lane, sealer.seal_window(closed, (), first))

    async def fold(self, lane: Lane, *values: bytes) -> list[Leaf]:
        """The same, of bytes as they come."""
        at = lane.state.next_offset
        messages = [message(value, at + i) for i, value in enumerate(values)]
        folded = fold(lane, messages, self.signed.versions)
        await self._take(lane, folded)
        return leaves(folded)

    async def sign(self, lane: Lane, at_ms: int) -> None:
        """Let the broker sign what the lane's ledger comes to, and the API read it."""
        seeds = (self.ceremony.broker / "keys" / "signing.key").read_bytes()
        pair, entropy = SigningPair.from_seeds(seeds), SeededEntropy(b"rounds")
        for _, data in Rounds(self.ceremony.arrangement, pair, entropy).make({lane.id: lane}, at_ms).ledger:
            await self.ledgers.take(lane.id, data)

    async def _take(self, lane: Lane, folded: Folded) -> None:
        self.folded.append(folded)
        commit(lane, folded)
        for data in ledger_parcels(folded):
            await self.ledgers.take(lane.id, data)

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
