"""A node's officers' API in memory: a real store, outbox, roster and tokens, an ASGI client; no socket, no cluster."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
from fastapi import FastAPI
from sqlalchemy import Connection, insert

from agencies.api.app import make_app, routes
from agencies.api.broker import BrokerDoor
from agencies.api.context import Parts
from agencies.api.publishing import Publisher
from agencies.drafting import Draft
from agencies.judging import Delivered
from agencies.keystore import Keystore
from agencies.outbox import Outbox
from agencies.roster import RosterFile
from agencies.sealing import Sealer
from agencies.store import Store
from agencies.store.reception import rows_of, write_all
from agencies.store.tables import positions
from schemas.arrangement import Arrangement
from schemas.clock import ManualClock, MappedClock
from schemas.directory import Directory
from schemas.entropy import SystemEntropy
from schemas.http.callers import Callers
from schemas.http.doors import Doors
from schemas.http.settings import Rates
from schemas.http.tokens import ApiRole, Issuer, issue_token, node_audience, public_key
from schemas.ids import AgencyId
from tests.support import federation
from tests.support.federation import NOW_MS, ceremony

WIDE = Doors(6 * 1024 * 1024, Rates(a_second=1e5, burst=100_000), Rates(a_second=1e5, burst=100_000))
SEED = b"\x0c" * 32

ROSTER = """
officers:
  - id: {agency}/analyst
    roles: [officer]
    clearance: {{tlp: AMBER, handling_codes: [H0, H1]}}
  - id: {agency}/chief
    roles: [officer]
    clearance: {{tlp: RED, handling_codes: [H0, H1, H2, H3], special: [biometric, health]}}
  - {{id: {agency}/uncleared, roles: [officer]}}
  - {{id: {agency}/dpo, roles: [dpo]}}
"""


class House:
    """One agency's API. What the directory says can be changed while it runs, as a new version would."""

    def __init__(
        self,
        agency: AgencyId,
        store_url: str,
        folder: Path,
        doors: Doors = WIDE,
        broker: httpx.AsyncBaseTransport | None = None,
        fresh: bool = True,
    ) -> None:
        self.agency = agency
        self.arrangement: Arrangement = ceremony().arrangement
        self.directory: Directory = self.arrangement.directory
        self.clock = ManualClock(NOW_MS)
        self.roster = folder / f"officers-{agency}.yaml"
        self.roster.write_text(ROSTER.format(agency=agency))
        self.store = Store(store_url)
        self._judge = federation.judge(agency)
        self._offset = 0
        self._fresh = fresh
        pair = Keystore(ceremony().agency(agency) / "keys").signing
        self._outbox = Outbox(
            self.store, Sealer(agency, self.arrangement, pair, SystemEntropy()), MappedClock(self.clock)
        )
        self.publisher = Publisher(self.store, self._outbox, self.clock, SystemEntropy())
        door = BrokerDoor(
            agency,
            lambda: (self.arrangement, pair),
            None if broker is None else "http://broker",
            transport=broker,
        )
        self._parts = Parts(
            agency,
            self.store,
            self.publisher,
            RosterFile(self.roster, agency),
            self._version,
            self.clock,
            door,
        )
        audience = node_audience(self.arrangement.body.federation, agency)
        issuers = {str(agency): Issuer(public_key(SEED), frozenset({ApiRole.OFFICER}), agency)}
        self.app = make_app(self._parts, Callers(lambda: issuers, audience), doors)
        self._sealing: asyncio.Task[None] | None = None

    def _version(self) -> Arrangement:
        """The arrangement with the directory that holds."""
        if self.directory is self.arrangement.directory:
            return self.arrangement
        body = self.arrangement.body.model_copy(update={"directory": self.directory})
        return Arrangement(self.arrangement.digest, body)

    async def __aenter__(self) -> Self:
        await self.store.__aenter__()
        if self._fresh:
            await self.store.run(
                lambda c: c.execute(insert(positions).values(topic="deliver", partition=0, offset=0))
            )
        self.seal()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.publisher.close()
        await self.stop_sealing()
        await self.store.__aexit__(kind, error, trace)

    def seal(self) -> None:
        """Let the outbox work."""
        self._sealing = asyncio.ensure_future(self._outbox.run())

    async def stop_sealing(self) -> None:
        """Let it rest."""
        if self._sealing is not None:
            self._sealing.cancel()
            await asyncio.wait([self._sealing])
            self._sealing = None

    @property
    def routes(self) -> FastAPI:
        """The routes behind the doors, with their OpenAPI document."""
        return routes(self._parts)

    async def receive(self, originator: AgencyId, *drafts: Draft) -> None:
        """Take in what the broker delivers of a window of these drafts."""
        sealer = federation.sealer(originator, SystemEntropy())
        lane, folded = federation.run(originator, [federation.parcel(sealer, drafts)])
        await self.take(federation.deliver(lane, folded).parcels.get(self.agency, []))

    async def take(self, values: Sequence[bytes]) -> None:
        """Judge and store deliveries as the inbox does."""
        for value in values:
            message = Delivered(0, self._offset, value, True)
            outcome, before = self._judge.judge(message), {0: self._offset}
            self._offset += 1
            heads, after = dict(self._judge.chains), {0: self._offset}
            rows = rows_of(self.arrangement.domains, "deliver", [(message, outcome)])

            def keep(connection: Connection) -> None:
                write_all(connection, rows, "deliver", heads, before, after)  # noqa: B023

            await self.store.run(keep)

    def token(self, subject: str, *, seed: bytes = SEED, now_s: int | None = None, **changed: Any) -> str:
        """A token as the agency would issue it, but for what is changed."""
        made: dict[str, Any] = {
            "issuer": self.agency,
            "subject": subject,
            "role": ApiRole.OFFICER,
            "agency": self.agency,
            "audience": node_audience(self.arrangement.body.federation, self.agency),
            "now_s": int(time.time()) if now_s is None else now_s,
        }
        return issue_token(seed, **{**made, **changed})

    def client(self, token: str | None, headers: Mapping[str, str] | None = None) -> httpx.AsyncClient:
        """A client that shows the token, or none."""
        shown = {} if token is None else {"authorization": f"Bearer {token}"}
        transport = httpx.ASGITransport(app=self.app, client=("192.0.2.1", 1))
        return httpx.AsyncClient(
            transport=transport, base_url="http://node", headers={**shown, **(headers or {})}, timeout=60
        )

    def officer(self, name: str) -> httpx.AsyncClient:
        """As an officer by id, or of this agency by the last part of it."""
        return self.client(self.token(name if "/" in name else f"{self.agency}/{name}"))

    async def rows(self, work: Callable[[Connection], Any]) -> Any:
        return await self.store.run(work)
