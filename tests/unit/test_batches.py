"""Record batches made by hand: whatever a fetch holds, a reader gets messages of it, and loses none in silence."""

import random
import zlib
from collections.abc import Sequence
from struct import pack, pack_into

import pytest
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.record.util import calc_crc32c

from schemas.batches import readable
from schemas.frames import PREFIX, BadFrame, parse_parcel

Read = list[tuple[int, int, bytes | None, bytes | None, int]]

LOG_APPEND_TIME, TRANSACTIONAL, CONTROL = 0x08, 0x10, 0x20
AT_MS = 1_790_000_000_000


def honest(
    *values: bytes, offset: int = 0, key: bytes | None = None, headers: Sequence[object] = ()
) -> bytes:
    """As every producer here writes it, and as the cluster stores it at an offset."""
    builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, 0, 1_000_000)
    for i, value in enumerate(values):
        assert builder.append(i, AT_MS, key, value, list(headers)) is not None
    data = bytearray(builder.build())
    pack_into(">q", data, 0, offset)
    return bytes(data)


def by_hand(records: bytes, count: int = 1, attributes: int = 0, offset: int = 0) -> bytes:
    signed = pack(">hiqqqhii", attributes, count - 1, AT_MS - 5, AT_MS, 7, 3, 0, count) + records
    rest = pack(">ibI", 4, 2, calc_crc32c(signed)) + signed
    return pack(">qi", offset, len(rest)) + rest


def varint(value: int) -> bytes:
    value = value << 1 ^ value >> 63
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def record(inner: bytes, size: int = 0) -> bytes:
    return varint(size or len(inner)) + inner


def body(offset: int = 0, key: int = -1, value: bytes = b"\x02v", headers: bytes = b"\0") -> bytes:
    return b"\0\0" + varint(offset) + varint(key) + value + headers


def read(data: bytes) -> Read:
    """What aiokafka makes of it: offset, timestamp, key, value, number of headers."""
    out: Read = []
    records = MemoryRecords(data)
    while records.has_next():
        batch = records.next_batch()
        assert batch.validate_crc()
        out += [(r.offset, r.timestamp, r.key, r.value, len(r.headers)) for r in batch]
        assert out[-1][0] == batch.next_offset - 1
    return out


HOSTILE = {
    "gzip": by_hand(zlib.compress(record(body()), wbits=31), attributes=1),
    "a codec that is not here": by_hand(b"\x28\xb5\x2f\xfd", attributes=4),
    "a codec that does not exist": by_hand(b"", attributes=7),
    "a codec in a transaction": by_hand(b"", attributes=2 | TRANSACTIONAL | LOG_APPEND_TIME),
    "a header key that is no text": by_hand(record(body(headers=b"\x02\x02\xff\x02v"))),
    "fewer headers than said": by_hand(record(body(headers=b"\x04\x02k\x02v"))),
    "a number of headers below zero": by_hand(record(body(headers=b"\x01"))),
    "a header key of size -1": by_hand(record(body(headers=b"\x02\x01\x02v"))),
    "attributes": by_hand(record(b"\xff" + body()[1:])),
    "an offset ahead": by_hand(record(body(1000))),
    "an offset behind": by_hand(record(body(-1))),
    "one offset twice": by_hand(record(body()) + record(body()), 2),
    "offsets that fall": by_hand(record(body(1)) + record(body(0)), 2),
    "more records than said": by_hand(record(body()) + record(body(1)), 1),
    "fewer records than said": by_hand(record(body()), 2),
    "a record shorter than said": by_hand(record(body(), 50)),
    "a record longer than said": by_hand(record(body(), 3)),
    "a record of size 0": by_hand(b"\0"),
    "a record of size -1": by_hand(b"\x01"),
    "a key of size -5": by_hand(record(body(key=-5))),
    "a value of size -5": by_hand(record(body(value=varint(-5)))),
    "a value beyond the end": by_hand(record(body(value=varint(2**31 - 1)))),
    "a number without an end": by_hand(b"\xff" * 40),
    "nothing": by_hand(b""),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_batch_made_by_hand_is_one_message_that_is_no_frame(what: str) -> None:
    before, after = honest(b"a", b"b", offset=10), honest(b"c", offset=14)
    bad = bytearray(HOSTILE[what])
    pack_into(">qii", bad, 0, 12, len(bad) - 12, 4)
    last = 12 + int.from_bytes(bad[23:27], "big")
    seen = read(readable(before + bytes(bad) + after, calc_crc32c))
    assert [(offset, value) for offset, _, _, value, _ in seen] == [
        (10, b"a"),
        (11, b"b"),
        (last, PREFIX),
        (14, b"c"),
    ]
    assert seen[2] == (last, AT_MS, None, PREFIX, 0)
    with pytest.raises(BadFrame, match="malformed"):
        parse_parcel(PREFIX)


def test_what_a_producer_writes_passes_as_it_is() -> None:
    for data in (
        b"",
        honest(b""),
        honest(b"v" * 900_000),
        honest(*[b"x"] * 300),
        honest(b"v", key=b"a key", headers=[("text", b"v"), ("", None)]),
        honest(b"v", key=b""),
        honest(b"a") + honest(b"b", offset=1),
        by_hand(record(body()), attributes=LOG_APPEND_TIME | TRANSACTIONAL),
        by_hand(record(b"\0\0\0\x08\0\0\0\0\x0c\0\0\0\0\0\0\0"), attributes=CONTROL | TRANSACTIONAL),
        # After compaction: the records that are left keep their offsets
        by_hand(record(body(3)) + record(body(7)), 2)[:23]
        + pack(">i", 9)
        + by_hand(record(body(3)) + record(body(7)), 2)[27:],
    ):
        assert readable(data, calc_crc32c) is data


def test_a_batch_that_the_fetch_cut_off_stays_cut_off() -> None:
    whole, cut = honest(b"a"), HOSTILE["gzip"]
    for size in range(len(cut)):
        assert readable(whole + cut[:size], calc_crc32c) == whole + cut[:size]
        assert read(whole + cut[:size])[0][3] == b"a"


def test_a_message_in_the_place_of_a_batch_belongs_to_the_same_transaction() -> None:
    data = readable(HOSTILE["a codec in a transaction"], calc_crc32c)
    batch = MemoryRecords(data).next_batch()
    assert (batch.producer_id, batch.is_transactional, batch.is_control_batch) == (7, True, False)
    assert readable(data, calc_crc32c) is data


def test_whatever_the_records_are_a_reader_gets_messages() -> None:
    source = random.Random(5)
    good = record(body()) + record(body(1, 3, b"\x02v", b"\x02\x02k\x02v").replace(b"\x06", b"\x06abc", 1))
    assert readable(by_hand(good, 2), calc_crc32c) == by_hand(good, 2)
    replaced = 0
    for _ in range(20_000):
        touched = bytearray(good)
        for _ in range(source.randrange(1, 4)):
            touched[source.randrange(len(touched))] = source.randrange(256)
        data = readable(by_hand(bytes(touched), 2, source.choice([0, 0, 0, 1, 2, 3, 4])), calc_crc32c)
        seen = read(data)
        replaced += seen[-1][3] == PREFIX
        assert [offset for offset, *_ in seen] in ([0, 1], [1])
    assert 1000 < replaced < 20_000
