"""The outbox on a real store: windows, their order and numbers, restarts, and who is told of a refusal."""

import asyncio
import contextlib
import struct
from base64 import b64encode
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import insert, select

from agencies.drafting import Draft
from agencies.errors import DraftRefused
from agencies.outbox import Outbox, Receipted, last_sequence
from agencies.sealing import Control
from agencies.store import Store
from agencies.store.tables import chains, outbox, published
from broker.lane import fold
from schemas.clock import DAY_S, ManualClock, MappedClock
from schemas.codes import Kind, PortionName, SubjectCategory
from schemas.controls import Receipt, receipt_bytes
from schemas.envelope import RecordEntry, manifest_digest, parse_submission_entry
from schemas.frames import MAX_PARCEL, parse_parcel
from schemas.ledger import Admitted
from schemas.records.boat_supply import BoatSupplyPersons
from schemas.records.kind import Person
from schemas.records.particulars import Exhibit
from schemas.records.travel_document import TravelDocumentPersons
from tests.support.drafts import base, draft, handling, label, persons, plain, record_id, sources
from tests.support.federation import NOW_MS, leaves, message
from tests.support.members import members
from tests.vectors.scenes import FR, GB, IT

M = members()
CLOCK = MappedClock(ManualClock(NOW_MS))
FAR = "\N{CJK UNIFIED IDEOGRAPH-6F22}" * 4000  # 12 KB in UTF-8


@contextlib.asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[tuple[Store, Outbox]]:
    """An outbox that does not run yet."""
    async with Store(f"sqlite:///{folder / 'node.db'}") as store:
        yield store, Outbox(store, M.sealer(GB), CLOCK)


@contextlib.asynccontextmanager
async def running(box: Outbox) -> AsyncIterator[None]:
    task = asyncio.ensure_future(box.run())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def sealed(folder: Path, drafts: Sequence[Draft]) -> None:
    """Hand all in before the first window is made, and wait until all are kept."""
    async with opened(folder) as (_, box):
        kept = [await box.put(d, i) for i, d in enumerate(drafts)]
        async with running(box):
            await asyncio.gather(*kept)


async def parcels(store: Store) -> list[bytes]:
    return await store.run(
        lambda c: [bytes(r.bytes) for r in c.execute(select(outbox).order_by(outbox.c.parcel))]
    )


async def stored(folder: Path) -> list[bytes]:
    async with opened(folder) as (store, _):
        return await parcels(store)


async def test_windows_are_in_order_and_number_every_record_once(tmp_path: Path) -> None:
    drafts = [plain(i, FR) for i in range(300)]
    await sealed(tmp_path, drafts)
    windows = [parse_parcel(p) for p in await stored(tmp_path)]
    assert [(w.first, len(w.entries)) for w in windows] == [(1, 256), (257, 44)]
    async with opened(tmp_path) as (store, _):
        rows = await store.run(lambda c: c.execute(select(published).order_by(published.c.sequence)).all())
    assert [r.sequence for r in rows] == list(range(1, 301))
    assert [r.plan_index for r in rows] == list(range(300))
    assert [bytes(r.record_id) for r in rows] == [d.record_id for d in drafts]
    for row in rows[::37]:
        entry = parse_submission_entry(windows[row.parcel - 1].entries[row.entry])
        assert isinstance(entry, RecordEntry)
        assert manifest_digest(M.domains, entry.manifest) == bytes(row.manifest)


async def test_the_broker_admits_all_of_it(tmp_path: Path) -> None:
    await sealed(tmp_path, [plain(i, FR, IT) for i in range(20)])
    values = await stored(tmp_path)
    out = fold(M.lane(GB), [message(v, i) for i, v in enumerate(values)], M.versions)
    assert [leaf.sequence for leaf in leaves(out) if isinstance(leaf, Admitted)] == list(range(1, 21))
    assert len(leaves(out)) == 20


async def test_a_restart_goes_on_with_the_next_number_and_sends_new_capsules(tmp_path: Path) -> None:
    await sealed(tmp_path, [plain(1, FR), plain(2, FR)])
    before = await stored(tmp_path)
    await sealed(tmp_path, [plain(3, FR)])
    after = await stored(tmp_path)
    assert after[: len(before)] == before
    last = parse_parcel(after[-1])
    assert last.first == 3
    assert len(last.capsules) == 1  # keys of a pair live in memory only
    out = fold(M.lane(GB), [message(v, i) for i, v in enumerate(after)], M.versions)
    assert all(isinstance(leaf, Admitted) for leaf in leaves(out))


