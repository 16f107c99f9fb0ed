"""A service that is asked to end does so within 10 s, with code 0, whatever it is at, and nothing is lost by it.

Each state is brought about and seen before the signal is sent. Afterwards everything is started again, and the whole is
counted and replayed.
"""

import asyncio
import signal
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest_asyncio

from deploy.kafka.cluster import Cluster
from deploy.pki import Authority
from deploy.processes import Child
from tests.integration.live import NCA, Live, assert_exact, more, until

END_S = 10.0
_SIGTERM_BIT = 1 << (signal.SIGTERM - 1)


@asynccontextmanager
async def ends(*children: Child) -> AsyncIterator[None]:
    """What is within has brought the state about; then all of them end as they should."""
    yield
    begun = time.monotonic()
    for child in children:
        assert child.alive, child.last_words()
        child.signal(signal.SIGTERM)
    codes = await asyncio.gather(*(child.wait(60) for child in children))
    took = time.monotonic() - begun
    assert list(codes) == [0] * len(children), [child.last_words() for child in children]
    assert took < END_S, f"{took:.1f} s: {[child.last_words() for child in children]}"
    for child in children:
        assert "Traceback" not in child.said()
        said = child.said().splitlines()
        assert [line for line in said if " ERROR entente" in line or " CRITICAL " in line] == []


def listens(child: Child) -> bool:
    """Whether it has a handler for SIGTERM; before that the signal itself ends it, and nothing has begun."""
    assert child.alive, child.last_words()
    status = Path(f"/proc/{child.pid}/status").read_text()
    [mask] = [line.split()[1] for line in status.splitlines() if line.startswith("SigCgt")]
    return bool(int(mask, 16) & _SIGTERM_BIT)


async def all_nodes(live: Live, records: int, per_second: float = 40.0, name: str = "nodes") -> Child:
    return await live.start_nodes([live.node(a, records, per_second, seed=3) for a in live.agencies], name)


async def test_idle_and_at_work(live: Live) -> None:
    """Again and again in the middle of the flow: each time at another point of some step."""
    share = 160
    for turn in range(4):
        broker = await live.start_broker(f"broker-{turn}")
        nodes = await all_nodes(live, share, per_second=6, name=f"nodes-{turn}")
        async with ends(broker, nodes):
            await more(live, 25, "work is going on")
            await asyncio.sleep(0.05 * turn)
    broker = await live.start_broker()
    nodes = await all_nodes(live, share)
    await assert_exact(live, share * len(live.agencies))
    async with ends(broker, nodes):
        pass  # idle
    await live.start_broker()
    await all_nodes(live, share)
    await assert_exact(live, share * len(live.agencies))


async def test_while_starting(live: Live) -> None:
    """As soon as it can hear the signal, and a little later: keys, migration, arrangement, claim, inbox."""
    settings = live.settings("nodes", {"nodes": [live.node(a, 4) for a in live.agencies]})
    for turn in range(8):
        broker = live.start(f"broker-{turn}", "broker", live.broker_settings())
        nodes = live.start(f"nodes-{turn}", "agencies", settings)
        await until(lambda b=broker, n=nodes: listens(b) and listens(n), "both can be asked")  # type: ignore[misc]
        async with ends(broker, nodes):
            await asyncio.sleep(0.15 * turn)
    await live.start_broker()
    await live.start_nodes([live.node(a, 4) for a in live.agencies])
    await assert_exact(live, 4 * len(live.agencies))


async def test_while_sql_is_blocked(live: Live) -> None:
    """Somebody else holds the store: the driver waits in its lock for 30 s, and the node does not wait for it."""
    await live.start_broker()
    nodes = await all_nodes(live, 40, per_second=20)
    await more(live, 25, "work is going on")
    with closing(sqlite3.connect(live.store(NCA), isolation_level=None)) as db:
        db.execute("BEGIN EXCLUSIVE")
        async with ends(nodes):
            await more(live, 25, "others go on")
        # And one that has not even begun: its migration waits.
        starting = live.start("starting", "agencies", live.settings("s", {"nodes": [live.node(NCA, 40)]}))
        async with ends(starting):
            await until(lambda: listens(starting), "it can be asked")
            await asyncio.sleep(2)
        db.execute("ROLLBACK")
    await all_nodes(live, 40)
    await assert_exact(live, 40 * len(live.agencies))


async def test_while_the_index_is_rebuilt_or_locked(live: Live) -> None:
    first = await live.start_broker()
    await all_nodes(live, 120, per_second=100)
    await assert_exact(live, 120 * len(live.agencies))
    async with ends(first):
        pass
    for turn in range(4):
        broker = live.start(f"fresh-{turn}", "broker", live.broker_settings(f"fresh-{turn}"))
        index = live.ceremony.broker / f"state-fresh-{turn}" / "index-0.sqlite"
        async with ends(broker):
            await until(index.exists, "it has begun to build its index")
            await asyncio.sleep(0.1 * turn)
    locked = live.ceremony.broker / "state-broker" / "index-0.sqlite"
    with closing(sqlite3.connect(locked, isolation_level=None)) as db:
        db.execute("BEGIN EXCLUSIVE")
        broker = live.start("locked", "broker", live.broker_settings("broker"))
        async with ends(broker):
            await until(lambda: listens(broker), "it can be asked")
            await asyncio.sleep(2)
        db.execute("ROLLBACK")
    await live.start_broker()
    await assert_exact(live, 120 * len(live.agencies))


@pytest_asyncio.fixture
async def mortal(
    authority: Authority, fresh_prefix: str, tmp_path: Path
) -> AsyncIterator[tuple[Cluster, Live]]:
    """A federation on a cluster that may be killed."""
    async with (
        Cluster(tmp_path / "mortal", authority) as cluster,
        Live(cluster.bootstrap, cluster.admin_tls, authority, fresh_prefix, tmp_path / "run") as live,
    ):
        yield cluster, live


async def test_while_the_cluster_is_gone_or_frozen(mortal: tuple[Cluster, Live]) -> None:
    cluster, live = mortal
    share = 100
    broker, nodes = await live.start_broker("gone"), await all_nodes(live, share, 6, "gone-nodes")
    await more(live, 25, "work is going on")
    cluster.kill()
    await cluster.child().wait()
    async with ends(broker, nodes):
        await until(lambda: "step failed" in broker.said(), "the broker has noticed")
        await until(lambda: "resending" in nodes.said(), "the nodes have noticed")
    # Who starts while there is no cluster waits for it.
    broker = live.start("early", "broker", live.broker_settings())
    nodes = live.start("early-nodes", "agencies", live.settings("e", {"nodes": [live.node(NCA, share)]}))
    async with ends(broker, nodes):
        await until(lambda: listens(broker) and listens(nodes), "both can be asked")
        await asyncio.sleep(1)
    await cluster.restart()
    broker, nodes = await live.start_broker("frozen"), await all_nodes(live, share, 6, "frozen-nodes")
    await more(live, 25, "work is going on")
    cluster.child().signal(signal.SIGSTOP)
    try:
        async with ends(broker, nodes):
            await asyncio.sleep(1)
    finally:
        cluster.child().signal(signal.SIGCONT)
    await live.start_broker()
    await all_nodes(live, share)
    await assert_exact(live, share * len(live.agencies))
