"""Chains that go on in another partition are stored in order, however they are read; a real gap is still a break."""

import random
from collections import defaultdict
from collections.abc import Sequence

import pytest

from agencies.judging import Delivered, Judge, Judged
from agencies.weaving import Weaver
from schemas.verdicts import Alarm
from tests.support.members import members
from tests.unit.test_judge import chain_of
from tests.vectors.scenes import FR

M = members()
TOPIC = "deliver"
CHAIN = chain_of(M, 1, 2, 1, 1, 2, 1, 1)


class Partitions:
    """Stands for the reader of a topic: gives what it is told to, of partitions that are not held."""

    def __init__(self, logs: dict[int, list[bytes]]) -> None:
        self.logs = logs
        self.at = dict.fromkeys(logs, 0)
        self.held: set[int] = set()
        self.asked = 0

    def poll(self, partition: int, most: int = 1) -> list[Delivered]:
        if partition in self.held:
            return []
        at = self.at[partition]
        values = self.logs[partition][at : at + most]
        self.at[partition] += len(values)
        return [Delivered(partition, at + i, value, True) for i, value in enumerate(values)]

    def hold(self, topic: str, partition: int, offset: int) -> None:
        assert partition not in self.held
        self.held.add(partition)
        self.at[partition] = offset

    def let_go(self, topic: str, partition: int) -> None:
        self.held.remove(partition)

    async def ends(self, topic: str, partitions: Sequence[int]) -> dict[int, int]:
        self.asked += 1
        return {p: len(self.logs[p]) for p in partitions}

    async def position(self, topic: str, partition: int) -> int:
        return self.at[partition]


class Inbox:
    """A weaver over a judge, and what came of it."""

    def __init__(self, logs: dict[int, list[bytes]]) -> None:
        self.partitions = Partitions(logs)
        self._judge: Judge = M.judge(FR)
        self._weaver = Weaver(self.partitions, TOPIC, tuple(logs), self._judged)
        self.numbers: list[int | None] = []
        self.alarms: list[Alarm] = []
        self.taken: dict[int, list[int]] = defaultdict(list)

    async def _judged(self, message: Delivered, all_delivered: bool) -> Judged:
        return self._judge.judge(message, all_delivered=all_delivered)

    async def take(self, *polls: tuple[int, int]) -> None:
        messages = [m for partition, most in polls for m in self.partitions.poll(partition, most)]
        for message, judged in await self._weaver.take_in(messages):
            self.taken[message.partition].append(message.offset)
            self.numbers += [r.number for r in judged.received]
            self.alarms += [alarm for alarm, _ in judged.alarms]

    @property
    def done(self) -> bool:
        return {p: len(offsets) for p, offsets in self.taken.items()} == {
            p: len(log) for p, log in self.partitions.logs.items() if log
        }


ALL = list(range(1, 10))


async def test_the_new_partition_waits_for_the_old_one() -> None:
    inbox = Inbox({0: CHAIN[:3], 1: CHAIN[3:]})
    await inbox.take((1, 9))
    assert inbox.numbers == []
    assert inbox.partitions.held == {1}
    await inbox.take((1, 9), (0, 2))
    assert inbox.numbers == [1, 2, 3]
    assert inbox.partitions.held == {1}
    await inbox.take((0, 2))
    assert inbox.numbers == [1, 2, 3, 4, 5], "what was kept comes as soon as nothing is missing"
    assert inbox.partitions.held == set()
    await inbox.take((1, 9))
    assert (inbox.numbers, inbox.alarms) == (ALL, [])


async def test_within_one_read_nothing_waits() -> None:
    inbox = Inbox({0: CHAIN[:3], 1: CHAIN[3:]})
    await inbox.take((1, 9), (0, 9))
    assert (inbox.numbers, inbox.alarms, inbox.partitions.asked) == (ALL, [], 0)


@pytest.mark.parametrize("seed", range(40))
async def test_there_and_back_in_any_order_of_reading(seed: int) -> None:
    chance = random.Random(seed)
    cuts = sorted(chance.sample(range(1, len(CHAIN)), 3))
    pieces = [CHAIN[a:b] for a, b in zip([0, *cuts], [*cuts, len(CHAIN)], strict=True)]
    inbox = Inbox({0: pieces[0] + pieces[2], 1: pieces[1], 2: pieces[3], 3: []})
    for _ in range(500):
        order = chance.sample(range(4), chance.randint(1, 4))
        await inbox.take(*((p, chance.randint(1, 4)) for p in order))
        if inbox.done:
            break
    assert (inbox.numbers, inbox.alarms) == (ALL, [])
    assert all(offsets == sorted(set(offsets)) for offsets in inbox.taken.values())


@pytest.mark.parametrize("busy", [False, True])
async def test_what_is_nowhere_is_a_break_and_holds_up_nobody(busy: bool) -> None:
    inbox = Inbox({0: CHAIN[:2], 1: CHAIN[3:], 2: []})  # number 4 was dropped
    others = chain_of_other_lane(30)
    for at in range(40):
        if busy and at < len(others):  # always something more to read elsewhere
            inbox.partitions.logs[2].append(others[at])
        await inbox.take((1, 9), (0, 1), (2, 1))
        if inbox.done:
            break
    assert [n for n in inbox.numbers if n is not None][:3] == [1, 2, 3]
    assert inbox.alarms == [Alarm.CHAIN_BREAK]
    assert inbox.taken[1] == list(range(len(CHAIN) - 3))
    assert inbox.done or busy
    assert inbox.partitions.held == set()


async def test_two_breaks_do_not_wait_for_each_other() -> None:
    inbox = Inbox({0: CHAIN[2:4], 1: CHAIN[5:]})
    await inbox.take((0, 9), (1, 9))
    for _ in range(5):
        await inbox.take((0, 9), (1, 9))
    assert inbox.alarms == [Alarm.CHAIN_BREAK, Alarm.CHAIN_BREAK]
    assert inbox.done


async def test_with_one_partition_nothing_is_early() -> None:
    inbox = Inbox({0: [CHAIN[0], *CHAIN[3:]]})
    await inbox.take((0, 9))
    assert inbox.alarms == [Alarm.CHAIN_BREAK]
    assert (inbox.done, inbox.partitions.asked) == (True, 0)


def chain_of_other_lane(count: int) -> list[bytes]:
    """Messages that concern no chain: they cannot be parsed, and are a row in the quarantine."""
    return [bytes([at]) for at in range(count)]
