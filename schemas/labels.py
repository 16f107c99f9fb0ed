"""The label of a portion: *handling* travels with it, *routing* is opened to the broker only.

- Labels hold codes from closed lists only; free text is content.
- Both are opaque byte fields on the wire: hashed as received, then parsed from those bytes.
- A set is an array in strictly ascending order (`ordered`), and anything else is no label: so a set has one
  array, and a label is no larger than what it says. What is decided on a label is still remembered by parsed values,
  since MessagePack has several encodings of one array, text or number.
- The parsed values themselves are remembered by the bytes that they came from: parsing is a function of nothing else,
  two encodings of one label are parsed to equal values, and nobody learns whether one was met before.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from operator import lt
from typing import Annotated, TypeVar

import msgspec

from schemas.codes import (
    Caveat,
    HandlingCode,
    InformationGrade,
    ProtectionGround,
    Purpose,
    SourceGrade,
    SpecialCategory,
    State,
    SubjectCategory,
    Tlp,
)
from schemas.ids import AgencyId, AgencyText, CommunityText, OfficerText

_T = TypeVar("_T", bound=str)
#: Labels remembered, and the longest of them: a stranger's labels may fill this, and take a few megabytes.
_REMEMBERED = 4096
_REMEMBERED_BYTES = 1024
_MAX_CODES = msgspec.Meta(max_length=64)
_MAX_NAMES = msgspec.Meta(max_length=256)
Days = Annotated[int, msgspec.Meta(ge=0, le=100_000)]


def ordered(values: Iterable[_T]) -> tuple[_T, ...]:
    """Unique values in the order of their text: the canonical form of a set in a label."""
    return tuple(sorted(set(values)))


class Handling(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False):
    """How a portion may be handled. `retain_until` counts whole days since 1970-01-01."""

    tlp: Tlp
    handling_codes: Annotated[tuple[HandlingCode, ...], _MAX_CODES]
    source: SourceGrade
    information: InformationGrade
    purposes: Annotated[tuple[Purpose, ...], _MAX_CODES]
    subjects: Annotated[tuple[SubjectCategory, ...], _MAX_CODES]
    special: Annotated[tuple[SpecialCategory, ...], _MAX_CODES]
    caveats: Annotated[tuple[Caveat, ...], _MAX_CODES]
    grounds: Annotated[tuple[ProtectionGround, ...], _MAX_CODES]
    protection_cleared: bool
    origins: Annotated[tuple[State, ...], _MAX_NAMES]
    retain_until: Days


class _HandlingShape(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False):
    """`Handling` with any short text for codes: tells an unknown code from broken bytes."""

    tlp: Annotated[str, msgspec.Meta(max_length=40)]
    handling_codes: tuple[Annotated[str, msgspec.Meta(max_length=40)], ...]
    source: Annotated[str, msgspec.Meta(max_length=40)]
    information: Annotated[str, msgspec.Meta(max_length=40)]
    purposes: tuple[Annotated[str, msgspec.Meta(max_length=40)], ...]
    subjects: tuple[Annotated[str, msgspec.Meta(max_length=40)], ...]
    special: tuple[Annotated[str, msgspec.Meta(max_length=40)], ...]
    caveats: tuple[Annotated[str, msgspec.Meta(max_length=40)], ...]
    grounds: tuple[Annotated[str, msgspec.Meta(max_length=40)], ...]
    protection_cleared: bool
    origins: tuple[Annotated[str, msgspec.Meta(max_length=40)], ...]
    retain_until: Days


class Routing(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False):
    """Releasable to: named agencies, communities of interest, and officers by name."""

    agencies: Annotated[tuple[AgencyText, ...], _MAX_NAMES]
    communities: Annotated[tuple[CommunityText, ...], _MAX_NAMES]
    officers: Annotated[tuple[OfficerText, ...], _MAX_NAMES]


class Label(msgspec.Struct, frozen=True, gc=False):
    """Both parts together, as an originator drafts them and the broker's rules read them."""

    handling: Handling
    routing: Routing


def home_of(officer: str) -> AgencyId:
    """The home agency named in an officer's id."""
    return AgencyId(officer.split("/", 1)[0])


def retain_until(instant_ms: int, days: int) -> int:
    """The retention date `days` after `instant_ms`, as days since the epoch."""
    return instant_ms // 86_400_000 + days


def retention_date(days: int) -> str:
    """A retention date as people write it."""
    return datetime.fromtimestamp(days * 86_400, UTC).date().isoformat()


_encode = msgspec.msgpack.Encoder().encode
_handling = msgspec.msgpack.Decoder(Handling)
_handling_shape = msgspec.msgpack.Decoder(_HandlingShape)
_routing = msgspec.msgpack.Decoder(Routing)


def handling_bytes(handling: Handling) -> bytes:
    """The bytes that are hashed into the commitment."""
    return _encode(handling)


def routing_bytes(routing: Routing) -> bytes:
    """The bytes behind the routing digest."""
    return _encode(routing)


class UnknownCode(ValueError):
    """A label of the right shape that uses a code outside the closed lists."""


def parse_handling(data: bytes) -> Handling:
    """Parse the handling label.

    Raises: `UnknownCode` for a code outside the closed lists, `msgspec.DecodeError` for anything else.
    """
    return _known_handling(data) if len(data) <= _REMEMBERED_BYTES else _parse_handling(data)


def parse_routing(data: bytes) -> Routing:
    """Parse the routing label. Raises: `msgspec.DecodeError`."""
    return _known_routing(data) if len(data) <= _REMEMBERED_BYTES else _parse_routing(data)


def _parse_handling(data: bytes) -> Handling:
    try:
        found = _handling.decode(data)
    except msgspec.ValidationError as error:
        _handling_shape.decode(data)
        raise UnknownCode(str(error)) from error
    _check_sets(
        found.handling_codes,
        found.purposes,
        found.subjects,
        found.special,
        found.caveats,
        found.grounds,
        found.origins,
    )
    return found


def _parse_routing(data: bytes) -> Routing:
    found = _routing.decode(data)
    _check_sets(found.agencies, found.communities, found.officers)
    return found


_known_handling = lru_cache(_REMEMBERED)(_parse_handling)
_known_routing = lru_cache(_REMEMBERED)(_parse_routing)


def _check_sets(*arrays: Sequence[str]) -> None:
    for array in arrays:
        if len(array) > 1 and not all(map(lt, array, array[1:])):
            raise msgspec.ValidationError("a set that is not in strictly ascending order")
