"""Lanes move to other shards, with the workers stopped: `entente reshard`.

1. The transactional id of every shard is started: earlier owners are fenced, and what they left open is ended.
2. The guard: nothing is open in any partition that a shard writes.
3. The state of every lane is read, from whichever shard has it.
4. One transaction for each shard that gives lanes away, *by its own id*: state, chain heads and capsules go to the new
   shards' topics, tombstones into its own. So a lane is in exactly one topic at any moment, and a worker that started
   meanwhile, which could still write the old one, has fenced the move: nothing of it is committed.

Every state gets a later generation, so an earlier owner that wakes up sees that it is none any more. The step may be
done again, and then moves what is not where it belongs. A worker does not serve a lane whose state is not in its shard.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

from aiokafka.errors import IllegalOperation, ProducerFenced

from broker.errors import BrokerError
from broker.kafka import Connection, Producer, Record, up
from broker.recovery import guard, read_state
from broker.step import Restored
from schemas.directory import Directory
from schemas.ids import AgencyId
from schemas.topics import deliver_topic, lanes_topic, ledger_topic, transactional_id

_LIMIT_S = 60.0


@dataclass(frozen=True, slots=True)
class Move:
    """A lane that was moved."""

    lane: AgencyId
    before: int
    after: int


class NotMoved(BrokerError):
    """Nothing of this shard was moved; the message says why. The step may be done again."""

    retriable = True


async def reshard(connection: Connection, prefix: str, directory: Directory, partitions: int) -> list[Move]:
    """Bring every lane's state to the shard that the directory names.

    `partitions`: how many shards there are or were. Raises: `HungTransaction`; `NotMoved` if a worker runs.
    """
    shards = range(partitions)
    near = await up(connection)
    async with AsyncExitStack() as stack:
        owners: dict[int, Producer] = {}
        for shard in shards:
            owners[shard] = Producer(near, transactional_id(shard, prefix))
            stack.push_async_callback(owners[shard].discard)
            await owners[shard].start()
        await guard(near, _written(directory, shards, prefix))
        held = {shard: await read_state(near, lanes_topic(shard, prefix)) for shard in shards}
        generation = 1 + max(
            (r.state.generation for lanes in held.values() for r in lanes.values()), default=0
        )
        _check(held)
        moves: list[Move] = []
        for shard, lanes in held.items():
            records, of_shard = _records(shard, lanes, directory, generation, prefix)
            if not records:
                continue
            try:
                await asyncio.wait_for(owners[shard].transact(records), _LIMIT_S)
            except (ProducerFenced, IllegalOperation) as error:
                # The second, if the client has heard of the first before all was handed to it: nothing is written
                raise NotMoved(f"a worker of shard {shard} runs: stop the broker first") from error
            moves += of_shard
        return moves


def _written(directory: Directory, shards: Sequence[int], prefix: str) -> list[tuple[str, int]]:
    return [
        *((lanes_topic(shard, prefix), 0) for shard in shards),
        *((ledger_topic(a, prefix), 0) for a in directory.agency_ids),
        *((deliver_topic(a, prefix), shard) for a in directory.agency_ids for shard in shards),
    ]


def _check(held: Mapping[int, Mapping[AgencyId, Restored]]) -> None:
    seen: dict[AgencyId, int] = {}
    for shard, lanes in held.items():
        for lane in lanes:
            if lane in seen:
                raise BrokerError(f"lane '{lane}' has a state in shard {seen[lane]} and in shard {shard}")
            seen[lane] = shard


def _records(
    shard: int, lanes: Mapping[AgencyId, Restored], directory: Directory, generation: int, prefix: str
) -> tuple[list[Record], list[Move]]:
    """What the shard's own transaction writes: every lane under the new generation, in the topic where it belongs."""
    own, records, moves = lanes_topic(shard, prefix), list[Record](), list[Move]()
    for lane, restored in sorted(lanes.items()):
        after = directory.shard_of(lane)
        for key, value in restored.records(lane, generation):
            records.append(Record(lanes_topic(after, prefix), 0, key, value))
            if after != shard:
                records.append(Record(own, 0, key, b""))
        if after != shard:
            moves.append(Move(lane, shard, after))
    return records, moves
