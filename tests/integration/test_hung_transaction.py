"""The guard: a partition that only the shard writes, and that somebody else's transaction holds open, stops it.

Such a transaction is what a crash of the cluster at the wrong moment could leave behind; going on could commit a
message twice. The worker commits nothing, says CRITICAL, and exits with code 4; once it is over, a new one works.
"""

import pytest

from schemas.frames import Parcel, pack_parcel
from schemas.ledger import Admitted
from schemas.topics import deliver_topic, lanes_topic, ledger_topic
from tests.integration.live import NCA, OLTIM, Live, until, writing


def intruder(live: Live) -> str:
    """Another transactional id that the broker's identity may use: as of another shard."""
    return f"entente.{live.prefix}shard-99"


def partition(live: Live, which: str) -> str:
    return {
        "deliver": deliver_topic(OLTIM, live.prefix),
        "ledger": ledger_topic(NCA, live.prefix),
        "lanes": lanes_topic(0, live.prefix),
    }[which]


@pytest.mark.parametrize("which", ["deliver", "ledger", "lanes"])
async def test_a_new_worker_stops(live: Live, which: str) -> None:
    await live.submit(NCA, live.parcel(NCA, live.drafts(NCA, 3), 1))
    topic = partition(live, which)
    async with writing(live.bootstrap, live.broker_tls, intruder(live)) as producer:
        await producer.begin_transaction()
        value = pack_parcel(Parcel(0, (), (), ()))
        await producer.send_and_wait(topic, value, key=b"none" if which == "lanes" else None, partition=0)
        worker = live.start("stopped", "broker", live.broker_settings("stopped"))
        assert await worker.wait(60) == 4
        critical = [line for line in worker.said().splitlines() if " CRITICAL " in line]
        assert any(topic in line and "open transaction" in line for line in critical)
        assert "ready" not in worker.said()
        assert "Traceback" not in worker.said()
        for agency in live.agencies:
            assert await live.read(ledger_topic(agency, live.prefix)) == []
            assert await live.read(deliver_topic(agency, live.prefix)) == []
        assert await live.read(lanes_topic(0, live.prefix)) == []
        await producer.abort_transaction()
    await live.start_broker("next")

    async def admitted() -> bool:
        return sum(isinstance(leaf, Admitted) for leaf in await live.leaves(NCA)) == 3

    await until(admitted, "the next worker decides what waited")


async def test_its_own_open_transaction_is_no_reason(live: Live) -> None:
    """What an earlier owner of the same id left open is ended by the new owner, and the guard is content."""
    await live.submit(NCA, live.parcel(NCA, live.drafts(NCA, 3), 1))
    own = f"entente.{live.prefix}shard-0"
    async with writing(live.bootstrap, live.broker_tls, own) as producer:
        await producer.begin_transaction()
        await producer.send_and_wait(partition(live, "deliver"), b"left behind", partition=0)
        worker = await live.start_broker()

        async def admitted() -> bool:
            return sum(isinstance(leaf, Admitted) for leaf in await live.leaves(NCA)) == 3

        await until(admitted, "the new owner works")
        assert "CRITICAL" not in worker.said()
        assert b"left behind" not in [m.value for m in await live.read(partition(live, "deliver"))]
