"""What a new owner of a shard looks at before it works: that nothing of ours is open, what is committed, the index.

The recipe of kafka-notes 3 and 9. Each step may be done again at any time, and writes nothing to the cluster.
"""

import asyncio
import logging
from collections.abc import Sequence

from broker.errors import BrokerError, HungTransaction
from broker.index import MemoryIndex, SqliteIndex
from broker.kafka import Connection, Reader, read_all
from broker.step import Restored, restore
from schemas.canonical import Domains
from schemas.frames import parse_parcel
from schemas.ids import AgencyId
from schemas.ledger import CheckpointEntry, LeafEntry, RulingEntry, parse_ledger_entry
from schemas.rulings import ruling_digest

log = logging.getLogger("entente.broker.recovery")

_GUARD_S = 5.0
_PIECE = 2_000  # leaves of a ledger that are indexed at once


async def guard(connection: Connection, partitions: Sequence[tuple[str, int]]) -> None:
    """After InitProducerId nothing of ours is open; if a partition says otherwise, stop (kafka-notes 9, F1).

    `partitions`: those that the shard writes, and nobody else does. Raises: `HungTransaction`.
    """
    committed, uncommitted = Reader(connection), Reader(connection, committed=False)
    try:
        await committed.start()
        await uncommitted.start()
        deadline = asyncio.get_running_loop().time() + _GUARD_S
        while True:
            high = await uncommitted.ends(partitions)
            stable = await committed.ends(partitions)
            hung = sorted(tp for tp in partitions if stable[tp] < high[tp])
            if not hung:
                return
            if asyncio.get_running_loop().time() > deadline:
                log.critical("open transaction on %s after InitProducerId: stopping", hung)
                raise HungTransaction(f"open transaction on {hung[0][0]}[{hung[0][1]}]")
            await asyncio.sleep(0.2)
    finally:
        await committed.stop()
        await uncommitted.stop()


async def read_state(connection: Connection, topic: str) -> dict[AgencyId, Restored]:
    """The shard's committed state, by lane."""
    return restore([(key or b"", m.value) async for m, key in read_all(connection, topic)])


async def catch_up(
    connection: Connection, index: SqliteIndex, lane: AgencyId, leaves: int, topic: str, domains: Domains
) -> None:
    """Make the index hold exactly the lane's first `leaves` ledger leaves, in pieces that fit into memory.

    Raises: `BrokerError` if the ledger has fewer.
    """
    if index.leaves(lane) > leaves:
        index.forget(lane)
    have = stored = index.leaves(lane)
    if have == leaves:
        return
    delta, number = MemoryIndex(index.lane(lane)), 0
    async for message, _ in read_all(connection, topic):
        parcel = parse_parcel(message.value)
        number = parcel.first
        for data in parcel.entries:
            entry = parse_ledger_entry(data)
            match entry:
                case RulingEntry():
                    delta.learn(entry, ruling_digest(domains, entry.ruling))
                case LeafEntry():
                    if have <= number < leaves:
                        delta.learn(entry)
                    number += 1
                case CheckpointEntry():
                    pass  # no leaf: the index holds nothing of it
        if stored + _PIECE <= number < leaves:
            index.store([(lane, stored, number, delta)])
            stored, delta = number, MemoryIndex(index.lane(lane))
    if number < leaves:
        raise BrokerError(f"ledger of '{lane}' ends at leaf {number}, its state says {leaves}")
    index.store([(lane, stored, leaves, delta)])
