"""Control messages: what agencies say besides records, on their own lanes.

- (code, unique id, body) as opaque bytes, one leaf of the same window under `control/<code>`.
- No sequence, no receipt of their own, not in the conservation law; a replay is harmless by its id.
- A receipt says: of your lane I stored numbers (from, to]; it is a statement, not proof of erasure.
"""

from enum import StrEnum
from typing import Annotated, Final

import msgspec

from schemas.frames import parse_frame
from schemas.ids import U64, AgencyText, DigestBytes


class ControlCode(StrEnum):
    """Codes reserved in format 1."""

    RECEIPT = "receipt"
    RECALL = "recall"
    REQUEST = "request"
    ANSWER = "answer"
    APPROVAL = "approval"
    POSTING = "posting"
    OPENING_KEY = "opening_key"
    HIT = "hit"


#: What this version's broker carries; a reserved code that it does not know yet is refused like any other.
CARRIED: Final = frozenset({ControlCode.RECEIPT})


class ReceiptException(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A chain number in the interval that could not be stored as it came, and why."""

    number: U64
    reason: Annotated[str, msgspec.Meta(max_length=40)]


NO_HEAD: Final = bytes(32)


class Receipt(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Of `lane` I stored the chain numbers (after, upto], but for the exceptions.

    `head`: the certificate digest at `upto`, as the broker signed it. `NO_HEAD` where the recipient has no signed head
    at that number: only a receipt that had to end early, among more exceptions than it can list, says so.
    """

    lane: AgencyText
    after: U64
    upto: U64
    head: DigestBytes
    exceptions: Annotated[tuple[ReceiptException, ...], msgspec.Meta(max_length=4096)]


_encode = msgspec.msgpack.Encoder().encode
_receipt = msgspec.msgpack.Decoder(Receipt)


def receipt_bytes(receipt: Receipt) -> bytes:
    return _encode(receipt)


def parse_receipt(data: bytes) -> Receipt:
    """Raises: `BadFrame`."""
    return parse_frame(_receipt, data)
