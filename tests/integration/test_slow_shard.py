"""A shard that stands still in its transaction delays nobody but its own lanes, and loses nothing when it goes on."""

import signal
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from deploy.processes import Child
from schemas.certifying import released_of
from schemas.ids import AgencyId
from schemas.ledger import Admitted
from schemas.topics import deliver_topic
from tests.integration.live import Live, assert_exact, until

RECORDS = 12  # of each agency

# The program itself, which freezes itself (SIGSTOP) once its first deliveries are in the log and not committed. The
# cluster would end the transaction after 10 s; here it stays open for as long as the test looks.
_FREEZES = """
import asyncio, os, runpy, signal
import broker.kafka
broker.kafka._TRANSACTION_MS = 600_000
send, frozen = broker.kafka.Producer.send, []
async def freezing(producer, records):
    futures = await send(producer, records)
    if not frozen and any("deliver." in record.topic for record in records):
        await asyncio.gather(*futures)
        frozen.append(True)
        os.kill(os.getpid(), signal.SIGSTOP)
    return futures
broker.kafka.Producer.send = freezing
runpy.run_module("broker", run_name="__main__", alter_sys=True)
"""


def is_frozen(child: Child) -> bool:
    assert child.alive, child.last_words()
    return "\nState:\tT" in Path(f"/proc/{child.pid}/status").read_text()


async def is_open(live: Live, recipient: AgencyId, shard: int) -> bool:
    """Whether a partition holds what was written and is not committed."""
    topic = deliver_topic(recipient, live.prefix)
    committed = await live.read(topic, shard)
    return len(committed) < len(await live.read(topic, shard, committed=False))


def held(live: Live, agency: AgencyId) -> Counter[str]:
    """How many deliveries of each lane an agency has stored."""
    return Counter(str(lane) for (lane,) in live.rows(agency, "SELECT lane FROM reception_log"))


async def stored(live: Live, lanes: Sequence[AgencyId]) -> bool:
    """Whether every record of these lanes is decided, and every node has stored what its ledger proves released."""
    for lane in lanes:
        ledger = await live.ledger(lane)
        admitted = [leaf for leaf in ledger.leaves if isinstance(leaf, Admitted)]
        if len(admitted) < RECORDS:
            return False
        released = Counter(recipient for leaf in admitted for recipient in released_of(leaf, ledger.rulings))
        assert released
        for recipient, count in released.items():
            if held(live, recipient)[lane] != count:
                return False
    return True


async def test_a_frozen_worker_delays_its_own_lanes_alone(two_shards: Live) -> None:
    live, directory = two_shards, two_shards.source.directory
    quick, slow = ([a for a in live.agencies if directory.shard_of(a) == shard] for shard in (0, 1))
    await live.start_broker("broker-0", 0)
    line: list[str | Path] = [sys.executable, "-P", "-c", _FREEZES, live.broker_settings("broker-1", 1)]
    frozen = live.run("broker-1", line)
    await live.said(frozen, "ready")

    await live.start_nodes([live.node(a, RECORDS, per_second=4.0) for a in slow], "slow")
    await until(lambda: is_frozen(frozen), "the worker of shard 1 stands still in its transaction")
    touched = [a for a in live.agencies if await is_open(live, a, 1)]
    assert touched, "no transaction is open"
    # Step after step, while the other shard's transaction is open
    await live.start_nodes([live.node(a, RECORDS, per_second=4.0) for a in quick], "quick")
    await until(lambda: stored(live, quick), "every node stores what shard 0 delivers")
    assert is_frozen(frozen)
    assert [a for a in live.agencies if await is_open(live, a, 1)] == touched
    assert not any(held(live, agency)[lane] for agency in live.agencies for lane in slow)

    frozen.signal(signal.SIGCONT)
    await assert_exact(live, RECORDS * len(live.agencies))
    assert await stored(live, slow)
