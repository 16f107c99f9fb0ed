"""The ledger of an originator: one leaf for each admission event, in lane order, and the rulings they name.

- An RFC 6962 tree; a leaf's data is enc(domain, leaf bytes); `number` in the leaf is its place, so that every
  reader drops what it already has.
- A ruling is written once, before its first use, and is no leaf: leaves name it by digest.
- A checkpoint is no leaf either: what the tree comes to at a size, signed (`schemas.checkpoint`). It stands where it
  was written, and changes nothing of what is decided.
- Read by that originator and auditors, and by nobody else.
"""

from typing import Annotated

import msgspec

from schemas.canonical import Domains, enc
from schemas.clock import ClockMap
from schemas.envelope import Code, LabelBytes, Path
from schemas.frames import parse_frame
from schemas.ids import U64, AgencyText, Digest, DigestBytes, RecordIdBytes
from schemas.merkle import leaf_hash
from schemas.verdicts import Refused

_Agencies = Annotated[tuple[AgencyText, ...], msgspec.Meta(max_length=4096)]


class LedgerPortion(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A portion of an admitted record: label, audience, and the ruling that decided it.

    With its commitment a ledger alone says what every certificate must be, without the submission.
    """

    name: Code
    commitment: DigestBytes
    handling: LabelBytes
    routing: LabelBytes
    audience: _Agencies
    """Who the originator sealed it for, sorted."""
    departed: _Agencies
    """Of these, who is addressed no longer at admission."""
    ruling: DigestBytes


class Admitted(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="admitted"):
    """A record was admitted and decided. `active`: all other agencies not suspended, each a pair."""

    number: U64
    at_ms: U64
    offset: U64
    entry: U64
    sequence: U64
    revision: U64
    record_id: RecordIdBytes
    manifest: DigestBytes
    kind: Code
    created_s: U64
    portions: tuple[LedgerPortion, ...]
    active: _Agencies


class Quarantined(
    msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="quarantined"
):
    """An entry, or a whole message (`entry` is None), was refused with a reason of the closed list.

    `record_id` and `manifest` are empty where the entry broke before they could be believed.
    """

    number: U64
    at_ms: U64
    offset: U64
    entry: U64 | None
    sequence: U64 | None
    reason: Refused
    record_id: bytes
    manifest: bytes
    active: _Agencies


class Duplicate(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="duplicate"):
    """A resend of what the lane already has; dropped and counted."""

    number: U64
    at_ms: U64
    offset: U64
    entry: U64
    sequence: U64
    manifest: DigestBytes


class Gap(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="gap"):
    """Sequence numbers [first, next) were never seen. An honest relay makes none: an alarm."""

    number: U64
    at_ms: U64
    offset: U64
    entry: U64
    first: U64
    next: U64


class Activation(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="activation"):
    """From `offset` on the lane is decided under this version and clock map. Leaf 0 activates the genesis."""

    number: U64
    offset: U64
    arrangement: DigestBytes
    clock: ClockMap


class ControlNoted(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="control"):
    """A control message passed; `to` is whom it was forwarded to, or empty."""

    number: U64
    at_ms: U64
    offset: U64
    entry: U64
    code: Code
    id: RecordIdBytes
    body: Annotated[bytes, msgspec.Meta(max_length=65_536)]
    to: Annotated[str, msgspec.Meta(max_length=15)]


Leaf = Admitted | Quarantined | Duplicate | Gap | Activation | ControlNoted


class LeafEntry(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="leaf"):
    """A leaf's bytes in a ledger parcel, as they are hashed."""

    leaf: bytes


class RulingEntry(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="ruling"):
    """A ruling's bytes in a ledger parcel."""

    ruling: bytes


class CheckpointEntry(
    msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="checkpoint"
):
    """A signed note over the leaves before it, its path to the root of a hybrid seal, and that seal's bytes."""

    note: Annotated[bytes, msgspec.Meta(max_length=65_536)]
    path: Path
    seal: Annotated[bytes, msgspec.Meta(max_length=8192)]


LedgerEntry = LeafEntry | RulingEntry | CheckpointEntry

_encode = msgspec.msgpack.Encoder().encode
_leaf: msgspec.msgpack.Decoder[Leaf] = msgspec.msgpack.Decoder(Leaf)
_entry: msgspec.msgpack.Decoder[LedgerEntry] = msgspec.msgpack.Decoder(LedgerEntry)


def leaf_bytes(leaf: Leaf) -> bytes:
    return _encode(leaf)


def parse_leaf(data: bytes) -> Leaf:
    """Raises: `BadFrame`."""
    return parse_frame(_leaf, data)


def entry_bytes(entry: LedgerEntry) -> bytes:
    return _encode(entry)


def parse_ledger_entry(data: bytes) -> LedgerEntry:
    """Raises: `BadFrame`."""
    return parse_frame(_entry, data)


def ledger_leaf_hash(domains: Domains, leaf: bytes) -> Digest:
    """The leaf's hash in the originator's tree."""
    return leaf_hash(enc(domains.ledger_leaf, leaf))
