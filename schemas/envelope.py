"""The envelope of a record: manifest, slots, wraps, and the entries that carry them.

- A manifest has exactly 8 sorted commitments: portions, one broker-only slot, random decoys. A recipient
  therefore sees no counter, no list of others and no number of portions.
- The broker gets every slot opened and recomputes it; a recipient gets only the portions released to it.
- The broker-only slot holds the audience, and in it the wraps themselves: one hash vouches for all of them.
- Hashing here and in `schemas.commitments` is shared by sealing, admission and opening; none of them keeps a
  variant of its own.
"""

from collections.abc import Sequence
from hashlib import sha256
from typing import Annotated, Final

import msgspec

from schemas.canonical import DIGEST_LENGTH, SALT_LENGTH, Domains, digest, enc, framed, u64
from schemas.frames import MAX_PARCEL, parse_frame
from schemas.ids import (
    U64,
    AgencyText,
    Digest,
    DigestBytes,
    OfficerText,
    RecordIdBytes,
    Salt,
)
from schemas.merkle import PATH_BYTES, leaf_hash

SLOTS: Final = 8
MAX_PORTIONS: Final = 5

Code = Annotated[str, msgspec.Meta(max_length=40)]
Ciphertext = Annotated[bytes, msgspec.Meta(max_length=MAX_PARCEL)]
LabelBytes = Annotated[bytes, msgspec.Meta(max_length=16_384)]
WrapBytes = Annotated[bytes, msgspec.Meta(min_length=32 + 16, max_length=16_384)]
Path = Annotated[bytes, msgspec.Meta(min_length=PATH_BYTES, max_length=PATH_BYTES)]
Index = Annotated[int, msgspec.Meta(ge=0, le=65_535)]


class Manifest(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False):
    """What a window's signature reaches. `created_s` is whole seconds, domain time."""

    originator: AgencyText
    record_id: RecordIdBytes
    kind: Code
    created_s: U64
    commitments: Annotated[tuple[DigestBytes, ...], msgspec.Meta(min_length=SLOTS, max_length=SLOTS)]


class PortionSlot(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False):
    """A portion as the broker gets it: everything but the key."""

    name: Code
    salt: Salt
    handling: LabelBytes
    routing_salt: Salt
    routing: LabelBytes
    dek_commitment: DigestBytes
    ciphertext: Ciphertext


class Addressee(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False):
    """One recipient of the audience: its capsule, and a wrap of the key of each portion that it may have.

    `portions`: bit i stands for the i-th name in `BrokerOnly.portions`; `wraps` are in that order.
    """

    recipient: AgencyText
    capsule: DigestBytes
    portions: Annotated[int, msgspec.Meta(ge=1, le=(1 << MAX_PORTIONS) - 1)]
    wraps: Annotated[tuple[WrapBytes, ...], msgspec.Meta(max_length=MAX_PORTIONS)]


def wraps_of(addressee: Addressee, portions: Sequence[int]) -> tuple[bytes, ...]:
    """The wraps of some of the portions that the addressee may have, by their places in ascending order."""
    if len(portions) == len(addressee.wraps):
        return addressee.wraps
    before = [(addressee.portions & ((1 << i) - 1)).bit_count() for i in portions]
    return tuple([addressee.wraps[at] for at in before])


class BrokerOnly(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False):
    """What only the broker learns of a record. `portions`: their names, in the order of the entry."""

    sequence: U64
    revision: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]
    changed: Annotated[tuple[Code, ...], msgspec.Meta(max_length=MAX_PORTIONS)]
    arrangement: DigestBytes
    portions: Annotated[tuple[Code, ...], msgspec.Meta(max_length=MAX_PORTIONS)]
    audience: Annotated[tuple[Addressee, ...], msgspec.Meta(max_length=4096)]


class RecordEntry(
    msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False, tag="record"
):
    """A record in a submission: all eight slots opened. `decoys`: the salt of those with nothing in them."""

    manifest: Annotated[bytes, msgspec.Meta(max_length=1024)]
    path: Path
    portions: Annotated[tuple[PortionSlot, ...], msgspec.Meta(max_length=MAX_PORTIONS)]
    broker_only_salt: Salt
    broker_only: Annotated[bytes, msgspec.Meta(max_length=MAX_PARCEL)]
    decoys: Salt


class ControlEntry(
    msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False, tag="control"
):
    """A control message of an agency, opaque but for its code; on submit topics `seal` is 0."""

    code: Code
    id: RecordIdBytes
    body: Annotated[bytes, msgspec.Meta(max_length=65_536)]
    path: Path
    seal: Index


class ReleasedPortion(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False):
    """A portion as a recipient gets it: routing only as a digest, and its own wrap."""

    name: Code
    salt: Salt
    handling: LabelBytes
    routing: DigestBytes
    dek_commitment: DigestBytes
    ciphertext: Ciphertext
    wrap: WrapBytes
    capsule: Index


class DeliveryEntry(
    msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False, tag="delivery"
):
    """One recipient's share of a record, with the certificate of its release."""

    manifest: Annotated[bytes, msgspec.Meta(max_length=1024)]
    path: Path
    seal: Index
    portions: Annotated[tuple[ReleasedPortion, ...], msgspec.Meta(max_length=MAX_PORTIONS)]
    certificate: Annotated[bytes, msgspec.Meta(max_length=65_536)]


