"""The secretariat of a federation: it publishes what the members signed, and sees when the lanes act on it.

It has the right to write to the topic `arrangement` and no key that signs: what it publishes is checked against the
history first, as every reader will check it again.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from agencies.keystore import IDENTITY
from broker.kafka import Connection, read_all
from broker.policy.checks import require
from broker.versions import ReadyHistory
from deploy.arrangements import ArrangementError as Unproved
from deploy.arrangements import ArrangementSource, source_of
from deploy.ceremony import agency_folder
from deploy.errors import DeployError
from deploy.stage.evidence import Ledger, Ledgers
from schemas.arrangement import (
    AgencyKeys,
    Arrangement,
    ArrangementBody,
    ArrangementError,
    RetiringKey,
    SigningKey,
    countersign,
    propose,
    read_proposal,
)
from schemas.clock import ClockMap
from schemas.directory import Directory
from schemas.history import ClockChange, History, Standing, countersign_clock, is_clock, propose_clock
from schemas.ids import AgencyId
from schemas.keys import OpeningPublic, SigningPair, SigningPublic
from schemas.ledger import Activation
from schemas.topics import MAX_MESSAGE_BYTES, arrangement_topic
from schemas.transport import client_context

_LIMIT_S = 60.0

#: What of a version proofs are about.
_OF_SHARING = ("policies", "schema_text", "directory", "invariants_text")


def propose_version(current: Arrangement, source: ArrangementSource) -> bytes:
    """The version that makes `source` hold after `current`; nobody has signed it."""
    return _following(
        current,
        threshold=source.threshold,
        directory=source.directory,
        schema_text=source.schema_text,
        policies=source.policies,
        invariants_text=source.invariants_text,
        cases=source.cases,
    )


def propose_rotation(
    current: Arrangement,
    agency: AgencyId,
    identity: SigningPair,
    signing: SigningPair,
    opening: OpeningPublic,
    until: datetime,
) -> bytes:
    """The version in which an agency signs by `signing` and opens by `opening`; only the agency has signed it.

    A signing key that is replaced is good beside the new one until `until` (domain time), and not longer than it was
    good anyway; when it ends says nothing of the new one.
    """
    directory = current.directory
    before = current.body.keys[agency]
    after = AgencyKeys.issue(current.domains, agency, identity, signing, opening)
    if after.signing != before.signing:
        ending = directory.agency(agency).signing_until
        until = until if ending is None else min(until, ending)
        after = after.model_copy(update={"retiring": RetiringKey(signing=before.signing, until=until)})
        agencies = tuple(
            a.model_copy(update={"signing_until": None}) if a.id == agency else a for a in directory.agencies
        )
        directory = Directory.model_validate(directory.model_copy(update={"agencies": agencies}).model_dump())
    data = _following(current, directory=directory, keys={**current.body.keys, agency: after})
    return countersign(data, {agency: identity})


def propose_broker_key(current: Arrangement, signing: SigningPublic) -> bytes:
    """The version in which the broker signs by `signing`; nobody has signed it.

    No key retires beside it: heads are believed by the broker's keys of every version, so what the old one signed
    stays good, and the broker signs nothing more by it once it has read this version.
    """
    return _following(current, broker=SigningKey.of(signing))


def propose_lanes(current: Arrangement, directory: Directory) -> bytes:
    """The version that only serves lanes by other shards than `current`; nobody has signed it."""
    return _following(current, directory=directory)


def _following(current: Arrangement, **changes: object) -> bytes:
    """The version after `current` that differs in these fields, and that nobody has signed."""
    places = {"number": current.body.number + 1, "predecessor": current.digest.hex()}
    return propose(current.body.model_copy(update={**places, **changes}))


def propose_change(history: History, clock: ClockMap) -> bytes:
    """The change that makes `clock` hold after the history's; nobody has signed it."""
    genesis = history.standings[0].arrangement.digest
    return propose_clock(ClockChange(history.next_change, genesis, history.current.clock, clock))


def countersigned(data: bytes, current: Arrangement, identities: Mapping[AgencyId, SigningPair]) -> bytes:
    """A proposed version or clock change with the identities' signatures. Raises: `ArrangementError`."""
    if is_clock(data):
        return countersign_clock(current.domains, data, identities)
    return countersign(data, identities)


def read_identities(folder: Path, agencies: Iterable[AgencyId]) -> dict[AgencyId, SigningPair]:
    """The offline identity keys of agencies, from a run's folder. Raises: `DeployError`."""
    found = {}
    for agency in agencies:
        path = agency_folder(folder, agency) / "offline" / IDENTITY
        try:
            found[agency] = SigningPair.from_seeds(path.read_bytes())
        except (OSError, ValueError) as error:
            raise DeployError(f"the identity key of '{agency}' cannot be used: {error}") from error
    return found


