"""What was signed, followed: the version and the clock that hold.

The API believes what the broker believes, and by the same code; it never acts on it, so it need not wait for a lane.
"""

import asyncio
import logging
from typing import Final

from broker.kafka import Connection, Reader
from broker.signed import Signed
from schemas.arrangement import ArrangementError
from schemas.http.tokens import ApiRole, Issuer
from schemas.ids import AgencyId, Digest
from schemas.stopping import stop_if_asked

log = logging.getLogger("entente.broker.api.signed")

_READ_LIMIT_S: Final = 30.0


class Followed(Signed):
    """All that was signed, as far as it was read, and read on."""

    def __init__(self, genesis: Digest) -> None:
        super().__init__(genesis)
        self.reached = False
        """Whether the cluster answered when it was last asked."""

    def rules_of(self, version: Digest) -> dict[str, tuple[str, str]]:
        """Each rule's reason and legal basis. Raises: `KeyError` for a version that is not read yet."""
        known = self.versions[version]
        return {rule: (reason, known.legal_bases[rule]) for rule, reason in known.reasons.items()}

    async def load(self, connection: Connection, topic: str) -> None:
        """Read to the topic's end. Raises: `ArrangementError`, `TimeoutError`."""
        async with asyncio.timeout(_READ_LIMIT_S):
            await super().load(connection, topic)
        self.reached = True

    async def follow(self, connection: Connection, topic: str) -> None:
        """Read on for ever; an outage of the cluster is waited out."""
        while True:
            stop_if_asked()
            reader = Reader(connection)
            try:
                await reader.start()
                reader.assign({(topic, 0): self.next})
                while True:
                    stop_if_asked()
                    await reader.ends(
                        [(topic, 0)]
                    )  # a poll alone is empty, not wrong, while a server is away
                    self.reached = True
                    for message, _ in (await reader.poll(500, 100)).get(topic, []):
                        self.hear(message.offset, message.value)
            except ArrangementError:
                raise
            except Exception as error:
                self.reached = False
                log.warning("reading what was signed: %s, again", type(error).__name__)
                await asyncio.sleep(0.5)
            finally:
                await reader.stop()

    def issuers(self, real_ms: int) -> dict[str, Issuer]:
        """Each member by its signing key, while that is good, with the roles that the arrangement gives it."""
        arrangement, clock = self.standing
        directory, at_ms = arrangement.directory, clock.to_domain(real_ms)
        return {
            agency.id: _issuer(
                agency.id, arrangement.body.keys[agency.id].signing.ed25519, agency.coordinating
            )
            for agency in directory.agencies
            if directory.signs(agency.id, at_ms)
        }


def _issuer(agency: AgencyId, key: bytes, coordinating: bool) -> Issuer:
    roles = {ApiRole.OFFICER, ApiRole.COORDINATOR} if coordinating else {ApiRole.OFFICER}
    return Issuer(key, frozenset(roles), agency)
