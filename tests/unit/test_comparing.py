"""Receipts held against our ledger: what contradicts it is told once, and what it does not show yet is waited for."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Iterable

import pytest
from sqlalchemy import func, insert, select

from agencies.comparing import Comparing
from agencies.errors import PositionMoved
from agencies.judging import Delivered
from agencies.kafka import Connection
from agencies.store import Store
from agencies.store.tables import alarms, receipts, shown_chains
from schemas.arrangement import ArrangementError
from schemas.controls import NO_HEAD
from schemas.frames import Parcel, pack_parcel
from schemas.ids import AgencyId
from schemas.ledger import LeafEntry, entry_bytes
from schemas.verdicts import Alarm
from tests.support.drafts import plain
from tests.support.lanes import GrowingLane
from tests.support.members import members
from tests.support.reading import Ledger, Signed, delivered, run_until
from tests.vectors.scenes import FR, GB, IT

M = members()
NOWHERE = Connection("nowhere:1", ssl.create_default_context())
LEDGER = "ledger"
OTHER = bytes([7]) * 32


class Originator:
    """GB's node, as far as it follows its ledger. `end`: where the topic is written to, in messages of the lane."""

    def __init__(self, store: Store, lane: GrowingLane) -> None:
        self.store = store
        self.lane = lane
        self.end: int | None = None
        self.asked = 0
        self._read = 0
        self.signed = Signed(M.arrangement)
        self._comparing = self.made()

    def made(self) -> Comparing:
        return Comparing(self.store, NOWHERE, LEDGER, self.signed, GB, M.domains)

    async def restart(self) -> None:
        self._comparing = self.made()
        self._read = await self._comparing.resume()

    async def follow(self, count: int | None = None) -> None:
        """Read so many messages more, or all that there are; then compare."""
        upto = len(self.lane.messages) if count is None else self._read + count
        messages = delivered(self.lane.messages[self._read : upto], self._read)
        self._read += len(messages)
        await self._comparing.take(messages)
        await self._comparing.compare(self)

    async def position(self, _topic: str) -> int:
        return self._read

    async def written(self) -> int:
        self.asked += 1
        return len(self.lane.messages) if self.end is None else self.end

    async def receipt(
        self,
        by: AgencyId,
        after: int,
        upto: int,
        head: bytes | None = None,
        exceptions: Iterable[tuple[int, str]] = (),
    ) -> None:
        """What the inbox has stored. `head`: the right one, if it is not said."""
        number = int(
            await self.store.run(lambda c: c.scalar(select(func.count()).select_from(receipts)) or 0)
        )
        row = {
            "id": number.to_bytes(16, "big"),
            "recipient": by,
            "after": after,
            "upto": upto,
            "head": self.lane.chains[by][upto - 1] if head is None else head,
            "exceptions": json.dumps(list(exceptions)),
            "received_at_ms": number,
        }
        await self.store.run(lambda c: c.execute(insert(receipts).values(**row)))

    async def told(self) -> list[str]:
        rows = await self.store.run(lambda c: c.execute(select(alarms.c.alarm, alarms.c.detail)).all())
        assert {alarm for alarm, _ in rows} <= {Alarm.RECEIPT_DIFFERS}
        return [detail for _, detail in rows]

    async def kept(self) -> list[int]:
        """The last number of each piece of a chain."""
        rows = await self.store.run(lambda c: c.scalars(select(shown_chains.c.upto)).all())
        return sorted(rows)

    async def open(self) -> int:
        """Receipts that are still to be compared."""
        waiting = select(func.count()).select_from(receipts).where(receipts.c.compared == 0)
        return int(await self.store.run(lambda c: c.scalar(waiting) or 0))


@pytest.fixture
async def node(store_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Originator]:
    monkeypatch.setattr("agencies.comparing._EVERY_S", 0.0)
    async with Store(store_url) as store:
        lane = GrowingLane(M, GB)
        originator = Originator(store, lane)
        monkeypatch.setattr("agencies.comparing.written", lambda *_: originator.written())
        await originator.restart()
        yield originator