class HeadEntry(
    msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False, tag="head"
):
    """The head of the chain (lane, you) after this parcel: number and digest of its last certificate."""

    lane: AgencyText
    number: U64
    digest: DigestBytes
    path: Path
    seal: Index


SubmissionEntry = RecordEntry | ControlEntry
DeliverEntry = DeliveryEntry | HeadEntry | ControlEntry

_encode = msgspec.msgpack.Encoder().encode
_manifest = msgspec.msgpack.Decoder(Manifest)
_broker_only = msgspec.msgpack.Decoder(BrokerOnly)
_submission: msgspec.msgpack.Decoder[SubmissionEntry] = msgspec.msgpack.Decoder(SubmissionEntry)
_deliver: msgspec.msgpack.Decoder[DeliverEntry] = msgspec.msgpack.Decoder(DeliverEntry)


def frame_bytes(
    frame: Manifest | BrokerOnly | RecordEntry | ControlEntry | DeliveryEntry | HeadEntry,
) -> bytes:
    """The bytes of one frame, as they are hashed or put into a parcel."""
    return _encode(frame)


#: An array's first byte, by its length: what follows is its elements, each encoded alone.
_ARRAYS: Final = tuple(_encode([None] * length)[:1] for length in range(MAX_PORTIONS + 1))
_NO_BYTES: Final = _encode(b"")
_ZERO: Final = _encode(0)


def delivery_start(manifest: bytes, path: bytes) -> bytes:
    """What the deliveries of a record begin with, whoever gets them: a `DeliveryEntry` up to its seal."""
    rest = len(_ZERO + _ARRAYS[0] + _NO_BYTES)
    return _encode(DeliveryEntry(manifest, path, 0, (), b""))[:-rest]


def portion_start(slot: PortionSlot, routing: bytes) -> bytes:
    """What a portion is to everyone who gets it: a `ReleasedPortion` up to its wrap. `routing`: the digest."""
    rest = len(_NO_BYTES + _ZERO)
    return _encode(
        ReleasedPortion(
            slot.name, slot.salt, slot.handling, routing, slot.dek_commitment, slot.ciphertext, b"", 0
        )
    )[:-rest]


def delivery_bytes(
    start: bytes,
    seal: int,
    portions: Sequence[bytes],
    wraps: Sequence[bytes],
    capsule: int,
    certificate: bytes,
) -> bytes:
    """The frame of a `DeliveryEntry`, of what is alike for all recipients and what is this one's own.

    `start` as by `delivery_start`, `portions` as by `portion_start`: so a record is encoded once, however many get it.
    """
    last = _encode(capsule)
    parts = [start, _encode(seal), _ARRAYS[len(portions)]]
    for portion, wrap in zip(portions, wraps, strict=True):
        parts += (portion, _encode(wrap), last)
    parts.append(_encode(certificate))
    return b"".join(parts)


def parse_manifest(data: bytes) -> Manifest:
    """Raises: `BadFrame`."""
    return parse_frame(_manifest, data)


def parse_broker_only(data: bytes) -> BrokerOnly:
    """Raises: `BadFrame`."""
    return parse_frame(_broker_only, data)


def parse_submission_entry(data: bytes) -> SubmissionEntry:
    """Raises: `BadFrame`."""
    return parse_frame(_submission, data)


def parse_deliver_entry(data: bytes) -> DeliverEntry:
    """Raises: `BadFrame`."""
    return parse_frame(_deliver, data)


def manifest_digest(domains: Domains, manifest: bytes) -> Digest:
    """The revision's name: H(domain, manifest as received)."""
    return digest(domains.manifest, manifest)


def routing_digest(domains: Domains, salt: bytes, routing: bytes) -> Digest:
    """Salted apart from the commitment: agency sets are few, and a recipient must not search them."""
    return Digest(sha256(b"".join((domains.routing, SALT_LENGTH, salt, framed(routing)))).digest())


def dek_commitment(domains: Domains, dek: bytes) -> Digest:
    """AES-GCM does not commit to its key; this does, and it is checked on opening."""
    return Digest(sha256(domains.dek + DIGEST_LENGTH + dek).digest())


def record_leaf(domains: Domains, manifest: bytes) -> Digest:
    """The window leaf of a record; `manifest` is the manifest's digest.

    A hash of its own: a leaf stands in its neighbour's path, and there it must not name a record that is withheld.
    """
    return leaf_hash(domains.record_leaf + DIGEST_LENGTH + manifest)


def control_leaf(domains: Domains, code: str, control_id: bytes, body: bytes) -> Digest:
    """The window leaf of a control message, in a domain of its type."""
    return leaf_hash(enc(domains.control(code), control_id, body))


def head_leaf(domains: Domains, lane: str, recipient: str, number: int, head: bytes) -> Digest:
    """The leaf of a chain head in the broker's seal."""
    return leaf_hash(enc(domains.head_leaf, lane.encode(), recipient.encode(), u64(number), head))


class WrapContent(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False):
    """What a wrap holds: the data key, and the recipient's own named officers."""

    dek: DigestBytes
    officers: Annotated[tuple[OfficerText, ...], msgspec.Meta(max_length=256)]


_wrap_content = msgspec.msgpack.Decoder(WrapContent)


def wrap_content_bytes(content: WrapContent) -> bytes:
    return _encode(content)


def parse_wrap_content(data: bytes) -> WrapContent:
    """Raises: `BadFrame`."""
    return parse_frame(_wrap_content, data)
