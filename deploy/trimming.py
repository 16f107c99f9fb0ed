"""Trims topics below what was acknowledged: never by time, never what anybody may still need.

- A deliver partition, up to the last message whose deliveries its recipient has receipted: an inbox stores in order
  and in one transaction with its position, so all before it are stored as well. What holds heads or forwarded receipts
  alone goes with the next delivery: nothing says that its recipient has read it.
- A submit topic, up to the first submission of which a delivery is not receipted yet. The ledger keeps what deciding
  again needs (`broker.ledger_replay`), and a tail of submissions stays, by which a restored node finds that it is one.
- Ledgers, lanes and the arrangement are kept for ever.

Only the cluster's administrator may delete records: no broker can destroy what its decisions are audited by.
"""

import asyncio
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from broker.kafka import Connection, first_offsets, read_all, read_many
from broker.ledger_replay import FromLedger, replay_ledger
from broker.recovery import read_state
from broker.step import Restored
from broker.versions import ReadyHistory
from deploy.errors import DeployError
from deploy.pki import librdkafka_tls
from deploy.stage.evidence import read_ledgers
from schemas.arrangement import Arrangement
from schemas.certificate import parse_certificate
from schemas.controls import ControlCode, parse_receipt
from schemas.envelope import DeliveryEntry, parse_deliver_entry
from schemas.frames import parse_parcel
from schemas.ids import AgencyId
from schemas.ledger import ControlNoted, Leaf, parse_ledger_entry
from schemas.topics import arrangement_topic, deliver_topic, lanes_topic, submit_topic
from schemas.transport import client_context

#: Submissions that stay at the end of each lane.
TAIL = 100
_LIMIT_S = 60.0

#: (lane, recipient) -> the last number of the chain that the recipient has receipted.
Receipted = Mapping[tuple[AgencyId, AgencyId], int]


@dataclass(frozen=True, slots=True)
class Trim:
    """A partition, where it begins, and where it may begin."""

    topic: str
    partition: int
    begins: int
    upto: int


def receipted(leaves: Mapping[AgencyId, list[Leaf]]) -> Receipted:
    """What each recipient has receipted of each lane, as the recipients' own ledgers note it."""
    found: dict[tuple[AgencyId, AgencyId], int] = {}
    for recipient, mine in leaves.items():
        for leaf in mine:
            if isinstance(leaf, ControlNoted) and leaf.code == ControlCode.RECEIPT:
                receipt = parse_receipt(leaf.body)
                pair = (AgencyId(receipt.lane), recipient)
                found[pair] = max(found.get(pair, 0), receipt.upto)
    return found


def submissions_done(
    lane: AgencyId, replayed: FromLedger, known: Receipted, next_offset: int, tail: int
) -> int:
    """The offset below which every submission of the lane is decided, and each of its deliveries receipted."""
    waiting = (p.offset for p in replayed.places if p.number > known.get((lane, p.recipient), 0))
    return max(0, min(min(waiting, default=next_offset), next_offset - tail))


async def plan_trim(
    connection: Connection, arrangement: Arrangement, prefix: str, tail: int = TAIL
) -> list[Trim]:
    """What may be trimmed now. `connection`: of who may read every topic. Raises: `DeployError`."""
    lanes = arrangement.directory.agency_ids
    history = ReadyHistory(arrangement.digest)
    async for message, _ in read_all(connection, arrangement_topic(prefix)):
        history.hear(message.value)
    states: dict[AgencyId, Restored] = {}
    for shard in range(history.partitions):
        states |= await read_state(connection, lanes_topic(shard, prefix))
    ledgers = await read_ledgers(connection, arrangement.domains, lanes, prefix)
    known = receipted({lane: ledger.leaves for lane, ledger in ledgers.items()})
    wanted: dict[tuple[str, int], int] = {}
    for lane, state in states.items():
        entries = [parse_ledger_entry(data) for data in ledgers[lane].entries]
        replayed = replay_ledger(lane, entries, history.ready)
        if replayed.differences:
            raise DeployError(
                f"nothing is trimmed: the ledger of '{lane}' is not right: {replayed.differences[0]}"
            )
        done = submissions_done(lane, replayed, known, state.state.next_offset, tail)
        wanted[submit_topic(lane, prefix), 0] = done
    for shard in range(history.partitions):
        wanted |= await _deliveries_done(connection, arrangement, prefix, shard, known)
    begins = await first_offsets(connection, [*wanted])
    return [
        Trim(*place, begins[place], upto) for place, upto in sorted(wanted.items()) if upto > begins[place]
    ]


async def _deliveries_done(
    connection: Connection, arrangement: Arrangement, prefix: str, shard: int, known: Receipted
) -> dict[tuple[str, int], int]:
    topics = {deliver_topic(recipient, prefix): recipient for recipient in arrangement.directory.agency_ids}
    done: dict[tuple[str, int], int] = {}
    open_: set[str] = set()
    async for topic, message, _ in read_many(connection, {(topic, shard): 0 for topic in topics}):
        entries = (parse_deliver_entry(data) for data in parse_parcel(message.value).entries)
        certificates = [parse_certificate(e.certificate) for e in entries if isinstance(e, DeliveryEntry)]
        numbers = [(AgencyId(c.originator), c.number) for c in certificates]
        if any(number > known.get((lane, topics[topic]), 0) for lane, number in numbers):
            open_.add(topic)
        elif numbers and topic not in open_:
            done[topic, shard] = message.offset + 1
    return done


async def trim(bootstrap: str, admin_tls: Path, trims: list[Trim]) -> None:
    """Delete the records below. Raises: `DeployError` if the cluster refuses."""
    await asyncio.to_thread(_delete, bootstrap, admin_tls, trims)


def _delete(bootstrap: str, admin_tls: Path, trims: list[Trim]) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0, **librdkafka_tls(admin_tls)})
    wanted = [TopicPartition(t.topic, t.partition, t.upto) for t in trims]
    futures: Mapping[TopicPartition, Future[object]] = admin.delete_records(wanted, request_timeout=_LIMIT_S)
    for place, future in futures.items():
        try:
            future.result(_LIMIT_S)
        except (KafkaException, TimeoutError) as error:
            raise DeployError(f"'{place.topic}' cannot be trimmed: {error}") from error


async def trim_run(
    bootstrap: str, admin_tls: Path, arrangement: Arrangement, prefix: str, *, dry: bool
) -> list[Trim]:
    """Find what may be trimmed, and unless it is to be `dry`, trim it."""
    trims = await plan_trim(Connection(bootstrap, client_context(admin_tls)), arrangement, prefix)
    if trims and not dry:
        await trim(bootstrap, admin_tls, trims)
    return trims
