"""What cannot be worked off waits in Kafka, not in memory: a node whose SQL stands still, a broker that is flooded.

Bounds are generous: what is tested is that memory does not follow the backlog. See the table in docs/operations.md.
"""

import random
import sqlite3
from contextlib import closing
from pathlib import Path

from deploy.processes import Child
from schemas.frames import PREFIX
from schemas.ledger import Quarantined
from schemas.topics import deliver_topic, submit_topic
from tests.integration.live import NCA, Live, until, writing

MESSAGES = 160
MESSAGE_BYTES = 900_000
SMALL = 20_000
BACKLOG_MIB = MESSAGES * MESSAGE_BYTES / 2**20  # 137
MAY_GROW_MIB = BACKLOG_MIB / 2


def peak_mib(child: Child) -> float:
    """The most memory that the process ever had."""
    status = Path(f"/proc/{child.pid}/status").read_text()
    [kib] = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")]
    return int(kib) / 1024


def noise(seed: int, size: int) -> bytes:
    """Bytes that look like a frame for as long as one only looks at the beginning."""
    return PREFIX + random.Random(seed).randbytes(size - len(PREFIX))


async def test_a_node_whose_sql_stands_still(live: Live) -> None:
    """The backlog stays in its topic; when SQL comes back, all of it is stored."""
    await live.start_broker()
    node = await live.start_nodes([live.node(NCA)])
    before = peak_mib(node)
    with closing(sqlite3.connect(live.store(NCA), isolation_level=None)) as db:
        db.execute("BEGIN EXCLUSIVE")
        async with writing(live.bootstrap, live.broker_tls) as producer:
            for n in range(MESSAGES):
                await producer.send_and_wait(
                    deliver_topic(NCA, live.prefix), noise(n, MESSAGE_BYTES), partition=0
                )
        held = peak_mib(node)
        db.execute("ROLLBACK")

    def stored() -> bool:
        assert node.alive, node.last_words()
        return live.rows(NCA, "SELECT count(*) FROM quarantine") == [(MESSAGES,)]

    await until(stored, "all of it is stored")
    assert held - before < MAY_GROW_MIB
    assert peak_mib(node) - before < MAY_GROW_MIB
    assert live.rows(NCA, 'SELECT count(DISTINCT "offset") FROM quarantine') == [(MESSAGES,)]


async def test_a_broker_that_is_flooded(live: Live) -> None:
    """Large garbage, and then very many small messages: each costs its leaf, and none of it stays in memory."""
    broker = await live.start_broker()
    before, leaves = peak_mib(broker), len(await live.leaves(NCA))
    async with writing(live.bootstrap, live.tls(NCA)) as producer:
        topic = submit_topic(NCA, live.prefix)
        for n in range(MESSAGES):
            await producer.send_and_wait(topic, noise(n, MESSAGE_BYTES), partition=0)
        for _ in range(SMALL):
            await producer.send(topic, PREFIX, partition=0)
        await producer.flush()

    async def decided() -> bool:
        assert broker.alive, broker.last_words()
        lanes = await live.lanes()
        return lanes[NCA].state.next_offset >= MESSAGES + SMALL

    await until(decided, "all of it is decided", 240)
    assert peak_mib(broker) - before < MAY_GROW_MIB
    refused = [leaf for leaf in await live.leaves(NCA) if isinstance(leaf, Quarantined)]
    assert len(refused) == MESSAGES + SMALL
    assert len(await live.leaves(NCA)) == leaves + MESSAGES + SMALL
