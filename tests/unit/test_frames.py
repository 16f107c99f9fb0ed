"""A stranger's bytes: whatever they are, the only thing that comes out beside a frame is `BadFrame`."""

import random
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from agencies import opening
from agencies.judging import Delivered
from agencies.sealing import Sealer
from broker.lane import LaneState
from schemas.capsules import Capsule, capsule_bytes, capsule_digest, capsule_info, parse_capsule
from schemas.certificate import parse_certificate
from schemas.controls import parse_receipt
from schemas.entropy import SeededEntropy
from schemas.envelope import (
    Manifest,
    parse_broker_only,
    parse_deliver_entry,
    parse_manifest,
    parse_submission_entry,
    parse_wrap_content,
)
from schemas.frames import (
    BAD_MAGIC,
    MALFORMED,
    MAX_PARCEL,
    PREFIX,
    TOO_LARGE,
    UNSUPPORTED_VERSION,
    BadFrame,
    Parcel,
    pack_parcel,
    parse_frame,
    parse_parcel,
)
from schemas.hpke import SUITE as HPKE
from schemas.ids import AgencyId
from schemas.ledger import parse_leaf, parse_ledger_entry
from schemas.seal import Seal
from schemas.verdicts import Unopened
from tests.support.drafts import plain
from tests.support.forge import flip
from tests.support.members import members
from tests.vectors.scenes import FR, GB, IT

_seal = msgspec.msgpack.Decoder(Seal)
_state = msgspec.msgpack.Decoder(LaneState)

PARSERS: dict[str, Callable[[bytes], object]] = {
    "parcel": lambda data: parse_parcel(PREFIX + data),
    "manifest": parse_manifest,
    "broker_only": parse_broker_only,
    "submission_entry": parse_submission_entry,
    "deliver_entry": parse_deliver_entry,
    "wrap_content": parse_wrap_content,
    "capsule": parse_capsule,
    "certificate": parse_certificate,
    "receipt": parse_receipt,
    "leaf": parse_leaf,
    "ledger_entry": parse_ledger_entry,
    "seal": lambda data: parse_frame(_seal, data),
    "lane_state": lambda data: parse_frame(_state, data),
}

FOREIGN = {
    "nothing": b"",
    "deep arrays": b"\x91" * 200_000,
    "deep maps": b"\x81" * 200_000,
    "deep arrays of five": b"\x95" * 100_000,
    "array of 2^32 - 1": b"\xdd\xff\xff\xff\xff",
    "map of 2^32 - 1": b"\xdf\xff\xff\xff\xff",
    "bytes of 4 GiB": b"\xc6\xff\xff\xff\xff",
    "text of 4 GiB": b"\xdb\xff\xff\xff\xff",
    "extension": b"\xc7\x04\x7f1234",
    "timestamp": b"\xd6\xff\x00\x00\x00\x01",
    "reserved byte": b"\xc1",
    "nil": b"\xc0",
    "integer above 2^63": b"\xcf" + b"\xff" * 8,
    "negative integer": b"\xd3\x80" + bytes(7),
    "float": b"\xcb\x7f\xf0" + bytes(6),
    "text that is not UTF-8": b"\x95\xa3\xff\xfe\xfd",
    "text with a surrogate": b"\x95\xa3\xed\xa0\x80",
    "tag that is not UTF-8": b"\x97\xa6\xff\xfe\xfdabc",
    "map instead of an array": msgspec.msgpack.encode(
        {"first": 0, "seals": [], "capsules": [], "entries": []}
    ),
    "wrong types": msgspec.msgpack.encode(["0", [1], {"a": 1}, None, 1.5, True]),
}


@pytest.mark.parametrize("what", FOREIGN)
@pytest.mark.parametrize("frame", PARSERS)
def test_foreign_bytes_are_no_frame(frame: str, what: str) -> None:
    with pytest.raises(BadFrame) as caught:
        PARSERS[frame](FOREIGN[what])
    assert caught.value.code == MALFORMED


@pytest.mark.parametrize("frame", PARSERS)
def test_random_bytes_raise_nothing_else(frame: str) -> None:
    source = random.Random(frame)
    for _ in range(3000):
        data = source.randbytes(source.randrange(80))
        if source.random() < 0.7:  # begin as a frame does, so that the inside is reached
            data = bytes([0x90 + source.randrange(13)]) + data
        try:
            PARSERS[frame](data)
        except BadFrame as error:
            assert error.code == MALFORMED  # noqa: PT017 - most of them are refused, and a few may parse


@pytest.mark.parametrize("frame", ["submission_entry", "deliver_entry", "capsule", "seal"])
def test_touched_and_cut_frames_raise_nothing_else(frame: str) -> None:
    source = random.Random(frame)
    good = _good()[frame]
    for _ in range(2000):
        data = flip(good, source.randrange(8 * len(good)))[: source.randrange(len(good) + 1)]
        try:
            PARSERS[frame](data)
        except BadFrame as error:
            assert error.code == MALFORMED  # noqa: PT017 - a flip inside of content leaves a frame


