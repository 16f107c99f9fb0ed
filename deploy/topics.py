"""Makes a cluster's topics and rights what `schemas.topics` says they are.

- Applying the table a second time changes nothing. What a listed topic has too many of (a right that no
  longer stands in the table) is taken away: the table is the whole truth for the names in it.
- Returns when the cluster *acts* on it: topics have leaders, and the authorizer that answers clients knows
  the rights.
- The partitions of a topic are not changed by the way: their number is the number of shards, and re-sharding is a
  step of its own, which lets them `grow`. They can never become fewer.

`confluent_kafka` does it, since the other client library knows no ACLs; its calls block, so they run in a
thread.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    NewPartitions,
    NewTopic,
    ResourcePatternType,
    ResourceType,
)

from deploy.errors import DeployError
from deploy.pki import librdkafka_tls
from schemas.ids import AgencyId
from schemas.topics import Grant, Topic, acl_table, topics

AS_THE_CLUSTER = -1
"""As many copies of each topic as the cluster makes by its own settings (`default.replication.factor`)."""

_CALL_LIMIT = 30.0
_VISIBLE_LIMIT = 30.0
_RESOURCES = {"topic": ResourceType.TOPIC, "transactional_id": ResourceType.TRANSACTIONAL_ID}
# None means "any" to the library, which its type annotations do not know.
_ANY = AclBindingFilter(
    ResourceType.ANY,
    None,  # type: ignore[arg-type]
    ResourcePatternType.ANY,
    None,  # type: ignore[arg-type]
    None,  # type: ignore[arg-type]
    AclOperation.ANY,
    AclPermissionType.ANY,
)


async def apply_topics(
    bootstrap: str,
    admin_tls: Path,
    agencies: Sequence[AgencyId],
    *,
    shards: int = 1,
    prefix: str = "",
    copies: int = AS_THE_CLUSTER,
    grow: bool = False,
) -> None:
    """Create what is missing and take away surplus rights; `copies` is the replication of new topics.

    `grow`: a topic with fewer partitions gets more.

    Raises:
        DeployError: the cluster refused, or a topic exists with another number of partitions.
    """
    wanted, table = topics(agencies, shards, prefix), acl_table(agencies, shards, prefix)
    await asyncio.to_thread(_apply, bootstrap, admin_tls, wanted, table, copies, grow)


def _apply(
    bootstrap: str,
    admin_tls: Path,
    wanted: Sequence[Topic],
    table: Sequence[Grant],
    copies: int,
    grow: bool,
) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0, **librdkafka_tls(admin_tls)})
    try:
        if grow:
            _grow(admin, wanted)
        _apply_topics(admin, wanted, copies)
        _apply_rights(admin, table)
    except KafkaException as error:
        raise DeployError(f"the cluster at {bootstrap} refused topics or rights: {error}") from error


def _grow(admin: AdminClient, wanted: Sequence[Topic]) -> None:
    def short() -> list[Topic]:
        found = admin.list_topics(timeout=_CALL_LIMIT).topics
        return [t for t in wanted if t.name in found and len(found[t.name].partitions) < t.partitions]

    if few := short():
        more = [NewPartitions(topic.name, topic.partitions) for topic in few]
        _settle(admin.create_partitions(more, request_timeout=_CALL_LIMIT).values())
        _until(lambda: not short(), "partitions")


def _apply_topics(admin: AdminClient, wanted: Sequence[Topic], copies: int) -> None:
    def missing() -> list[Topic]:
        found = admin.list_topics(timeout=_CALL_LIMIT).topics
        for topic in wanted:
            if topic.name in found and len(found[topic.name].partitions) != topic.partitions:
                has = len(found[topic.name].partitions)
                raise DeployError(f"topic '{topic.name}' has {has} partitions, not {topic.partitions}")
        return [
            topic
            for topic in wanted
            if topic.name not in found
            or any(part.leader < 0 for part in found[topic.name].partitions.values())
        ]

    if not (absent := missing()):
        return
    new = [NewTopic(t.name, t.partitions, copies, config=dict(t.config)) for t in absent]
    _settle(
        admin.create_topics(new, request_timeout=_CALL_LIMIT).values(),
        allowed={KafkaError.TOPIC_ALREADY_EXISTS},
    )
    _until(lambda: not missing(), "topics")


def _apply_rights(admin: AdminClient, table: Sequence[Grant]) -> None:
    wanted = {_binding(grant) for grant in table}
    names = {(binding.restype, binding.name) for binding in wanted}

    def found() -> set[AclBinding]:
        every = admin.describe_acls(_ANY, request_timeout=_CALL_LIMIT).result()
        return {binding for binding in every if (binding.restype, binding.name) in names}

    if surplus := found() - wanted:
        filters = [
            AclBindingFilter(
                one.restype,
                one.name,
                one.resource_pattern_type,
                one.principal,
                one.host,
                one.operation,
                one.permission_type,
            )
            for one in surplus
        ]
        _settle(admin.delete_acls(filters, request_timeout=_CALL_LIMIT).values())
    if absent := wanted - found():
        _settle(admin.create_acls(list(absent), request_timeout=_CALL_LIMIT).values())
    # The controller has it; the authorizer beside the listener follows the log, a moment later.
    _until(lambda: found() == wanted, "rights")


def _binding(grant: Grant) -> AclBinding:
    pattern = ResourcePatternType.PREFIXED if grant.prefixed else ResourcePatternType.LITERAL
    operation = AclOperation[grant.operation]
    principal = f"User:{grant.principal}"
    return AclBinding(
        _RESOURCES[grant.resource], grant.name, pattern, principal, "*", operation, AclPermissionType.ALLOW
    )


def _settle(futures: Iterable[Future[Any]], allowed: frozenset[int] | set[int] = frozenset()) -> None:
    for future in futures:
        try:
            future.result(_CALL_LIMIT)
        except KafkaException as error:
            if error.args[0].code() not in allowed:
                raise


def _until(true: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + _VISIBLE_LIMIT
    while not true():
        if time.monotonic() > deadline:
            raise DeployError(f"the cluster does not act on new {what} after {_VISIBLE_LIMIT:.0f} s")
        time.sleep(0.01)
