"""One bit flipped anywhere, and plain garbage: what is stored is what was closed, and the next good message passes.

INVARIANT (nothing-altered): a stored row equals what its originator closed, or is not there.
"""

import random
from dataclasses import dataclass

import pytest

from agencies.drafting import Draft
from agencies.judging import Delivered, Judged, Received
from broker.lane import fold
from schemas.certificate import certificate_digest
from schemas.codes import PortionName, SubjectCategory
from schemas.envelope import (
    DeliveryEntry,
    HeadEntry,
    RecordEntry,
    parse_deliver_entry,
    parse_submission_entry,
)
from schemas.frames import MAX_PARCEL, PREFIX, BadFrame, Parcel, parse_parcel
from schemas.ids import AgencyId
from schemas.ledger import Admitted, Gap, Quarantined
from schemas.verdicts import Refused
from tests.support.drafts import base, draft, handling, label, persons, sources
from tests.support.federation import commit, leaves, message
from tests.support.forge import flip
from tests.support.members import Members, members
from tests.vectors.scenes import FR, GB, IT, XA

FLIPS = 300
SUSPECTS = handling(subjects=(SubjectCategory.SUSPECT,), origins=("XA",), cleared=True)


@pytest.fixture(scope="module")
def m() -> Members:
    return members()


def records(seed: int) -> list[Draft]:
    """Five records of one to three portions for different recipients."""
    return [
        draft(
            f"{seed}/{i}",
            (PortionName.BASE, base(f"Summary {seed}/{i}"), label(FR, IT, *([XA] if i % 2 else []))),
            *([(PortionName.SOURCES, sources(f"Detail {i}"), label(FR))] if i % 3 else []),
            *(
                [(PortionName.PERSONS, persons(f"Hana Esempio {i}"), label(FR, IT, by=SUSPECTS))]
                if i % 2
                else []
            ),
        )
        for i in range(5)
    ]


@dataclass(frozen=True)
class Windows:
    """Two windows of one sealer, and all that was closed in them."""

    first: bytes
    second: bytes
    closed: dict[bytes, Draft]


@pytest.fixture(scope="module")
def windows(m: Members) -> Windows:
    return make_windows(m, GB)


def make_windows(m: Members, agency: AgencyId) -> Windows:
    sealer = m.sealer(agency)
    values: list[bytes] = []
    closed: dict[bytes, Draft] = {}
    for first in (1, 6):
        made = [sealer.close_record(d, first + i) for i, d in enumerate(records(first))]
        values.append(sealer.seal_window(made, (), first))
        closed |= {r.digest: r.draft for r in made}
        sealer.forget_keys()  # so that the second window needs nothing of a first that was refused
    return Windows(values[0], values[1], closed)


def check_rows(received: list[Received], closed: dict[bytes, Draft]) -> None:
    for row in received:
        made = closed[row.opened.digest]
        assert (row.opened.manifest.record_id, row.opened.manifest.kind) == (made.record_id, made.kind)
        assert row.opened.manifest.created_s == made.created_s
        original = {p.name: p for p in made.portions}
        assert row.opened.portions
        for portion in row.opened.portions:
            assert portion.content == original[PortionName(portion.name)].content
            assert portion.handling == original[PortionName(portion.name)].label.handling


def bits(value: bytes, seed: str, count: int = FLIPS) -> list[int]:
    """Seeded places all over, and every bit of the first bytes."""
    source = random.Random(seed)
    return [*range(0, 8 * 16, 5), *(source.randrange(8 * len(value)) for _ in range(count))]


def touched(before: bytes, after: bytes) -> tuple[set[int], bool] | None:
    """Which entries differ, and whether anything else does; None where the frame itself is broken."""
    old = parse_parcel(before)
    try:
        new = parse_parcel(after)
    except BadFrame:
        return None
    if len(new.entries) != len(old.entries):
        return set(range(len(old.entries))), True
    differ = {i for i, (a, b) in enumerate(zip(old.entries, new.entries, strict=True)) if a != b}
    rest = (old.first, old.seals, old.capsules) != (new.first, new.seals, new.capsules)
    return differ, rest


