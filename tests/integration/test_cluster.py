"""The life of a cluster: up, killed, back with what it acknowledged, opened again, and never an orphan."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from deploy.errors import DeployError, Missing
from deploy.kafka.cluster import Cluster
from deploy.kafka.settings import Ports, bootstrap
from deploy.kafka.state import pick_ports, read_state
from deploy.pki import Authority
from deploy.topics import apply_topics
from schemas.ids import AgencyId
from schemas.topics import submit_topic
from schemas.transport import client_context

AGENCY = AgencyId("gb-nca")
TOPIC = submit_topic(AGENCY)


async def test_another_process_finds_it_by_its_file(cluster: Cluster) -> None:
    state = read_state(cluster.folder)
    assert state is not None
    assert state.bootstrap == cluster.bootstrap
    assert state.nodes[0].pid == cluster.child().pid
    assert json.loads((cluster.folder / "cluster.json").read_text())["bootstrap"] == cluster.bootstrap
    assert all(log.exists() for log in cluster.log_files)


@asynccontextmanager
async def producing(cluster: Cluster) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(
        bootstrap_servers=cluster.bootstrap,
        security_protocol="SSL",
        ssl_context=client_context(cluster.admin_tls),
        acks="all",
        request_timeout_ms=5000,
    )
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


async def values(cluster: Cluster) -> list[bytes]:
    """What stands in the topic now."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=cluster.bootstrap,
        security_protocol="SSL",
        ssl_context=client_context(cluster.admin_tls),
        group_id=None,
        auto_offset_reset="none",
    )
    partition = TopicPartition(TOPIC, 0)
    await consumer.start()
    try:
        consumer.assign([partition])
        end = (await consumer.end_offsets([partition]))[partition]
        consumer.seek(partition, 0)
        found: list[bytes] = []
        while len(found) < end:
            batches = await consumer.getmany(timeout_ms=200)
            found += [record.value for records in batches.values() for record in records]
        return found
    finally:
        await consumer.stop()


async def test_what_was_acknowledged_survives_a_kill_a_stop_and_a_taken_port(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, Authority.create())
    acknowledged: list[bytes] = []

    async def write(count: int) -> None:
        async with producing(cluster) as producer:
            for _ in range(count):
                value = f"record {len(acknowledged)}".encode()
                await producer.send_and_wait(TOPIC, value, partition=0)
                acknowledged.append(value)

    async with cluster:
        await apply_topics(cluster.bootstrap, cluster.admin_tls, [AGENCY])
        await write(50)
        address, killed = cluster.bootstrap, cluster.child().pid
        cluster.kill()
        await cluster.restart()
        assert cluster.bootstrap == address
        assert cluster.child().pid != killed
        assert await values(cluster) == acknowledged
        await write(10)
    stopped = read_state(tmp_path)
    assert stopped is not None
    assert stopped.nodes[0].pid is None

    # Opened again without its authority, as an auditor does, while somebody else listens on one of its ports.
    with socket.socket() as squatter:
        squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        squatter.bind(("127.0.0.1", stopped.nodes[0].controller_port))
        squatter.listen()
        async with Cluster(tmp_path, None) as again:
            assert again.bootstrap != address
            assert await values(again) == acknowledged


async def test_a_port_that_somebody_takes_at_the_last_moment_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as squatter:
        squatter.bind(("127.0.0.1", 0))
        squatter.listen()
        taken = Ports(client=squatter.getsockname()[1], controller=pick_ports(1)[0].controller)
        offers = iter([[taken], pick_ports(1)])
        monkeypatch.setattr("deploy.kafka.cluster.pick_ports", lambda nodes, wanted: next(offers))
        async with Cluster(tmp_path, Authority.create()) as cluster:
            assert cluster.bootstrap != bootstrap([taken])


async def test_there_is_nothing_to_open_in_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(DeployError, match="holds no cluster"):
        await Cluster(tmp_path, None).start()


async def test_without_jars_it_says_so_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENTENTE_CACHE", str(tmp_path / "cache"))
    with pytest.raises(Missing, match="run `make setup`"):
        await Cluster(tmp_path / "cluster", Authority.create()).start()
    assert not (tmp_path / "cluster").exists()


PARENT = """
import asyncio, sys
from pathlib import Path
from deploy.kafka.cluster import Cluster
from deploy.pki import Authority

async def main():
    async with Cluster(Path(sys.argv[1]), Authority.create()) as cluster:
        print(cluster.child().pid, flush=True)
        await asyncio.sleep(600)

asyncio.run(main())
"""


async def test_no_orphan_after_the_parents_sigkill(tmp_path: Path) -> None:
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PARENT, str(tmp_path), stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]
    )
    try:
        assert parent.stdout is not None
        async with asyncio.timeout(60):
            node = int(await parent.stdout.readline())
        descriptor = os.pidfd_open(node)
        over = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_reader(descriptor, over.set)
        try:
            parent.send_signal(signal.SIGKILL)
            async with asyncio.timeout(10):
                await over.wait()
        finally:
            loop.remove_reader(descriptor)
            os.close(descriptor)
    finally:
        if parent.returncode is None:
            parent.kill()
        await parent.wait()
