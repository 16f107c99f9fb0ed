"""How a stranger's bytes become typed values: one parcel format, one `parse_frame`.

- A message is `MAGIC`, one version byte, then MessagePack; size is checked first, then these, then the frame.
- Frames are arrays of fixed shape: no maps, no floats, no defaults, no untyped fields, bounded sizes.
- Each seal, capsule and entry is an opaque byte field of the parcel, parsed alone: a broken entry cannot
  take its neighbours with it.
- `parse_frame` is the only door; it turns everything that foreign bytes can raise into `BadFrame`.
"""

from typing import Annotated, Final, TypeVar

import msgspec

from schemas.canonical import FORMAT_VERSION

MAGIC: Final = b"ENTENTE"
PREFIX: Final = MAGIC + bytes([FORMAT_VERSION])
MAX_PARCEL: Final = 5_000_000
MAX_RECORD: Final = 4_500_000
"""A record's entry with the capsules that it names: 4 MiB of padded content, and what goes with it."""
MAX_RELEASED: Final = 100_000_000
"""What a record may come to in all deliveries together: each portion's ciphertext as often as it is addressed."""
FULL_PARCEL: Final = 900_000
"""Who packs many things into parcels begins another one here; a larger parcel holds one large thing."""
MAX_PARTS: Final = 8192
"""Seals, capsules or entries of a parcel."""

_T = TypeVar("_T")
_Many = msgspec.Meta(max_length=MAX_PARTS)
_Part = Annotated[bytes, msgspec.Meta(max_length=MAX_PARCEL)]

_encode = msgspec.msgpack.Encoder().encode


class BadFrame(ValueError):
    """Bytes that are no frame of the expected type. `code` is one of the reasons below."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


TOO_LARGE: Final = "too_large"
BAD_MAGIC: Final = "bad_magic"
UNSUPPORTED_VERSION: Final = "unsupported_version"
MALFORMED: Final = "malformed"


class Parcel(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False):
    """The unit on submit, deliver and ledger topics: one Kafka message.

    `first`: on submit topics the sequence of the first record entry, on ledger topics the number of the
    first leaf, on deliver topics 0.
    """

    first: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
    seals: Annotated[tuple[_Part, ...], _Many]
    capsules: Annotated[tuple[_Part, ...], _Many]
    entries: Annotated[tuple[_Part, ...], _Many]


_parcel = msgspec.msgpack.Decoder(Parcel)


def parse_frame(decoder: "msgspec.msgpack.Decoder[_T]", data: bytes | memoryview) -> _T:
    """Decode one frame. Raises: `BadFrame`.

    UnicodeDecodeError and RecursionError are raised through msgspec but are not its own (tried).
    """
    try:
        return decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, OverflowError) as error:
        raise BadFrame(MALFORMED) from error


def pack_parcel(parcel: Parcel) -> bytes:
    """The bytes of one Kafka message.

    Raises: `ValueError` for a parcel that no reader would take: what is written once can never be taken back.
    """
    data = PREFIX + _encode(parcel)
    most = max(len(parcel.seals), len(parcel.capsules), len(parcel.entries))
    if len(data) > MAX_PARCEL or most > MAX_PARTS:
        raise ValueError(f"a parcel of {len(data)} bytes and {most} parts is over the limits of the format")
    return data


def parse_parcel(data: bytes) -> Parcel:
    """Size, then magic, then version, then the frame. Raises: `BadFrame`."""
    if len(data) > MAX_PARCEL:
        raise BadFrame(TOO_LARGE)
    if data[: len(MAGIC)] != MAGIC:
        raise BadFrame(BAD_MAGIC)
    if data[: len(PREFIX)] != PREFIX:
        raise BadFrame(UNSUPPORTED_VERSION)
    return parse_frame(_parcel, memoryview(data)[len(PREFIX) :])