async def test_a_draft_that_breaks_a_rule_never_gets_in(tmp_path: Path) -> None:
    bad = {
        "at least one portion": draft(1),
        "stands twice": draft(
            1, (PortionName.BASE, base(), label(FR)), (PortionName.BASE, base(), label(FR))
        ),
        "does not know": plain(1, "de-six"),
        "no such portion": draft(1, (PortionName.REFERRAL, base(), label(FR))),
        "content must be BoatSupplySources": draft(1, (PortionName.SOURCES, base(), label(FR))),
        "bears persons": draft(1, (PortionName.PERSONS, _crowd(1), label(FR))),
        "retain-until": draft(1, (PortionName.BASE, base(), label(FR, by=handling(retain_until=1)))),
    }
    async with opened(tmp_path) as (store, box):
        for reason, made in bad.items():
            with pytest.raises(DraftRefused, match=reason):
                await box.put(made)
        assert await parcels(store) == []


def _crowd(count: int) -> BoatSupplyPersons:
    return BoatSupplyPersons(persons=(Person(name="N", role="driver", note=FAR),) * count)


SUSPECTS = handling(subjects=(SubjectCategory.SUSPECT,), origins=("XA",), cleared=True)


def _large(seed: int) -> Draft:
    """Two scans of 3 MB each: more than a record may have."""
    scan = Exhibit(
        title="Scan", media_type="image/png", data=b64encode(b"\x89PNG\r\n\x1a\n" + bytes(3_000_000))
    )
    content = TravelDocumentPersons(persons=(Person(name="N", role="driver"),), exhibits=(scan, scan))
    made = draft(seed, (PortionName.PERSONS, content, label(FR, by=SUSPECTS)))
    return replace(made, kind=Kind.TRAVEL_DOCUMENT)


async def test_a_refused_draft_is_told_to_its_sender_and_to_nobody_else(tmp_path: Path) -> None:
    async with opened(tmp_path) as (store, box):
        first = await box.put(plain(1, FR))
        refused = await box.put(_large(2))
        second = await box.put(plain(3, FR))
        async with running(box):
            with pytest.raises(DraftRefused, match="over the limit"):
                await refused
            await asyncio.gather(first, second)
            alone = await box.put(_large(4))
            with pytest.raises(DraftRefused, match="over the limit"):
                await alone
            await (await box.put(plain(5, FR)))
        rows = await store.run(lambda c: c.execute(select(published).order_by(published.c.sequence)).all())
        assert [r.sequence for r in rows] == [1, 2, 3]  # a refused draft uses no number
        assert [bytes(r.record_id) for r in rows] == [record_id(i) for i in (1, 3, 5)]
        values = await parcels(store)
    out = fold(M.lane(GB), [message(v, i) for i, v in enumerate(values)], M.versions)
    assert [type(leaf) for leaf in leaves(out)] == [Admitted] * 3


async def test_what_comes_to_too_much_in_all_deliveries_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agencies.outbox.MAX_RELEASED", 900)
    async with opened(tmp_path) as (_, box), running(box):
        await (await box.put(plain(1, FR)))
        with pytest.raises(
            DraftRefused, match=r"in all its deliveries, over the limit of 900: address fewer"
        ):
            await (await box.put(plain(2, *OTHERS)))


async def test_a_sealing_that_fails_for_one_draft_leaves_the_loop_alive(tmp_path: Path) -> None:
    early = replace(plain(2, FR), created_s=-1)  # before 1970: no epoch of keys has that number
    async with opened(tmp_path) as (store, box):
        kept = [await box.put(plain(1, FR)), await box.put(early), await box.put(plain(3, FR))]
        async with running(box):
            with pytest.raises(struct.error):
                await kept[1]
            await asyncio.gather(kept[0], kept[2])
        (value,) = await parcels(store)
    assert len(parse_parcel(value).entries) == 2


async def test_a_window_stays_below_its_bytes(tmp_path: Path) -> None:
    drafts = [plain(i, FR, summary=FAR[:4000]) for i in range(70)]
    await sealed(tmp_path, drafts)
    values = await stored(tmp_path)
    counts = [len(parse_parcel(v).entries) for v in values]
    assert sum(counts) == 70
    assert len(counts) == 2
    assert all(len(v) < 720_000 < MAX_PARCEL for v in values)
    assert parse_parcel(values[1]).first == counts[0] + 1
    out = fold(M.lane(GB), [message(v, i) for i, v in enumerate(values)], M.versions)
    assert all(isinstance(leaf, Admitted) for leaf in leaves(out))


# Capsules are a part of a window: one for each recipient and day


OTHERS = [a for a in M.arrangement.directory.agency_ids if a != GB]


def _dated(seed: int, days: int, *to: str) -> Draft:
    """Created so many days ago; each day has capsules of its own."""
    made = plain(seed, *to)
    return replace(made, created_s=made.created_s - days * DAY_S)


