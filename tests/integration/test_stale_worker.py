"""Two workers that believe they own the same shard: the stale one changes nothing that anybody can read.

- A worker stands still between its last send and its commit; a second one takes over and finishes. The commit of
  the first then fails, it stops as a zombie, and what it left readable to readers that ignore isolation is byte
  for byte what the second one committed, the signatures over chain heads apart.
- The same with real processes, frozen and thawed.
"""

import asyncio
import signal
from collections.abc import Sequence

import msgspec
import pytest
from aiokafka.errors import ProducerFenced

import broker.commit
import broker.shard
from broker.errors import Zombie
from broker.kafka import Connection, Producer, Record
from broker.keystore import Keystore
from broker.shard import Shard, ShardSettings
from schemas.canonical import Domains
from schemas.certificate import Head, certificate_digest, parse_certificate
from schemas.entropy import SystemEntropy
from schemas.envelope import DeliveryEntry, HeadEntry, parse_deliver_entry
from schemas.frames import parse_parcel
from schemas.ids import AgencyId
from schemas.ledger import Admitted, LeafEntry, parse_ledger_entry
from schemas.topics import deliver_topic, lanes_topic, ledger_topic
from schemas.transport import client_context
from tests.integration.live import NCA, OLTIM, PDS, Live, Message, assert_exact, more, until

RECORDS = 6  # from each originator


class Halting(Producer):
    """The worker's own producer; once armed, it stands still when all of a transaction is in the log."""

    armed = False

    def __init__(self, connection: Connection, transactional_id: str) -> None:
        super().__init__(connection, transactional_id)
        self.written = asyncio.Event()
        self.go_on = asyncio.Event()
        self.failure: BaseException | None = None

    async def send(self, records: Sequence[Record]) -> list["asyncio.Future[object]"]:
        futures = await super().send(records)
        if self.armed:
            await asyncio.gather(*futures)
            self.written.set()
            await self.go_on.wait()
        return futures

    async def transact(self, records: Sequence[Record]) -> None:
        try:
            await super().transact(records)
        except BaseException as error:
            self.failure = error
            raise


def worker(live: Live, name: str, ready: asyncio.Event) -> Shard:
    """A worker as `python -m broker` makes it, with a record index of its own."""
    keys = live.broker_tls
    return Shard(
        ShardSettings(0, live.prefix, live.arrangement.digest, live.folder / f"index-{name}.sqlite"),
        Connection(live.bootstrap, client_context(keys)),
        Keystore(keys),
        SystemEntropy(),
        ready.set,
    )


class Shares:
    """What deliver messages hold, with indexes resolved: entries, certificates by (lane, number), heads, seals."""

    def __init__(self, domains: Domains, messages: Sequence[Message]) -> None:
        self.entries: list[bytes] = []
        self.certificates: dict[tuple[str, int], bytes] = {}
        self.digests: dict[tuple[str, int], bytes] = {}
        self.heads: list[HeadEntry] = []
        self.seals: set[bytes] = set()
        for message in messages:
            parcel = parse_parcel(message.value)
            for data in parcel.entries:
                entry = parse_deliver_entry(data)
                if isinstance(entry, HeadEntry):
                    self.heads.append(entry)
                    self.seals.add(parcel.seals[entry.seal])
                    continue
                assert isinstance(entry, DeliveryEntry)
                bare = [msgspec.structs.replace(p, capsule=0) for p in entry.portions]
                self.entries.append(
                    msgspec.msgpack.encode(
                        [
                            msgspec.structs.replace(entry, seal=0, portions=tuple(bare)),
                            parcel.seals[entry.seal],
                            [parcel.capsules[p.capsule] for p in entry.portions],
                        ]
                    )
                )
                certificate = parse_certificate(entry.certificate)
                place = certificate.originator, certificate.number
                self.certificates[place] = entry.certificate
                self.digests[place] = certificate_digest(domains, entry.certificate)


def leaf_entries(messages: Sequence[Message]) -> dict[int, bytes]:
    """Leaf entries by number; one that stands twice must be the same bytes."""
    found: dict[int, bytes] = {}
    for message in messages:
        parcel = parse_parcel(message.value)
        number = parcel.first
        for data in parcel.entries:
            if isinstance(parse_ledger_entry(data), LeafEntry):
                assert found.setdefault(number, data) == data
                number += 1
    return found


def rulings(messages: Sequence[Message]) -> set[bytes]:
    return {
        data
        for message in messages
        for data in parse_parcel(message.value).entries
        if not isinstance(parse_ledger_entry(data), LeafEntry)
    }


async def both_views(live: Live, topic: str) -> tuple[list[Message], list[Message]]:
    """What is committed, and what can be read but was never committed."""
    committed = await live.read(topic)
    offsets = {m.offset for m in committed}
    everything = await live.read(topic, committed=False)
    assert offsets <= {m.offset for m in everything}
    return committed, [m for m in everything if m.offset not in offsets]


