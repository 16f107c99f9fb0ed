"""Every (principal, topic, operation) on a real cluster: what the table grants works, nothing else does."""

import asyncio
import ssl

import pytest
import pytest_asyncio
from aiokafka import AIOKafkaProducer
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, NewTopic

from deploy.kafka.cluster import Cluster
from deploy.pki import Authority, librdkafka_tls, write_tls
from deploy.topics import apply_topics
from schemas.ids import AgencyId
from schemas.topics import (
    AUDITOR,
    BROKER,
    FEDERATION,
    Grant,
    acl_table,
    deliver_topic,
    submit_topic,
    topics,
    transactional_id,
)
from schemas.transport import client_context
from tests.integration.conftest import Identities
from tests.integration.raw import ALLOWED, TOPIC_DENIED, TRANSACTIONAL_ID_DENIED, RawClient

AGENCIES = tuple(AgencyId(name) for name in ("gb-nca", "fr-oltim", "it-pds", "xa-np", "pf-social"))
SHARDS = 2
STRANGER = "stranger"  # a certificate of our authority, and not one grant
PRINCIPALS = (*AGENCIES, BROKER, FEDERATION, AUDITOR, STRANGER)
PREFIX = "acls."


@pytest_asyncio.fixture(scope="module")
async def table(cluster: Cluster) -> tuple[Grant, ...]:
    """The table of five agencies, applied."""
    await apply_topics(cluster.bootstrap, cluster.admin_tls, AGENCIES, shards=SHARDS, prefix=PREFIX)
    return acl_table(AGENCIES, SHARDS, PREFIX)


@pytest.mark.parametrize("principal", PRINCIPALS)
async def test_each_operation_on_each_topic(
    cluster: Cluster, identities: Identities, table: tuple[Grant, ...], principal: str
) -> None:
    names = [topic.name for topic in topics(AGENCIES, SHARDS, PREFIX)]
    own = {(grant.operation, grant.name) for grant in table if grant.principal == principal}

    def expected(operation: str) -> dict[str, int]:
        return {name: ALLOWED if (operation, name) in own else TOPIC_DENIED for name in names}

    async with RawClient(cluster.bootstrap, identities(principal)) as client:
        assert await client.describe(names) == expected("DESCRIBE")
        # What the guard against hung transactions asks needs the right to describe, not to read.
        assert await client.end_offsets(names, isolation_level=0) == expected("DESCRIBE")
        assert await client.end_offsets(names, isolation_level=1) == expected("DESCRIBE")
        assert await client.write(names) == expected("WRITE")
        assert await client.read(names) == expected("READ")


async def test_a_shards_transactional_id_is_the_brokers_alone(
    cluster: Cluster, identities: Identities, table: tuple[Grant, ...]
) -> None:
    own, foreign = transactional_id(1, PREFIX), transactional_id(1, "another.")
    producer = AIOKafkaProducer(
        bootstrap_servers=cluster.bootstrap,
        security_protocol="SSL",
        ssl_context=client_context(identities(BROKER)),
        transactional_id=own,
    )
    try:
        await producer.start()
        async with producer.transaction():
            await producer.send_and_wait(deliver_topic(AGENCIES[0], PREFIX), b"delivery", partition=1)
    finally:
        await producer.stop()
    for principal in PRINCIPALS:
        async with RawClient(cluster.bootstrap, identities(principal)) as client:
            assert await client.init_transactions(foreign) == TRANSACTIONAL_ID_DENIED
            assert await client.init_transactions(own) == (
                ALLOWED if principal == BROKER else TRANSACTIONAL_ID_DENIED
            )


@pytest.mark.parametrize("principal", [AGENCIES[0], BROKER, FEDERATION])
async def test_nobody_has_a_right_on_the_cluster_itself(
    cluster: Cluster, identities: Identities, table: tuple[Grant, ...], principal: str
) -> None:
    own = submit_topic(AGENCIES[0], PREFIX)

    def attempts() -> dict[str, int]:
        client = AdminClient(
            {"bootstrap.servers": cluster.bootstrap, "log_level": 0, **librdkafka_tls(identities(principal))}
        )
        futures = {
            "create": client.create_topics([NewTopic(f"{PREFIX}new", 1, 1)])[f"{PREFIX}new"],
            "delete": client.delete_topics([own])[own],
        }
        codes = {}
        for name, future in futures.items():
            with pytest.raises(KafkaException) as raised:
                future.result(10)
            codes[name] = raised.value.args[0].code()
        return codes

    denied = KafkaError.TOPIC_AUTHORIZATION_FAILED
    assert await asyncio.to_thread(attempts) == {"create": denied, "delete": denied}


async def test_applying_twice_changes_nothing_and_a_surplus_right_is_taken_away(
    cluster: Cluster, identities: Identities, fresh_prefix: str
) -> None:
    two, three = AGENCIES[:2], AGENCIES[:3]
    await apply_topics(cluster.bootstrap, cluster.admin_tls, three, prefix=fresh_prefix)
    await apply_topics(cluster.bootstrap, cluster.admin_tls, three, prefix=fresh_prefix)
    arrangement = [f"{fresh_prefix}arrangement"]
    async with RawClient(cluster.bootstrap, identities(AGENCIES[2])) as client:
        assert await client.read(arrangement) == {arrangement[0]: ALLOWED}
        await apply_topics(cluster.bootstrap, cluster.admin_tls, two, prefix=fresh_prefix)
        # On the connection that was open all the time.
        assert await client.read(arrangement) == {arrangement[0]: TOPIC_DENIED}
    async with RawClient(cluster.bootstrap, identities(AGENCIES[1])) as client:
        assert await client.read(arrangement) == {arrangement[0]: ALLOWED}


async def test_who_has_no_certificate_of_ours_does_not_get_in(
    cluster: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> None:
    forged = tmp_path_factory.mktemp("forged")
    write_tls(forged, Authority.create().issue("admin"))
    (forged / "ca.pem").write_bytes((cluster.admin_tls / "ca.pem").read_bytes())
    bare = ssl.create_default_context(cafile=str(forged / "ca.pem"))
    host, port = cluster.bootstrap.rsplit(":", 1)
    for context in (client_context(forged), bare):
        # In TLS 1.3 the client learns of the refusal at its first read.
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await _read_one_byte(host, int(port), context)


async def _read_one_byte(host: str, port: int, context: ssl.SSLContext) -> None:
    reader, writer = await asyncio.open_connection(host, port, ssl=context)
    try:
        async with asyncio.timeout(10):
            if await reader.read(1) == b"":
                raise ConnectionResetError("closed by the cluster")
    finally:
        writer.transport.abort()