def _good() -> dict[str, bytes]:
    m = members()
    sealer = m.sealer(GB)
    submission = sealer.seal_window([sealer.close_record(plain(1, FR), 1)], (), 1)
    parcel = parse_parcel(submission)
    (delivery,) = m.delivered(GB, submission)[FR]
    return {
        "submission_entry": parcel.entries[0],
        "deliver_entry": parse_parcel(delivery).entries[0],
        "capsule": parcel.capsules[0],
        "seal": parcel.seals[0],
    }


def test_size_then_magic_then_version_then_frame() -> None:
    cases = [
        (b"x" * (MAX_PARCEL + 1), TOO_LARGE),
        (PREFIX + bytes(MAX_PARCEL + 1 - len(PREFIX)), TOO_LARGE),
        (b"", BAD_MAGIC),
        (b"ENTENT", BAD_MAGIC),
        (b"x" * MAX_PARCEL, BAD_MAGIC),
        (b"ENTENTE", UNSUPPORTED_VERSION),
        (b"ENTENTE\0", UNSUPPORTED_VERSION),
        (b"ENTENTE\2" + bytes(50), UNSUPPORTED_VERSION),
        (PREFIX, MALFORMED),
        (PREFIX + bytes(50), MALFORMED),
    ]
    for data, code in cases:
        with pytest.raises(BadFrame) as caught:
            parse_parcel(data)
        assert caught.value.code == code, data[:20]


def test_a_parcel_is_exact() -> None:
    good = pack_parcel(Parcel(7, (b"s",), (), (b"e", b"f")))
    assert parse_parcel(good) == Parcel(7, (b"s",), (), (b"e", b"f"))
    for bad in (good + b"\0", good[:-1]):
        with pytest.raises(BadFrame):
            parse_parcel(bad)
    for fields in (
        [7, [], []],
        [7, [], [], [], []],
        [-1, [], [], []],
        [2**63, [], [], []],
        [1.0, [], [], []],
    ):
        with pytest.raises(BadFrame):
            parse_parcel(PREFIX + msgspec.msgpack.encode(fields))


def test_a_parcel_has_at_most_8192_of_each_part() -> None:
    many = [b""] * 8193
    for place in (1, 2, 3):
        fields: list[object] = [0, [], [], []]
        fields[place] = many
        with pytest.raises(BadFrame):
            parse_parcel(PREFIX + msgspec.msgpack.encode(fields))
    with pytest.raises(ValueError, match="over the limits"):
        pack_parcel(Parcel(0, tuple(many), (), ()))
    assert len(parse_parcel(pack_parcel(Parcel(0, tuple(many[1:]), (), ()))).seals) == 8192


class _Zeros:
    """Entropy that gives as many bytes as it likes."""

    def __init__(self, size: int) -> None:
        self._size = size

    def random(self, size: int) -> bytes:
        return bytes(self._size)


class _OtherKek(Sealer):
    """Seals everything as it should, but under KEKs of another size."""

    size = 32

    def _kek(self, recipient: AgencyId, epoch: int) -> Any:
        honest, self._entropy = self._entropy, _Zeros(self.size)
        try:
            return super()._kek(recipient, epoch)
        finally:
            self._entropy = honest


@pytest.mark.parametrize("size", [16, 24, 32])
def test_a_capsule_holds_a_key_of_256_bits_and_no_other(size: int) -> None:
    m = members()
    sealer = _OtherKek(GB, m.arrangement, m.signing[GB], SeededEntropy(b"kek"))
    sealer.size = size
    submission = sealer.seal_window([sealer.close_record(plain(1, FR), 1)], (), 1)
    (delivery,) = m.delivered(GB, submission)[FR]
    judged = m.judge(FR).judge(Delivered(0, 0, delivery, True))
    assert [bad.reason for bad in judged.bad] == ([] if size == 32 else [Unopened.BAD_CAPSULE])


def test_an_opener_remembers_the_keys_that_it_used_last_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "_KEKS", 8)
    m = members()
    public = m.opening[FR].public
    key_id = public.key_id(m.domains)
    opener = opening.Opener(FR, m.domains, m.opening[FR])
    manifest = Manifest(GB, bytes(16), "debrief", 0, ())
    names = []
    for epoch in range(30):
        sealed = HPKE.encrypt(bytes(32), public.hpke, capsule_info(m.domains, GB, FR, key_id, epoch))
        data = capsule_bytes(Capsule(GB, FR, key_id, epoch, sealed))
        names.append(capsule_digest(m.domains, data))
        assert opener._kek(manifest, names[-1], data) is not None
        assert opener._kek(manifest, names[0], b"no capsule, so only memory knows it") is not None
    assert list(opener._keks) == [*names[-7:], names[0]]
    stranger = Manifest(IT, bytes(16), "debrief", 0, ())
    assert (
        opener._kek(stranger, names[0], b"known all the same") is None
    )  # another's record opens by none of its keys