async def test_a_worker_that_stands_still_in_its_transaction(
    live: Live, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(broker.shard, "Producer", Halting)
    # The machine may be slow, and no time limit is at stake here.
    monkeypatch.setattr(broker.commit, "STEP_LIMIT_S", 60.0)
    ready_first, ready_second = asyncio.Event(), asyncio.Event()
    first, second = worker(live, "first", ready_first), worker(live, "second", ready_second)
    running = asyncio.create_task(first.run())
    try:
        await asyncio.wait_for(ready_first.wait(), 60)
        stale = first._producer
        assert isinstance(stale, Halting)
        stale.armed = True
        for agency in (NCA, OLTIM, PDS):
            await live.submit(agency, live.parcel(agency, live.drafts(agency, RECORDS), 1))
        await asyncio.wait_for(stale.written.wait(), 60)
        written = {a: (await both_views(live, ledger_topic(a, live.prefix)))[1] for a in live.agencies}
        assert any(written.values()), "the first worker has written nothing"

        successor = asyncio.create_task(second.run())
        try:
            await asyncio.wait_for(ready_second.wait(), 60)
            await until(lambda: decided(live, RECORDS * 3), "the second worker decides everything")
            states = await live.read(lanes_topic(0, live.prefix))
            stale.go_on.set()
            with pytest.raises(Zombie, match="owned by generation 2"):
                await asyncio.wait_for(running, 60)
            assert isinstance(stale.failure, ProducerFenced)
            # Waking up it knocked nobody out: the second worker's state is untouched, and it goes on working.
            assert await live.read(lanes_topic(0, live.prefix)) == states
            await live.submit(NCA, live.parcel(NCA, live.drafts(NCA, 1, start=RECORDS), RECORDS + 1))
            await until(lambda: decided(live, RECORDS * 3 + 1), "the second worker goes on")
        finally:
            successor.cancel()
            await asyncio.wait([successor])
    finally:
        running.cancel()
        await asyncio.wait([running])
    rebuilt = [r.getMessage() for r in caplog.records if "rebuilding" in r.getMessage()]
    assert len(rebuilt) == 1, "the first worker tries once more, and sees who owns the shard"
    assert "ProducerFenced" in rebuilt[0]
    await assert_stale_equals_final(live)


async def decided(live: Live, records: int) -> bool:
    ledgers = await live.ledgers()
    return sum(isinstance(leaf, Admitted) for g in ledgers.values() for leaf in g.leaves) == records


async def assert_stale_equals_final(live: Live) -> None:
    """Nothing of the first attempt is committed, and all of it equals what was."""
    domains = live.arrangement.domains
    stale_entries = stale_leaves = 0
    for agency in live.agencies:
        committed, aborted = await both_views(live, deliver_topic(agency, live.prefix))
        final, stale = Shares(domains, committed), Shares(domains, aborted)
        stale_entries += len(stale.entries)
        assert len(set(final.entries)) == len(final.entries)
        assert set(stale.entries) <= set(final.entries)
        assert stale.certificates.items() <= final.certificates.items()
        for head in stale.heads:  # another seal, the same chain
            assert final.digests[head.lane, head.number] == head.digest
        assert final.seals.isdisjoint(stale.seals), "not two attempts, but one"
        await assert_chain(live, agency, final)

        committed, aborted = await both_views(live, ledger_topic(agency, live.prefix))
        leaves = leaf_entries(committed)
        assert sorted(leaves) == list(range(len(leaves)))
        assert leaf_entries(aborted).items() <= leaves.items()
        assert rulings(aborted) <= rulings(committed)
        stale_leaves += len(leaf_entries(aborted))
    assert stale_entries > 0
    assert stale_leaves > 0
    states, stale_states = await both_views(live, lanes_topic(0, live.prefix))
    assert stale_states
    assert {m.offset for m in states}.isdisjoint({m.offset for m in stale_states})


async def assert_chain(live: Live, recipient: AgencyId, final: Shares) -> None:
    """Every chain counts up from 1 without a hole, and ends where the shard's state says."""
    for lane, restored in (await live.lanes()).items():
        numbers = sorted(n for o, n in final.certificates if o == lane)
        assert numbers == list(range(1, len(numbers) + 1))
        head = restored.heads.get(recipient, Head(0, b""))
        assert head.number == len(numbers)
        if numbers:
            assert final.digests[lane, head.number] == head.digest


async def test_frozen_processes(live: Live) -> None:
    """Two takeovers: each time the owner is frozen, the next one goes on, and the thawed one stops with code 3."""
    records = 300
    owner = await live.start_broker("broker-1")
    await live.start_nodes([live.node(a, records // 5, per_second=5.0) for a in live.agencies])
    for round_ in (2, 3):
        await more(live, 10, "work is going on")
        owner.signal(signal.SIGSTOP)
        try:
            successor = await live.start_broker(f"broker-{round_}")
            await more(live, 1, "the successor goes on")  # the hosts publish all the while
        finally:
            owner.signal(signal.SIGCONT)
        assert await owner.wait(60) == 3
        assert f"owned by generation {round_}" in owner.said()
        assert successor.alive
        owner = successor
    assert await live.generation() == 3
    await assert_exact(live, records)
    assert owner.said().count("shard 0 owned") == 1, "a zombie knocked its successor out"
