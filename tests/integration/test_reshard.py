"""Lanes move from one shard to two and back while records flow: each is stored once and in order."""

import asyncio
from pathlib import Path

import pytest
import pytest_asyncio

import broker.reshard
from broker.kafka import Connection
from broker.recovery import read_state
from broker.reshard import NotMoved, reshard
from broker.step import Restored
from deploy.arrangements import spread
from deploy.kafka.cluster import Cluster
from deploy.kafka.external import ExternalCluster
from deploy.processes import Child
from deploy.secretariat import Secretariat
from deploy.stage.run import Run, RunRecord
from deploy.topics import apply_topics
from schemas.ids import AgencyId
from schemas.ledger import Activation, Admitted
from schemas.topics import FEDERATION, deliver_topic, lanes_topic
from schemas.transport import client_context
from tests.integration.live import NCA, Live, assert_exact, begun, until
from tests.integration.test_isolate import entente

RECORDS = 45  # of each agency
SIGNERS = ("gb-nca", "it-pds", "fr-oltim")


@pytest_asyncio.fixture
async def run(live: Live, cluster: Cluster) -> Path:
    """The federation as a run that the commands know: on a cluster that others run."""
    external = ExternalCluster(bootstrap=live.bootstrap, tls=cluster.folder / "tls", prefix=live.prefix)
    record = RunRecord(arrangement="g7-small", seed=1, records=0, prefix=live.prefix, external=external)
    (live.folder / "run.json").write_text(record.model_dump_json())
    return Run.open(live.folder).folder


async def command(*arguments: str | Path, code: int = 0) -> str:
    """A command that must end with a code; what it said."""
    result = await asyncio.to_thread(entente, *arguments)
    assert result.returncode == code, result.stdout + result.stderr
    return result.stdout + result.stderr


async def proposed(run: Path, shards: int) -> Path:
    """A version with the lanes over so many shards, signed by enough members."""
    file = run / f"lanes-{shards}.bin"
    said = await command("arrangement", "propose", run, "--shards", str(shards), "--out", file)
    assert "lane 'gb-nca': shard " in said
    await command("arrangement", "sign", file, "--run", run, *(w for a in SIGNERS for w in ("--as", a)))
    return file


async def stopped(*workers: Child) -> None:
    for worker in workers:
        assert await worker.terminate(30) == 0


async def published(live: Live, records: int) -> Child:
    """The node of NCA, with so many of its records decided."""
    node = await live.start_nodes([live.node(NCA, records)], f"nca-{records}")

    async def decided() -> bool:
        return sum(isinstance(leaf, Admitted) for leaf in await live.leaves(NCA)) == records

    await until(decided, f"{records} records of NCA are decided")
    return node


async def test_from_one_shard_to_two_and_back_while_records_flow(live: Live, run: Path) -> None:
    # One agency is away all the while: at the end it reads what all shards delivered, at once
    away = live.agencies[-1]
    here = [a for a in live.agencies if a not in (away, NCA)]
    one = await live.start_broker()
    await live.start_nodes([live.node(a, RECORDS, per_second=1.0) for a in here])
    node = await published(live, RECORDS // 3)

    file = await proposed(run, 2)
    said = await command("arrangement", "activate", file, "--run", run, code=2)
    assert "moves lanes: stop the broker" in said
    await stopped(one, node)
    said = await command("reshard", file, "--run", run)
    assert "lane 'gb-nca': shard 0 -> 1" in said
    assert "2 lanes moved" in said
    assert (await live.lanes(0)).keys().isdisjoint(await live.lanes(1))
    assert NCA in await live.lanes(1)
    assert "0 lanes moved" in await command("reshard", file, "--run", run)  # done already

    two = [await live.start_broker(f"broker-{shard}", shard) for shard in (0, 1)]
    node = await published(live, 2 * RECORDS // 3)
    assert await live.read(deliver_topic(here[0], live.prefix), 1)

    back = await proposed(run, 1)
    await stopped(*two, node)
    assert "lane 'gb-nca': shard 1 -> 0" in await command("reshard", back, "--run", run)
    assert await live.lanes(1) == {}
    await live.start_broker("broker-again")
    await published(live, RECORDS)

    await live.start_nodes([live.node(away, RECORDS)], "late")
    await assert_exact(live, RECORDS * len(live.agencies))
    for agency in live.agencies:
        assert live.rows(agency, "SELECT alarm, detail FROM alarms") == []
        assert live.rows(agency, "SELECT reason FROM quarantine") == []
    leaves = await live.leaves(NCA)
    assert sum(isinstance(leaf, Activation) for leaf in leaves) == 3
    assert [leaf.sequence for leaf in leaves if isinstance(leaf, Admitted)] == list(range(1, RECORDS + 1))
    said = await command("ledger", "audit", run)
    assert said.count("equal") == len(live.agencies)


async def test_a_worker_does_not_serve_a_lane_whose_state_is_elsewhere(live: Live, run: Path) -> None:
    running = await live.start_broker()
    await live.start_nodes([live.node(a, 4) for a in live.agencies])
    await begun(live, 10, "records flow")
    file = await proposed(run, 2)
    office = Secretariat.of(
        live.bootstrap, live.ceremony.tls(FEDERATION), live.admin_tls, live.prefix, live.arrangement
    )
    try:
        await office.refresh()
        await office.publish(file.read_bytes())  # by somebody who does not know the command
    finally:
        await office.close()
    assert await running.wait(60) == 7
    assert "version 1 moves lanes of shard 0: run `entente reshard`" in running.said()
    await apply_topics(live.bootstrap, live.admin_tls, live.agencies, shards=2, prefix=live.prefix, grow=True)
    early = live.start("early", "broker", live.broker_settings("early", 1))
    assert await early.wait(60) == 7
    assert "has a ledger and no state in shard 1: run `entente reshard`" in early.said()

    assert "2 lanes moved" in await command("reshard", file, "--run", run)  # it goes on from there
    for shard in (0, 1):
        await live.start_broker(f"broker-{shard}", shard)
    await assert_exact(live, 20)


async def test_a_worker_that_starts_in_the_middle_fences_the_move(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worst of it: after the states were read, a worker comes that does not even know of the version."""
    first = await live.start_broker("first")
    await live.start_nodes([live.node(a, 4) for a in live.agencies])
    await assert_exact(live, 20)
    await stopped(first)
    directory = spread(live.source.directory, 2)
    await apply_topics(live.bootstrap, live.admin_tls, live.agencies, shards=2, prefix=live.prefix, grow=True)
    workers: list[Child] = []

    async def read_and_start(connection: Connection, topic: str) -> dict[AgencyId, Restored]:
        state = await read_state(connection, topic)
        if not workers:
            workers.append(await live.start_broker("meanwhile"))
        return state

    monkeypatch.setattr(broker.reshard, "read_state", read_and_start)
    connection = Connection(live.bootstrap, client_context(live.broker_tls))
    with pytest.raises(NotMoved, match="a worker of shard 0 runs"):
        await reshard(connection, live.prefix, directory, 2)
    assert await live.read(lanes_topic(1, live.prefix)) == []
    assert (await live.lanes(0)).keys() == set(live.agencies)
    await live.submit(NCA, live.parcel(NCA, live.drafts(NCA, 2, start=4), 5))

    async def goes_on() -> bool:
        return sum(isinstance(leaf, Admitted) for leaf in await live.leaves(NCA)) == 6

    await until(goes_on, "the worker goes on")
    assert workers[0].said().count("shard 0 owned") == 1
