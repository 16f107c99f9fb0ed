"""Certificates made again from a ledger. The broker keeps no delivery and needs none: leaves say what they must be.

A ledger is decided on anew from its first leaf, one at a time and in a thread; what it came to is kept for each lane.
Rules have an engine for one thread, so these versions are loaded for this alone.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from broker.api.evidence import Evidence
from broker.errors import BrokerError
from broker.ledger_replay import replay_ledger
from broker.versions import Version, make_version
from schemas.arrangement import Arrangement
from schemas.certificate import Certificate, parse_certificate
from schemas.ids import AgencyId, Digest
from schemas.ledger import LedgerEntry


class Contradiction(BrokerError):
    """A ledger that its own arrangement contradicts: nothing is certified from it."""


@dataclass(frozen=True, slots=True)
class Certified:
    """A certificate with its bytes, as they stand in the recipient's chain."""

    certificate: Certificate
    data: bytes


_ByManifest = Mapping[bytes, Sequence[Certified]]


class Certificates:
    """What was certified, by lane and manifest."""

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence
        self._versions: dict[Digest, Version] = {}
        self._made: dict[AgencyId, tuple[int, _ByManifest]] = {}
        self._making = asyncio.Lock()

    async def of(
        self, lane: AgencyId, number: int, manifest: bytes, arrangements: Sequence[Arrangement]
    ) -> Sequence[Certified]:
        """The certificates of the record that a leaf admitted, by recipient. Raises: `Contradiction`."""
        async with self._making:
            leaves, made = self._made.get(lane, (0, {}))
            if number >= leaves:
                leaves = (await self._evidence.frontier(lane)).size
                entries = await self._evidence.up_to(lane, leaves)
                made = await asyncio.to_thread(self._make, lane, entries, arrangements)
                self._made[lane] = leaves, made
            return made.get(manifest, ())

    def _make(
        self, lane: AgencyId, entries: Sequence[LedgerEntry], arrangements: Sequence[Arrangement]
    ) -> _ByManifest:
        for arrangement in arrangements:
            if arrangement.digest not in self._versions:
                self._versions[arrangement.digest] = make_version(arrangement)
        found = replay_ledger(lane, entries, self._versions)
        if found.differences:
            raise Contradiction(f"ledger of '{lane}': {found.differences[0]}")
        made: dict[bytes, list[Certified]] = {}
        for recipient in sorted(found.certificates):
            for data in found.certificates[recipient]:
                certificate = parse_certificate(data)
                made.setdefault(certificate.manifest, []).append(Certified(certificate, data))
        return made