async def test_a_window_stays_below_its_bytes_with_the_capsules_of_many_days(tmp_path: Path) -> None:
    await sealed(tmp_path, [_dated(i, i // 2, *OTHERS) for i in range(250)])
    values = await stored(tmp_path)
    assert len(values) == 2
    assert 600_000 < len(values[0]) < 705_000 < MAX_PARCEL  # a capsule that two records name counts once
    out = fold(M.lane(GB), [message(v, i) for i, v in enumerate(values)], M.versions)
    assert [leaf.sequence for leaf in leaves(out) if isinstance(leaf, Admitted)] == list(range(1, 251))


@pytest.mark.parametrize(
    "made",
    [
        draft("none", (PortionName.BASE, base(), label())),
        _dated(1, 0, FR),
        _dated(1, 0, *OTHERS),
        plain(1, *OTHERS, summary=FAR[:4000]),
        draft(
            "all",
            (PortionName.BASE, base(), label(*OTHERS, officers=("it-pds/lo-rome",))),
            (PortionName.SOURCES, sources(), label(*OTHERS)),
            (PortionName.PERSONS, persons(), label(*OTHERS, by=SUSPECTS)),
        ),
    ],
    ids=["nobody", "one", "all", "long", "portions"],
)
def test_a_record_takes_no_more_bytes_than_it_says(made: Draft) -> None:
    sealer = M.sealer(GB)
    closed = sealer.close_record(made, 2**40)
    assert closed.alone == closed.size + sum(sealer.unsent(closed).values())
    parcel = parse_parcel(sealer.seal_window([closed], (), 2**40))
    assert closed.size - 1000 < len(parcel.entries[0]) + 5 <= closed.size
    assert sum(len(c) + 5 for c in parcel.capsules) == closed.alone - closed.size
    again = sealer.close_record(made, 2**40 + 1)
    assert sealer.unsent(again) == {}
    assert again.alone == closed.alone


async def test_a_record_that_is_too_large_with_its_capsules_is_refused_whatever_was_sent_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agencies.outbox.MAX_RECORD", 6_000)
    async with opened(tmp_path) as (_, box), running(box):
        assert M.sealer(GB).close_record(plain(1, *OTHERS), 1).size < 6_000
        for seed in range(0, 20, 10):
            with pytest.raises(
                DraftRefused, match=r"with capsules for its recipients \d+, is over the limit"
            ):
                await (await box.put(plain(seed, *OTHERS)))
            for i, to in enumerate(OTHERS, 1):
                await (await box.put(plain(seed + i, to)))


async def test_a_window_that_is_too_large_is_told_to_every_sender_and_uses_no_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drafts = [_dated(i, i, *OTHERS) for i in range(200)]
    async with opened(tmp_path) as (store, box):
        kept = [await box.put(d) for d in drafts]
        with monkeypatch.context() as patch:
            patch.setattr("agencies.outbox._WINDOW_BYTES", 2_000_000)
            patch.setattr("schemas.frames.MAX_PARCEL", 900_000)
            async with running(box):
                told = await asyncio.wait_for(asyncio.gather(*kept, return_exceptions=True), 20)
                assert all(isinstance(e, ValueError) and "over the limits" in str(e) for e in told)
                assert await parcels(store) == []
                await (await box.put(drafts[0]))
        (value,) = await parcels(store)
    out = fold(M.lane(GB), [message(value, 0)], M.versions)
    assert [leaf.sequence for leaf in leaves(out) if isinstance(leaf, Admitted)] == [1]


def test_a_window_that_is_too_large_keeps_its_capsules_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    sealer = M.sealer(GB)
    closed = [sealer.close_record(_dated(i, i, *OTHERS), i + 1) for i in range(200)]
    with monkeypatch.context() as patch:
        patch.setattr("schemas.frames.MAX_PARCEL", 900_000)
        with pytest.raises(ValueError, match="over the limits"):
            sealer.seal_window(closed, (), 1)
    assert len(parse_parcel(sealer.seal_window(closed[:1], (), 1)).capsules) == len(OTHERS)


async def test_a_store_that_fails_ends_the_loop_and_is_told_to_every_sender(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(tmp_path) as (_, box):
        kept = [await box.put(plain(i, FR)) for i in range(3)]
        monkeypatch.setattr("agencies.outbox._insert", _away)
        task = asyncio.ensure_future(box.run())
        told = await asyncio.wait_for(asyncio.gather(*kept, return_exceptions=True), 20)
        assert [type(e) for e in told] == [OSError] * 3
        with pytest.raises(OSError, match="away"):
            await task


def _away(*_: object) -> None:
    raise OSError("away")


async def test_a_sender_that_gave_up_waiting_does_not_end_the_loop(tmp_path: Path) -> None:
    async with opened(tmp_path) as (store, box):
        for made in (_large(1), plain(2, FR)):
            (await box.put(made)).cancel()
        async with running(box):
            await asyncio.wait_for(await box.put(plain(3, FR)), 10)
        (value,) = await parcels(store)
    assert len(parse_parcel(value).entries) == 2


async def test_a_receipt_and_what_it_receipts_are_kept_together(tmp_path: Path) -> None:
    control = Control("receipt", record_id("r"), receipt_bytes(Receipt(IT, 0, 4, bytes(32), ())))
    async with opened(tmp_path) as (store, box):
        await store.run(
            lambda c: c.execute(insert(chains).values(lane=IT, number=9, digest=bytes(32), receipted=0))
        )
        kept = [await box.put_receipt(Receipted(control, IT, 4)), await box.put(plain(1, FR))]
        async with running(box):
            await asyncio.gather(*kept)
        assert await store.run(lambda c: c.scalar(select(chains.c.receipted))) == 4
        (value,) = await parcels(store)
    first, second = (parse_submission_entry(e) for e in parse_parcel(value).entries)
    assert isinstance(first, RecordEntry)  # records before controls, whatever came first
    assert not isinstance(second, RecordEntry)


async def test_an_expired_signing_key_holds_everything_back_until_it_is_renewed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    until_ms = M.arrangement.directory.agency(GB).signing_until_ms
    assert until_ms is not None
    clock = ManualClock(until_ms - 4999)
    async with Store(f"sqlite:///{tmp_path / 'node.db'}") as store:
        box = Outbox(store, M.sealer(GB), MappedClock(clock))
        async with running(box):
            kept = await box.put(plain(1, FR))
            while "has expired" not in caplog.text:
                await asyncio.sleep(0)
            assert not kept.done()
            assert await store.run(last_sequence) == 0
            clock.set(until_ms - 5001)
            await asyncio.wait_for(kept, 60)
            assert await store.run(last_sequence) == 1


async def test_the_queue_is_bounded_in_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever hands in more than fits waits, in the order of coming; what was handed in is all sealed in the end."""
    monkeypatch.setattr("agencies.outbox._QUEUE_BYTES", 20_000)
    async with opened(tmp_path) as (store, box):
        drafts = [plain(i, FR, summary="x" * 2_000) for i in range(40)]
        handing = asyncio.ensure_future(_hand_in(box, drafts))
        await asyncio.wait([handing], timeout=0.2)
        assert not handing.done()
        assert 16_000 < box._waiting <= 20_000
        async with running(box):
            await asyncio.gather(*await handing)
        assert box._waiting == 0
        rows = await store.run(lambda c: c.execute(select(published).order_by(published.c.sequence)).all())
    assert [bytes(r.record_id) for r in rows] == [d.record_id for d in drafts]


async def test_one_draft_larger_than_the_queue_comes_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agencies.outbox._QUEUE_BYTES", 1_000)
    await sealed(tmp_path, [plain(1, FR, summary="x" * 2_000)])
    assert len(await stored(tmp_path)) == 1


async def test_who_gives_up_waiting_leaves_his_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agencies.outbox._QUEUE", 1)
    async with opened(tmp_path) as (_, box):
        first = await box.put(plain(0, FR))
        before = box._waiting
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await box.put(plain(1, FR))
        assert box._waiting == before
        async with running(box):
            await asyncio.gather(first, await box.put(plain(2, FR)))


async def _hand_in(box: Outbox, drafts: Sequence[Draft]) -> list["asyncio.Future[None]"]:
    return [await box.put(d) for d in drafts]


async def test_a_sealer_remembers_a_bounded_number_of_keys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Records of many days, as a scenario has them: old keys are forgotten, and each parcel brings what it needs."""
    monkeypatch.setattr("agencies.sealing._KEKS", 4)
    sealer = M.sealer(GB)
    async with Store(f"sqlite:///{tmp_path / 'node.db'}") as store:
        box = Outbox(store, sealer, CLOCK)
        days = [replace(plain(i, FR, IT), created_s=NOW_MS // 1000 - DAY_S * (i % 7)) for i in range(21)]
        async with running(box):
            for d in days:
                await (await box.put(d))
                assert len(sealer._keks) <= 4 + 2
        assert sealer._unsent == {}
        values = await parcels(store)
    out = fold(M.lane(GB), [message(v, i) for i, v in enumerate(values)], M.versions)
    assert sum(isinstance(leaf, Admitted) for leaf in leaves(out)) == 21


def test_capsules_of_refused_records_are_forgotten_with_their_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agencies.sealing._KEKS", 4)
    sealer = M.sealer(GB)
    for i in range(50):
        sealer.close_record(replace(plain(i, FR, IT), created_s=NOW_MS // 1000 - DAY_S * i), 1)
        sealer.forget_oldest_keys()
        assert len(sealer._keks) <= 4
        assert len(sealer._unsent) <= 4
    assert set(sealer._unsent) <= {kek.digest for kek in sealer._keks.values()}