async def test_receipts_that_are_right_raise_nothing(node: Originator) -> None:
    """At every number of a chain, in the middle of a step too: a large step's heads are signed there."""
    node.lane.publish(plain(1, FR, IT), plain(2, FR), plain(3, FR))
    await node.follow()
    node.lane.publish(plain(4, FR, IT))
    for number in (1, 2, 3, 4):
        await node.receipt(FR, number - 1, number)
    await node.receipt(IT, 0, 2)
    await node.follow()
    assert (await node.told(), await node.open(), node.asked) == ([], 0, 0)


async def test_numbers_that_could_not_be_stored_contradict_nothing(node: Originator) -> None:
    node.lane.publish(plain(1, FR), plain(2, FR), plain(3, FR))
    await node.receipt(FR, 0, 2, NO_HEAD, [(1, "bad_wrap"), (2, "chain_break")])
    await node.receipt(FR, 2, 3, exceptions=[(3, "bad_wrap")])
    await node.follow()
    assert (await node.told(), await node.open()) == ([], 0)


async def test_a_receipt_of_more_than_was_delivered_is_told_once(node: Originator) -> None:
    node.lane.publish(plain(1, FR))
    await node.receipt(FR, 0, 3, OTHER)
    await node.receipt(IT, 0, 1, NO_HEAD)
    for _ in range(4):
        await node.follow()
    said = [
        "'fr-oltim' says that it stored numbers 1 to 3 of our lane: by our ledger 1 were delivered to it",
        "'it-pds' says that it stored numbers 1 to 1 of our lane: by our ledger 0 were delivered to it",
    ]
    assert (await node.told(), await node.open()) == (said, 0)
    await node.restart()
    for _ in range(4):
        await node.follow()
    assert await node.told() == said


async def test_a_receipt_of_another_head_is_told_once(node: Originator) -> None:
    node.lane.publish(plain(1, FR, IT), plain(2, FR))
    await node.receipt(FR, 0, 2, node.lane.chains[FR][0])
    await node.receipt(IT, 0, 1, OTHER)
    await node.follow()
    one, two = (d.hex()[:16] for d in node.lane.chains[FR])
    first, second = await node.told()
    assert first == (
        "'fr-oltim' says that it stored numbers 1 to 2 of our lane, the last of them certificate "
        f"{one}: by our ledger number 2 is {two}"
    )
    assert "'it-pds'" in second
    await node.restart()
    await node.follow()
    assert await node.told() == [first, second]


async def test_what_comes_before_the_ledger_is_read_waits_for_it(node: Originator) -> None:
    node.lane.publish(plain(1, FR))
    node.lane.publish(plain(2, FR))
    await node.receipt(FR, 0, 2)
    await node.follow(0)
    await node.follow(2)
    await node.follow(0)
    assert (await node.told(), await node.open()) == ([], 1)
    await node.follow()
    assert (await node.told(), await node.open()) == ([], 0)


async def test_what_is_written_and_not_committed_is_waited_for(node: Originator) -> None:
    """A reader cannot see it yet; a recipient that reads another partition may."""
    node.lane.publish(plain(1, FR))
    await node.follow()
    node.lane.publish(plain(2, FR))
    node.end = len(node.lane.messages) + 1
    await node.receipt(FR, 0, 2)
    for _ in range(3):
        await node.follow(0)
    assert (await node.told(), await node.open(), node.asked) == ([], 1, 1)
    await node.follow()
    assert (await node.told(), await node.open()) == ([], 0)


async def test_one_that_comes_while_another_waits_has_a_wait_of_its_own(node: Originator) -> None:
    node.lane.publish(plain(1, FR))
    await node.receipt(IT, 0, 1, NO_HEAD)
    await node.follow()
    node.lane.publish(plain(2, FR))
    await node.receipt(FR, 0, 2)
    await node.follow(0)  # all is read that was written when the first was found waiting: it alone is ripe
    assert [detail[:8] for detail in await node.told()] == ["'it-pds'"]
    await node.follow()
    assert (len(await node.told()), await node.open()) == (1, 0)