def test_a_flipped_bit_in_a_submission(m: Members, windows: Windows) -> None:
    for bit in bits(windows.first, "submission"):
        value = flip(windows.first, bit)
        lane = m.lane(GB)
        out = fold(lane, [message(value, 0)], m.versions)
        found = leaves(out)
        good = {leaf.entry for leaf in found if isinstance(leaf, Admitted)}
        bad = {leaf.entry for leaf in found if isinstance(leaf, Quarantined)}
        assert {leaf.manifest for leaf in found if isinstance(leaf, Admitted)} <= windows.closed.keys()
        differ = touched(windows.first, value)
        if differ is None:
            assert len(found) == 1, bit
            assert bad == {None}, bit
        elif not differ[1]:  # one entry was touched, and it alone
            assert good == set(range(5)) - differ[0], bit
            assert bad == differ[0], bit
            assert all(isinstance(leaf, Admitted | Quarantined | Gap) for leaf in found)
        judges = {a: m.judge(a) for a in (FR, IT, XA)}
        commit(lane, out)
        # The next good window is admitted and stored in full.
        after = fold(lane, [message(windows.second, 1)], m.versions)
        assert [leaf.entry for leaf in leaves(after) if isinstance(leaf, Admitted)] == list(range(5)), bit
        steps = [m.deliver((lane, out)), m.deliver((lane, after))]
        for recipient, judge in judges.items():
            rows = [judge.judge(Delivered(0, 0, p, True)) for step in steps for p in step.get(recipient, [])]
            assert not any(row.bad or row.alarms for row in rows), bit
            check_rows([r for row in rows for r in row.received], windows.closed)


@dataclass(frozen=True)
class Parcels:
    """Two steps' parcels for FR, from the lanes of GB and IT."""

    first: bytes
    second: bytes
    closed: dict[bytes, Draft]


@pytest.fixture(scope="module")
def parcels(m: Members) -> Parcels:
    both = {lane: make_windows(m, lane) for lane in (GB, IT)}
    lanes = {lane: m.lane(lane) for lane in both}
    steps = []
    for offset in (0, 1):
        folds = []
        for name, lane in lanes.items():
            made = both[name]
            out = fold(lane, [message((made.first, made.second)[offset], offset)], m.versions)
            folds.append((lane, out))
        steps.append(m.deliver(*folds))
        for lane, out in folds:
            commit(lane, out)
    (first,), (second,) = steps[0][FR], steps[1][FR]
    return Parcels(first, second, both[GB].closed | both[IT].closed)


def test_the_parcels_open_in_full(m: Members, parcels: Parcels) -> None:
    judge = m.judge(FR)
    for value in (parcels.first, parcels.second):
        result = judge.judge(Delivered(0, 0, value, True))
        assert len(result.received) == 10
        assert not result.bad
        check_rows(result.received, parcels.closed)


def test_a_flipped_bit_in_a_deliver_parcel(m: Members, parcels: Parcels) -> None:
    original = parse_parcel(parcels.first)
    entries = [parse_deliver_entry(data) for data in original.entries]
    certificates = {
        certificate_digest(m.domains, e.certificate) for e in entries if isinstance(e, DeliveryEntry)
    }
    for bit in bits(parcels.first, "deliver", 2 * FLIPS):
        value = flip(parcels.first, bit)
        judge = m.judge(FR)
        result = judge.judge(Delivered(0, 0, value, True))
        check_rows(result.received, parcels.closed)
        for row in result.received:
            assert certificate_digest(m.domains, row.entry.certificate) in certificates, bit
        differ = touched(parcels.first, value)
        if differ is None:
            assert len(result.bad) == 1, bit
            assert not result.received, bit
        elif not differ[1]:
            (index,) = differ[0]
            _check_touched(result, original, entries[index], index, bit)
        after = judge.judge(Delivered(0, 1, parcels.second, True))
        assert len(after.received) == 10, bit
        assert not after.bad, bit
        check_rows(after.received, parcels.closed)