@dataclass(slots=True)
class Secretariat:
    """Publishes to one federation's topic. `reader` may read ledgers, `tls` is the secretariat's own folder."""

    bootstrap: str
    tls: Path
    reader: Connection
    prefix: str
    history: ReadyHistory
    ledgers: Ledgers
    _heard: int = 0

    @classmethod
    def of(
        cls, bootstrap: str, tls: Path, reader_tls: Path, prefix: str, genesis: Arrangement
    ) -> Secretariat:
        reader = Connection(bootstrap, client_context(reader_tls))
        ledgers = Ledgers(reader, genesis.domains, genesis.directory.agency_ids, prefix)
        return cls(bootstrap, tls, reader, prefix, ReadyHistory(genesis.digest), ledgers)

    async def close(self) -> None:
        """Let go of its clients."""
        await self.ledgers.close()

    async def refresh(self) -> Standing:
        """Read what was signed so far, and return what was signed last. Raises: `ArrangementError`."""
        topic = arrangement_topic(self.prefix)
        async for message, _ in read_all(self.reader, topic, start=self._heard):
            with contextlib.suppress(ArrangementError):  # the broker refused it as well
                self.history.read(message.value)
            self._heard = message.offset + 1
        if not self.history.standings:
            raise ArrangementError("the arrangement topic holds no version, or another genesis")
        return self.history.current

    async def publish(self, data: bytes) -> Standing:
        """Check what was signed against the history, and write it. Raises: `ArrangementError`, nothing written.

        What a version says of sharing is proved once more: whoever signed it may have used other tools. A cluster that
        is away is waited for: a second copy in the log follows nothing, and changes nothing.
        """
        if not is_clock(data):
            await self._prove(read_proposal(data)[0].body)
        standing = self.history.read(data)
        deadline = time.monotonic() + _LIMIT_S
        while True:
            try:
                await self._write(data)
                return standing
            except (KafkaError, OSError) as error:
                if time.monotonic() > deadline:
                    raise DeployError(f"what was signed cannot be published: {error}") from error
                await asyncio.sleep(0.2)

    async def _prove(self, body: ArrangementBody) -> None:
        held = self.history.current.arrangement.body if self.history.standings else None
        if held is not None and all(getattr(body, name) == getattr(held, name) for name in _OF_SHARING):
            return
        try:
            source = source_of(body)
            await asyncio.to_thread(require, source, time.time_ns() // 1_000_000, "rules", "proofs")
        except Unproved as error:
            raise ArrangementError(f"version {body.number}: {error}") from error

    async def _write(self, data: bytes) -> None:
        producer = AIOKafkaProducer(
            bootstrap_servers=self.bootstrap,
            security_protocol="SSL",
            ssl_context=client_context(self.tls),
            acks="all",
            max_request_size=MAX_MESSAGE_BYTES,
            request_timeout_ms=5000,
        )
        try:
            async with asyncio.timeout(_LIMIT_S):
                await producer.start()
                sent = await producer.send_and_wait(arrangement_topic(self.prefix), data, partition=0)
        finally:
            await producer.stop()
        self._heard = sent.offset + 1

    async def activations(self) -> dict[AgencyId, Activation | None]:
        """The last activation of each lane; None before its first."""
        await self.ledgers.refresh()
        return {lane: _last_activation(ledger) for lane, ledger in self.ledgers.by_lane.items()}

    async def activated(self, standing: Standing) -> None:
        """Return once every lane acts on what was signed last. Raises: `DeployError` after a minute."""
        wanted = (standing.arrangement.digest, standing.clock)
        deadline = time.monotonic() + _LIMIT_S
        waiting: list[AgencyId] = []
        while True:
            found: dict[AgencyId, Activation | None] = {}
            with contextlib.suppress(
                KafkaError, OSError
            ):  # a cluster that is away comes back, or the limit ends it
                found = await self.activations()
            waiting = [lane for lane, a in found.items() if a is None or (a.arrangement, a.clock) != wanted]
            if found and not waiting:
                return
            if time.monotonic() > deadline:
                raise DeployError(
                    f"{', '.join(waiting)}: what was signed is not active after {_LIMIT_S:.0f} s"
                )
            await asyncio.sleep(0.05)


def _last_activation(ledger: Ledger) -> Activation | None:
    return next((leaf for leaf in reversed(ledger.leaves) if isinstance(leaf, Activation)), None)
