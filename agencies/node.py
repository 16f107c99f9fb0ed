"""An agency's node: everything between its analysts, its store and the cluster, put together.

On start it migrates its store, verifies the arrangement from the pinned genesis, checks its own entry, takes up what
holds in its lane, compares its outbox with its lane's tail and ledger, opens the inbox, and only then publishes. From
a restored older copy it publishes nothing: sequence numbers would be used twice.
"""

import asyncio
import contextlib
import logging
import ssl
import time
from dataclasses import dataclass
from functools import partial

from agencies.comparing import Comparing
from agencies.errors import BadKeys, NotOurEntry, RestoredCopy
from agencies.inbox import Inbox, read_certificates, read_chains
from agencies.judging import Judge
from agencies.kafka import Connection, Reader, read_all, up
from agencies.keystore import Keystore
from agencies.opening import Opener
from agencies.outbox import Outbox, Relay, last_sequence
from agencies.receipts import Receipts
from agencies.sealing import Sealer
from agencies.settings import NodeSettings
from agencies.silence import Silence
from agencies.simulation.player import Player, read_script
from agencies.standing import LaneStanding, Signed
from agencies.store import Store
from agencies.store.alarms import keep_alarm
from schemas.arrangement import Arrangement
from schemas.clock import Clock, MappedClock
from schemas.entropy import Entropy
from schemas.envelope import RecordEntry, parse_submission_entry
from schemas.frames import BadFrame, parse_parcel
from schemas.history import Standing
from schemas.ids import AgencyId, Digest
from schemas.keys import SigningPair
from schemas.ledger import Admitted, LeafEntry, Quarantined, parse_leaf, parse_ledger_entry
from schemas.logs import about
from schemas.stopping import stop_if_asked
from schemas.topics import arrangement_topic, deliver_topic, ledger_topic, submit_topic
from schemas.transport import client_context, renewed
from schemas.verdicts import Alarm

log = logging.getLogger("entente.agencies.node")

_TAIL = 100  # messages: receipts and checkpoints stand between those that hold a sequence


@dataclass(frozen=True, slots=True)
class Place:
    """Where a node lives: cluster, topic prefix and the root of trust."""

    bootstrap: str
    prefix: str
    genesis: Digest