def _check_touched(result: Judged, original: Parcel, entry: object, index: int, bit: int) -> None:
    """One entry was touched. Every other is stored, unless it was the head that vouches for its lane."""
    stored = {original.entries.index(_bytes(original, row)) for row in result.received}
    deliveries = {
        i for i, data in enumerate(original.entries) if isinstance(parse_deliver_entry(data), DeliveryEntry)
    }
    assert result.bad, bit
    if isinstance(entry, HeadEntry):
        lost = deliveries - stored
        assert len(lost) == 5, bit
        assert {bad.entry for bad in result.bad} - {index} <= lost, bit
        return
    # A delivery whose portions open in part is stored in part; otherwise it is not stored at all.
    assert stored - {index} == deliveries - {index}, bit
    assert {bad.entry for bad in result.bad} == {index}, bit


def _bytes(original: Parcel, row: Received) -> bytes:
    """The original entry of the same record."""
    for data in original.entries:
        entry = parse_deliver_entry(data)
        if isinstance(entry, DeliveryEntry) and entry.manifest == row.entry.manifest:
            return data
    raise AssertionError("a row of no entry")


def garbage(m: Members, windows: Windows, count: int) -> list[bytes]:
    """Seeded messages that are none: noise, noise after a good beginning, cut and blown-up windows."""
    source = random.Random("garbage")
    good = windows.first
    made = []
    for i in range(count):
        match i % 6:
            case 0:
                made.append(source.randbytes(source.randrange(400)))
            case 1:
                made.append(PREFIX + source.randbytes(source.randrange(400)))
            case 2:
                made.append(good[: source.randrange(len(good))])
            case 3:
                made.append(good + source.randbytes(1 + source.randrange(40)))
            case 4:
                made.append(PREFIX + bytes([0x91 + source.randrange(4)]) * source.randrange(1, 5000))
            case _:
                made.append(good.ljust(MAX_PARCEL + 1 + source.randrange(50), b"\0"))
    return made


def test_garbage_is_one_leaf_a_message_and_the_good_one_is_admitted(m: Members, windows: Windows) -> None:
    bad = garbage(m, windows, 120)
    lane = m.lane(GB)
    values = [*bad, windows.first]
    out = fold(lane, [message(v, i) for i, v in enumerate(values)], m.versions)
    found = leaves(out)
    refused = [leaf for leaf in found if isinstance(leaf, Quarantined)]
    assert [leaf.offset for leaf in refused] == list(range(120))
    assert {leaf.entry for leaf in refused} == {None}
    assert {leaf.reason for leaf in refused} == {
        Refused.TOO_LARGE,
        Refused.BAD_MAGIC,
        Refused.UNSUPPORTED_VERSION,
        Refused.MALFORMED,
    } - ({Refused.UNSUPPORTED_VERSION} - {leaf.reason for leaf in refused})
    assert [type(leaf) for leaf in found[120:]] == [Admitted] * 5
    assert out.state.last_sequence == 5


def test_garbage_is_one_row_a_message_at_the_recipient_and_the_good_one_is_stored(
    m: Members, parcels: Parcels
) -> None:
    judge = m.judge(FR)
    for value in garbage(m, Windows(parcels.first, b"", {}), 120):
        result = judge.judge(Delivered(0, 0, value, True))
        assert len(result.bad) == 1
        assert not result.received
    assert len(judge.judge(Delivered(0, 0, parcels.first, True)).received) == 10


def test_the_window_has_what_the_flips_are_meant_to_reach(windows: Windows) -> None:
    parcel = parse_parcel(windows.first)
    entries = [parse_submission_entry(data) for data in parcel.entries]
    assert all(isinstance(entry, RecordEntry) for entry in entries)
    assert {len(e.portions) for e in entries if isinstance(e, RecordEntry)} == {1, 2, 3}
    assert len(parcel.capsules) == 3