async def test_a_restart_forgets_no_receipt_that_waits(node: Originator) -> None:
    node.lane.publish(plain(1, FR))
    await node.follow()
    node.lane.publish(plain(2, FR))
    await node.receipt(FR, 0, 2)
    await node.receipt(FR, 2, 3, OTHER)
    await node.follow(0)
    await node.restart()
    assert await node.open() == 2
    for _ in range(3):
        await node.follow()
    (detail,) = await node.told()
    assert "numbers 3 to 3" in detail
    assert await node.open() == 0


async def test_a_restart_goes_on_with_chains_rulings_versions_and_who_holds_what(node: Originator) -> None:
    node.lane.publish(plain(1, FR, IT), plain(2, FR, IT))
    await node.follow()
    await node.restart()
    node.lane.publish(plain(1, FR, IT, revision=2), plain(3, FR, IT))
    await node.receipt(FR, 0, 4)
    await node.receipt(IT, 0, 4)
    await node.follow()
    assert (await node.told(), await node.open()) == ([], 0)
    amended = node.lane.amend("amended").arrangement
    node.signed.later[amended.digest] = amended  # signed, and not read yet
    await node.follow()
    node.signed = Signed(M.arrangement)
    node.signed.later[amended.digest] = amended
    await node.restart()
    node.lane.publish(plain(1, FR, IT, revision=3))
    await node.receipt(FR, 4, 5)
    await node.follow()
    assert (await node.told(), await node.open()) == ([], 0)


async def test_a_version_that_nobody_signed_ends_it(node: Originator) -> None:
    await node.follow()
    node.lane.amend("amended")
    with pytest.raises(ArrangementError, match="which nobody signed"):
        await node.follow()


async def test_what_does_not_parse_shows_nothing_and_is_passed_over(node: Originator) -> None:
    leaf = entry_bytes(LeafEntry(b"\xc1"))
    node.lane.messages += [b"", b"ENTENTE\x01\xc1", pack_parcel(Parcel(1, (), (), (b"\xc1", leaf)))]
    node.lane.publish(plain(1, FR))
    await node.receipt(FR, 0, 1)
    await node.follow()
    assert (await node.told(), await node.open()) == ([], 0)
    await node.restart()
    assert await node.position(LEDGER) == len(node.lane.messages)


async def test_a_crash_before_anything_is_kept_reads_it_again(
    node: Originator, monkeypatch: pytest.MonkeyPatch
) -> None:
    node.lane.publish(plain(1, FR))
    await node.follow()
    node.lane.publish(plain(2, FR))
    monkeypatch.setattr("agencies.comparing._EVERY_S", 3600.0)
    await node.follow(0)
    await node.follow()  # it is not time: taken in, and not kept
    await node.restart()
    await node.receipt(FR, 0, 2)
    await node.follow()
    assert (await node.told(), await node.open()) == ([], 0)


async def test_much_that_was_taken_in_is_kept_before_its_time(
    node: Originator, monkeypatch: pytest.MonkeyPatch
) -> None:
    await node.follow()
    monkeypatch.setattr("agencies.comparing._EVERY_S", 3600.0)
    await node.follow()
    monkeypatch.setattr("agencies.comparing._MOST_NEWS", 2)
    node.lane.publish(plain(1, FR))
    await node.follow()
    assert await node.kept() == [1]


async def test_what_was_receipted_is_kept_no_longer(node: Originator) -> None:
    for number in range(1, 6):
        node.lane.publish(plain(number, FR))
        await node.follow()
        await node.receipt(FR, number - 1, number)
    await node.follow()
    assert await node.kept() == [5]
    await node.receipt(FR, 0, 2, OTHER)  # an older copy of a recipient's store says it again: by number alone
    await node.follow()
    assert (await node.told(), await node.open()) == ([], 0)
    await node.restart()
    node.lane.publish(plain(6, FR))
    await node.receipt(FR, 5, 6)
    await node.follow()
    assert (await node.told(), await node.open()) == ([], 0)


