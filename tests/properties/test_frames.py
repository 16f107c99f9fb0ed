"""Parse after serialise is identity, for every frame type; and what is parsed serialises to one form alone."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from broker.lane import LaneState
from schemas.capsules import Capsule, capsule_bytes, parse_capsule
from schemas.certificate import Certificate, Head, certificate_bytes, parse_certificate
from schemas.clock import ClockMap
from schemas.controls import Receipt, parse_receipt, receipt_bytes
from schemas.envelope import (
    BrokerOnly,
    DeliverEntry,
    DeliveryEntry,
    Manifest,
    PortionSlot,
    ReleasedPortion,
    SubmissionEntry,
    WrapContent,
    delivery_bytes,
    delivery_start,
    frame_bytes,
    parse_broker_only,
    parse_deliver_entry,
    parse_manifest,
    parse_submission_entry,
    parse_wrap_content,
    portion_start,
    wrap_content_bytes,
)
from schemas.frames import (
    BAD_MAGIC,
    MALFORMED,
    UNSUPPORTED_VERSION,
    BadFrame,
    Parcel,
    pack_parcel,
    parse_frame,
    parse_parcel,
)
from schemas.labels import (
    Handling,
    Routing,
    handling_bytes,
    ordered,
    parse_handling,
    parse_routing,
    routing_bytes,
)
from schemas.ledger import Leaf, LedgerEntry, entry_bytes, leaf_bytes, parse_leaf, parse_ledger_entry
from schemas.merkle import Frontier
from schemas.rulings import Ruling, parse_ruling, ruling_bytes
from schemas.seal import Seal
from tests.properties.frames import encoded, strategy

Parse = Callable[[bytes], object]
Write = Callable[[Any], bytes]


def _plain(frame: Any) -> Parse:
    decoder: msgspec.msgpack.Decoder[Any] = msgspec.msgpack.Decoder(frame)
    return lambda data: parse_frame(decoder, data)


def canonical(value: Any) -> Any:
    """A label with its sets in the one order that is read; any other value as it is."""
    if not isinstance(value, Handling | Routing):
        return value
    sets = {
        name: ordered(field)
        for name in value.__struct_fields__
        if isinstance(field := getattr(value, name), tuple)
    }
    return msgspec.structs.replace(value, **sets)


FRAMES: dict[str, tuple[Any, Write, Parse]] = {
    "parcel": (Parcel, pack_parcel, parse_parcel),
    "manifest": (Manifest, frame_bytes, parse_manifest),
    "broker_only": (BrokerOnly, frame_bytes, parse_broker_only),
    "submission_entry": (SubmissionEntry, frame_bytes, parse_submission_entry),
    "deliver_entry": (DeliverEntry, frame_bytes, parse_deliver_entry),
    "wrap_content": (WrapContent, wrap_content_bytes, parse_wrap_content),
    "capsule": (Capsule, capsule_bytes, parse_capsule),
    "receipt": (Receipt, receipt_bytes, parse_receipt),
    "certificate": (Certificate, certificate_bytes, parse_certificate),
    "leaf": (Leaf, leaf_bytes, parse_leaf),
    "ledger_entry": (LedgerEntry, entry_bytes, parse_ledger_entry),
    "handling": (Handling, handling_bytes, parse_handling),
    "routing": (Routing, routing_bytes, parse_routing),
    "ruling": (Ruling, ruling_bytes, parse_ruling),
    "seal": (Seal, encoded, _plain(Seal)),
    "head": (Head, encoded, _plain(Head)),
    "frontier": (Frontier, encoded, _plain(Frontier)),
    "clock_map": (ClockMap, encoded, _plain(ClockMap)),
    "lane_state": (LaneState, encoded, _plain(LaneState)),
}
QUICK = settings(
    deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


@pytest.mark.parametrize("name", FRAMES)
@QUICK
@given(data=st.data())
def test_parse_after_serialise_is_identity(name: str, data: st.DataObject) -> None:
    frame, write, parse = FRAMES[name]
    value = data.draw(strategy(frame).map(canonical))
    written = write(value)
    assert parse(written) == value
    assert write(parse(written)) == written


@pytest.mark.parametrize("name", FRAMES)
@QUICK
@given(data=st.data())
def test_a_frame_is_exact(name: str, data: st.DataObject) -> None:
    """Nothing after a frame, nothing missing from it."""
    frame, write, parse = FRAMES[name]
    written = write(data.draw(strategy(frame).map(canonical)))
    cut = data.draw(st.integers(0, len(written) - 1))
    for wrong in (written + b"\0", written[:cut]):
        with pytest.raises((BadFrame, msgspec.DecodeError)):
            parse(wrong)


@QUICK
@given(strategy(DeliveryEntry), strategy(PortionSlot), st.integers(0, 65_535))
def test_a_delivery_put_together_is_its_frame(entry: DeliveryEntry, slot: PortionSlot, capsule: int) -> None:
    """What recipients get alike is encoded once a record; the whole is the one form of the entry all the same."""
    portions = [
        ReleasedPortion(
            slot.name, slot.salt, slot.handling, p.routing, slot.dek_commitment, p.ciphertext, p.wrap, capsule
        )
        for p in entry.portions
    ]
    starts = [
        portion_start(msgspec.structs.replace(slot, ciphertext=p.ciphertext), p.routing) for p in portions
    ]
    assert delivery_bytes(
        delivery_start(entry.manifest, entry.path),
        entry.seal,
        starts,
        [p.wrap for p in portions],
        capsule,
        entry.certificate,
    ) == frame_bytes(msgspec.structs.replace(entry, portions=tuple(portions)))


@QUICK
@given(st.binary(max_size=300))
def test_any_bytes_give_a_frame_or_bad_frame(data: bytes) -> None:
    codes = set()
    for name, (_, _, parse) in FRAMES.items():
        if name in ("handling", "routing", "ruling"):
            continue  # read by admission, which has its own list of what they raise
        try:
            parse(data)
        except BadFrame as error:
            codes.add(error.code)
    assert codes <= {BAD_MAGIC, UNSUPPORTED_VERSION, MALFORMED}
