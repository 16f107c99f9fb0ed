"""The topics of an arrangement and who may do what with them: the first of the two locks, as data.

- Names, partitions, configuration and the whole access table are values computed from the agencies and the
  number of shards. `deploy.topics` applies them; a test tries each one on a real cluster, the granted and the
  not granted.
- A principal is the common name of a TLS certificate: an agency's id, or one of the service names below.
- Nobody may do what no grant says. There is no grant on the cluster itself, on consumer groups, or for
  everybody.
- A prefix makes a set of topics of its own on a shared cluster; tests use it, a production has none.

Readers keep their offsets in their own SQL, so no group is ever named. `node` and `admin` are super users of
the cluster and not in this table.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from schemas.ids import AgencyId

BROKER: Final = "broker"
FEDERATION: Final = "federation"
AUDITOR: Final = "auditor"

Operation = Literal["READ", "WRITE", "DESCRIBE"]
Resource = Literal["topic", "transactional_id"]

#: A batch as it is stored, with Kafka's own overhead in it. Producers stay below with their batches.
MAX_MESSAGE_BYTES: Final = 5_100_000

# Admission time is a function of the append time (`schemas.clock.ClockMap`), so the cluster and not the
# writer sets it. Nothing is ever removed by age: a ledger is the proof, and a delivery waits for a recipient
# however long it is away.
# Batches stay as they were sent, whatever the cluster's default is. To recompress one, be it to nothing at all, a
# server takes it apart in its heap before it looks at the size: 1 MB of lz4 then ends one of 256 MB (4.1.1, tried).
# So `max.message.bytes` bounds what is stored and not what that expands to: no reader may expand anything.
_KEPT: Final = {
    "message.timestamp.type": "LogAppendTime",
    "max.message.bytes": str(MAX_MESSAGE_BYTES),
    "compression.type": "producer",
    "retention.ms": "-1",
    "retention.bytes": "-1",
    "cleanup.policy": "delete",
}
# A worker reads this topic whole at each recovery: small segments, since the newest is never compacted, and
# early cleaning.
_COMPACTED: Final = _KEPT | {
    "cleanup.policy": "compact",
    "segment.bytes": str(4 * 1024 * 1024),
    "segment.ms": "600000",
    "min.cleanable.dirty.ratio": "0.1",
}


@dataclass(frozen=True)
class Topic:
    """A topic as it has to be."""

    name: str
    partitions: int
    config: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Grant:
    """A principal may do an operation on a resource; `prefixed`: on each one whose name begins so."""

    principal: str
    resource: Resource
    name: str
    operation: Operation
    prefixed: bool = False


def submit_topic(agency: AgencyId, prefix: str = "") -> str:
    """The lane of an originator: what it publishes, in its own order."""
    return f"{prefix}submit.{agency}"


def deliver_topic(agency: AgencyId, prefix: str = "") -> str:
    """What an agency is given; partition s is written by shard s alone."""
    return f"{prefix}deliver.{agency}"


def ledger_topic(agency: AgencyId, prefix: str = "") -> str:
    """Every decision on what an agency published."""
    return f"{prefix}ledger.{agency}"


def lanes_topic(shard: int, prefix: str = "") -> str:
    """The state of a shard's lanes."""
    return f"{prefix}lanes.{shard}"


def arrangement_topic(prefix: str = "") -> str:
    """The signed versions of the arrangement."""
    return f"{prefix}arrangement"


def transactional_id(shard: int, prefix: str = "") -> str:
    """The one transactional id of a shard: starting a producer with it fences every earlier owner."""
    return f"{_transactional_prefix(prefix)}{shard}"


def topics(agencies: Sequence[AgencyId], shards: int, prefix: str = "") -> tuple[Topic, ...]:
    """All topics, in an order that never changes for the same arguments."""
    kept, compacted = tuple(_KEPT.items()), tuple(_COMPACTED.items())
    return (
        Topic(arrangement_topic(prefix), 1, kept),
        *(Topic(lanes_topic(shard, prefix), 1, compacted) for shard in range(shards)),
        *(Topic(submit_topic(agency, prefix), 1, kept) for agency in agencies),
        *(Topic(ledger_topic(agency, prefix), 1, kept) for agency in agencies),
        # A hung transaction of one shard must not hold up what another shard delivers.
        *(Topic(deliver_topic(agency, prefix), shards, kept) for agency in agencies),
    )


def acl_table(agencies: Sequence[AgencyId], shards: int, prefix: str = "") -> tuple[Grant, ...]:
    """Every grant there is; what it does not say is denied.

    Raises:
        ValueError: an agency has the name of a service, and would get its rights.
    """
    if taken := {BROKER, FEDERATION, AUDITOR, "admin", "node"} & set(agencies):
        raise ValueError(f"no agency can be named {sorted(taken)}")
    grants: list[Grant] = []

    def allow(
        topic: str, *, read: Sequence[str] = (), write: Sequence[str] = (), describe: Sequence[str] = ()
    ) -> None:
        grants.extend(Grant(principal, "topic", topic, "READ") for principal in read)
        grants.extend(Grant(principal, "topic", topic, "WRITE") for principal in write)
        # Said aloud for each reader and writer: a reader that may not describe waits for ever, without an
        # error.
        known = dict.fromkeys((*read, *write, *describe))
        grants.extend(Grant(principal, "topic", topic, "DESCRIBE") for principal in known)

    allow(arrangement_topic(prefix), read=(*agencies, BROKER, AUDITOR, FEDERATION), write=(FEDERATION,))
    for shard in range(shards):
        allow(lanes_topic(shard, prefix), read=(BROKER,), write=(BROKER,))
    for agency in agencies:
        # An originator reads its own lane: it compares its outbox with the tail before it publishes again.
        allow(submit_topic(agency, prefix), read=(BROKER, agency, AUDITOR), write=(agency,))
        # The broker reads the ledger back, to rebuild its record index from it.
        allow(ledger_topic(agency, prefix), read=(BROKER, agency, AUDITOR), write=(BROKER,))
        # It never reads what it delivered. The guard against hung transactions compares end offsets:
        # describing is enough.
        allow(deliver_topic(agency, prefix), read=(agency,), write=(BROKER,))
    shard_ids = _transactional_prefix(prefix)
    grants.append(Grant(BROKER, "transactional_id", shard_ids, "WRITE", prefixed=True))
    grants.append(Grant(BROKER, "transactional_id", shard_ids, "DESCRIBE", prefixed=True))
    return tuple(grants)


def _transactional_prefix(prefix: str) -> str:
    return f"entente.{prefix}shard-"