class Node:
    """One agency's node, run until cancelled. A loop that dies ends the node, loudly."""

    def __init__(self, settings: NodeSettings, place: Place, clock: Clock, entropy: Entropy) -> None:
        self.agency: AgencyId = settings.agency
        self._settings = settings
        self._place = place
        self._clock = clock
        self._entropy = entropy

    async def run(self) -> None:
        """Open everything in order, then run the loops. Raises: `NodeError`, `ArrangementError`."""
        with about(agency=self.agency):
            await self._run()

    async def _run(self) -> None:
        s, place = self._settings, self._place
        keys, tls = self._keys()
        connection = Connection(place.bootstrap, tls)
        async with Store(s.store.get_secret_value()) as store:
            await up(connection)
            signed = Signed(connection, arrangement_topic(place.prefix), place.genesis)
            await signed.refresh()
            arrangement = signed.genesis.arrangement
            pair = self._pair(signed.newest.arrangement, keys)
            opener = Opener(s.agency, arrangement.domains, keys)
            judge = Judge(s.agency, arrangement, opener, await store.run(read_chains))
            for version in signed.versions.values():
                judge.learn(version)
            judge.remember(await store.run(read_certificates))
            others = [a for a in arrangement.directory.agency_ids if a != s.agency]
            silence = Silence(others, s.heads_every_s, time.monotonic())
            topic, partitions = deliver_topic(s.agency, place.prefix), range(signed.partitions)
            inbox = Inbox(store, connection, topic, partitions, judge, signed, silence)
            sealer = Sealer(s.agency, arrangement, pair, self._entropy)
            clock = MappedClock(self._clock)
            holds = [(arrangement, pair)]

            def adopt(standing: Standing) -> None:
                holds[:] = [(standing.arrangement, self._pair(standing.arrangement, keys))]
                sealer.adopt(*holds[0])
                clock.map = standing.clock
                inbox.widen(standing.arrangement.directory.partitions)

            ledger = ledger_topic(s.agency, place.prefix)
            lane = LaneStanding(store, connection, ledger, signed, adopt)
            await lane.resume()
            comparing = Comparing(store, connection, ledger, signed, s.agency, arrangement.domains)
            outbox = Outbox(store, sealer, clock)
            officers = None
            if s.api is not None:
                # Here, since a web framework is a third of what a node has to load, and most nodes of a run have none.
                from agencies.api.officers import Officers

                officers = Officers(
                    s.api, s.agency, s.keys, store, outbox, clock, self._entropy, lambda: holds[0]
                )
            stop_if_asked()
            async with asyncio.TaskGroup() as loops:
                loops.create_task(renewed(tls, s.keys))
                loops.create_task(inbox.run())
                loops.create_task(inbox.watch(silence))
                loops.create_task(lane.run())
                loops.create_task(comparing.run())
                if officers is not None:
                    loops.create_task(officers.run())
                try:
                    await self._check_tail(connection, store)
                except RestoredCopy as error:
                    log.critical("%s: %s; it receives, but publishes nothing", s.agency, error)
                    if officers is not None:
                        officers.publisher.stopped = True
                    await store.run(partial(keep_alarm, alarm=Alarm.RESTORED_COPY, detail=str(error)))
                    stop_if_asked()
                    return  # the task group goes on with the inbox
                relay = Relay(store, connection, submit_topic(s.agency, place.prefix), outbox.wake)
                receipts = Receipts(store, outbox, clock, self._entropy, inbox.stored)
                for loop in (outbox.run(), relay.run(), receipts.run()):
                    loops.create_task(loop)
                player = Player(s.agency, store, outbox, sealer, clock, self._entropy)
                if s.plan is not None:
                    loops.create_task(player.plan(s.plan))
                if s.script is not None:
                    loops.create_task(player.script(read_script(s.script)))
                if officers is not None:
                    await officers.started()
                log.info("%s: node runs", s.agency)
                stop_if_asked()

    def _keys(self) -> tuple[Keystore, ssl.SSLContext]:
        folder = self._settings.keys
        try:
            keys = Keystore(folder)
            tls = client_context(folder)
        except (OSError, ValueError) as error:
            raise BadKeys(f"the keys of '{self.agency}' in '{folder}' cannot be used: {error}") from error
        return keys, tls

    def _pair(self, arrangement: Arrangement, keys: Keystore) -> SigningPair:
        """The pair that we sign with under a version: its current one, or the retiring one while that is all we have.

        Raises: `NotOurEntry`.
        """
        entry = arrangement.body.keys.get(self.agency)
        if entry is None:
            raise NotOurEntry(f"the arrangement has no entry for '{self.agency}'")
        if keys.opening_key(arrangement.domains, entry.opening.public().key_id(arrangement.domains)) is None:
            raise NotOurEntry(f"the arrangement's opening key for '{self.agency}' is not in its keystore")
        pair = keys.signing_pair(entry.signing.public())
        if pair is None and entry.retiring is not None:
            pair = keys.signing_pair(entry.retiring.signing.public())
            log.critical(
                "%s: the new signing key is not in the keystore, the retiring one is used", self.agency
            )
        if pair is None:
            raise NotOurEntry(f"the arrangement's signing key for '{self.agency}' is not in its keystore")
        return pair

    async def _check_tail(self, connection: Connection, store: Store) -> None:
        """Raises: `RestoredCopy` if lane or ledger know a later sequence than the outbox."""
        prefix = self._place.prefix
        ours = await store.run(last_sequence)
        seen = 0
        for value in await _tail(connection, submit_topic(self.agency, prefix)):
            with contextlib.suppress(BadFrame):
                parcel = parse_parcel(value)
                count = sum(isinstance(_entry(data), RecordEntry) for data in parcel.entries)
                seen = max(seen, parcel.first + count - 1)
        for value in await _tail(connection, ledger_topic(self.agency, prefix)):
            for data in parse_parcel(value).entries:
                entry = parse_ledger_entry(data)
                leaf = parse_leaf(entry.leaf) if isinstance(entry, LeafEntry) else None
                if isinstance(leaf, Admitted | Quarantined) and leaf.sequence is not None:
                    seen = max(seen, leaf.sequence)
        if seen > ours:
            raise RestoredCopy(f"sequence {seen} was published, this store knows {ours}")


def _entry(data: bytes) -> object:
    with contextlib.suppress(BadFrame):
        return parse_submission_entry(data)
    return None


async def _tail(connection: Connection, topic: str) -> list[bytes]:
    """The last messages of a topic's partition 0."""
    reader = Reader(connection)
    await reader.start()
    try:
        _, end = await reader.span(topic)
    finally:
        await reader.stop()
    return [m.value async for m in read_all(connection, topic, max(0, end - _TAIL))]