async def test_what_differs_is_dropped_by_no_receipt_but_one_that_agrees(node: Originator) -> None:
    for number in range(1, 5):
        node.lane.publish(plain(number, FR))
        await node.follow()
    await node.receipt(FR, 0, 4, OTHER)
    await node.receipt(FR, 0, 3, NO_HEAD, [(1, "bad_wrap")])
    await node.follow()
    assert (len(await node.told()), await node.open(), await node.kept()) == (1, 0, [1, 2, 3, 4])
    await node.receipt(FR, 0, 2)
    await node.follow()
    assert (len(await node.told()), await node.kept()) == (1, [2, 3, 4])


async def test_of_a_chain_that_nobody_agrees_about_the_newest_digests_are_kept(
    node: Originator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agencies.store.showing.MOST_DIGESTS", 2)
    for number in range(1, 6):
        node.lane.publish(plain(number, FR))
        await node.follow()
    assert await node.kept() == [4, 5]
    await node.receipt(FR, 0, 3, OTHER)
    await node.receipt(FR, 0, 4, OTHER)
    await node.follow()
    (detail,) = await node.told()
    assert "numbers 1 to 4 " in detail


async def test_a_divergence_is_told_once_until_a_receipt_agrees_again(node: Originator) -> None:
    """Every later number differs after a fork, and a member may send any number of receipts."""
    node.lane.publish(plain(1, FR, IT))
    for number in range(1, 5):
        await node.receipt(FR, 0, 1, bytes([number]) * 32)
    await node.receipt(FR, 1, 2**63 - 1, OTHER)
    await node.receipt(IT, 0, 1, OTHER)
    for _ in range(3):
        await node.follow()
    assert [detail[:10] for detail in await node.told()] == ["'fr-oltim'", "'it-pds' s"]
    assert await node.open() == 0
    await node.restart()
    node.lane.publish(plain(2, FR), plain(3, FR))
    await node.receipt(FR, 0, 2, OTHER)
    await node.follow()
    assert (len(await node.told()), await node.open()) == (2, 0)
    await node.receipt(FR, 0, 2)
    await node.follow()
    await node.receipt(FR, 2, 3, OTHER)
    await node.receipt(FR, 2, 3, bytes([8]) * 32)
    await node.follow()
    assert ["'fr-oltim' says that it stored numbers 3 to 3 " in d for d in await node.told()] == [
        False,
        False,
        True,
    ]


async def test_who_agrees_about_the_same_number_again_has_not_agreed_again(node: Originator) -> None:
    """Else two receipts could make an alarm, and so any number of them."""
    node.lane.publish(plain(1, FR))
    for _ in range(3):
        await node.receipt(FR, 0, 1)
        await node.receipt(FR, 0, 5, OTHER)
        for _ in range(3):
            await node.follow()
    assert (len(await node.told()), await node.open()) == (1, 0)


async def test_more_receipts_than_one_transaction_looks_at_are_gone_through_at_once(
    node: Originator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agencies.store.receipted.MOST_RECEIPTS", 2)
    monkeypatch.setattr("agencies.comparing._EVERY_S", 3600.0)
    node.lane.publish(*(plain(number, FR) for number in range(1, 6)))
    for number in range(1, 6):
        await node.receipt(FR, number - 1, number)
    for left in (3, 1, 0):
        await node.follow()
        assert await node.open() == left
    await node.receipt(FR, 4, 5)
    await node.follow()
    assert (await node.told(), await node.open()) == ([], 1)  # it is not time: all was gone through


async def test_what_waits_makes_nothing_else_wait(node: Originator, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many of one recipient reach further than is shown, others and its own are compared."""
    monkeypatch.setattr("agencies.store.receipted.MOST_RECEIPTS", 2)
    node.lane.publish(plain(1, FR, IT))
    for number in range(7):
        await node.receipt(FR, 0, 2**63 - 1 - number, OTHER)
    await node.receipt(FR, 0, 1)
    await node.receipt(IT, 0, 1, OTHER)
    await node.follow()
    assert await node.open() == 7
    assert [detail[:8] for detail in await node.told()] == ["'it-pds'"]


async def test_how_far_is_written_is_not_asked_again_before_its_time(
    node: Originator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though rounds follow each other at once, and what waits is more than one of them looks at."""
    monkeypatch.setattr("agencies.store.receipted.MOST_RECEIPTS", 2)
    monkeypatch.setattr("agencies.comparing._EVERY_S", 3600.0)
    node.lane.publish(*(plain(number, FR) for number in range(1, 8)))
    for number in range(1, 8):
        await node.receipt(FR, number - 1, number)
    for number in range(8, 13):
        await node.receipt(FR, 7, number, OTHER)
    for left in (10, 6, 4, 3):  # two that can be compared, and once the two that were found waiting
        await node.follow()
        assert (await node.open(), node.asked) == (left, 1)


async def test_what_was_waited_for_is_told_whatever_comes_meanwhile(
    node: Originator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agencies.store.receipted.MOST_RECEIPTS", 1)
    await node.receipt(FR, 0, 9, OTHER)
    await node.follow()
    await node.receipt(FR, 0, 8, OTHER)
    await node.follow()
    (detail,) = await node.told()
    assert "numbers 1 to 9 " in detail


async def test_two_processes_on_one_store_are_noticed(node: Originator) -> None:
    other = Originator(node.store, node.lane)
    await other.restart()
    node.lane.publish(plain(1, FR))
    await node.follow()
    with pytest.raises(PositionMoved):
        await other.follow()


async def test_a_loop_of_its_own_reads_on_from_what_was_kept_and_tells_once(
    node: Originator, monkeypatch: pytest.MonkeyPatch
) -> None:
    node.lane.publish(plain(1, FR), plain(2, FR))
    await node.receipt(FR, 0, 2)
    await node.receipt(FR, 2, 3, OTHER)
    for start in (0, len(node.lane.messages)):
        topic = Ledger(node.lane.messages)
        monkeypatch.setattr("agencies.comparing.Reader", lambda _, topic=topic: topic)
        await run_until(topic.taken_in, node.made().run())
        assert topic.starts == [start]
        said = (
            "'fr-oltim' says that it stored numbers 3 to 3 of our lane: by our ledger 2 were delivered to it"
        )
        assert (await node.told(), await node.open()) == ([said], 0)


async def test_after_a_failure_the_loop_goes_on_from_what_was_kept(
    node: Originator, monkeypatch: pytest.MonkeyPatch
) -> None:
    node.lane.publish(plain(1, FR))
    await node.follow()
    before = len(node.lane.messages)
    node.lane.publish(plain(2, FR))
    await node.receipt(FR, 0, 2)
    take = Comparing.take

    async def fails_once(self: Comparing, messages: list[Delivered]) -> None:
        monkeypatch.setattr(Comparing, "take", take)
        await take(self, messages)
        raise OSError("the store is away")

    monkeypatch.setattr(Comparing, "take", fails_once)
    topic = Ledger(node.lane.messages)
    monkeypatch.setattr("agencies.comparing.Reader", lambda _: topic)
    await run_until(topic.taken_in, node.made().run())
    assert topic.starts == [before, before]
    assert (await node.told(), await node.open()) == ([], 0)


async def test_another_process_on_the_store_ends_the_loop(
    node: Originator, monkeypatch: pytest.MonkeyPatch
) -> None:
    node.lane.publish(plain(1, FR))
    topic = Ledger(node.lane.messages)
    compare = Comparing.compare

    async def after_another(self: Comparing, reader: Ledger) -> None:
        if self is not node._comparing:
            await node.follow()
        await compare(self, reader)

    monkeypatch.setattr(Comparing, "compare", after_another)
    monkeypatch.setattr("agencies.comparing.Reader", lambda _: topic)
    with pytest.raises(PositionMoved):
        await run_until(asyncio.Event(), node.made().run())
