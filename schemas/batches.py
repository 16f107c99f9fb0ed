"""What may be read of a fetch from Kafka: whoever may write a topic has shaped its record batches by hand.

- The cluster stores more than a reader can take (Kafka 4.1.1 and aiokafka 0.14.0, tried): what expands a
  thousandfold or is packed by a codec that is not here, header keys that are no text, lengths that lie, records
  that claim any offset. Each of them stops a reader for good, or makes it pass over a message in silence.
- `readable` puts one message in the place of such a batch, at its last offset: one that is no frame, so that it
  costs its sender one refusal, and everybody behind it is read.
- Nothing is expanded to find out. Format 1 is never compressed: what it carries is encrypted.
- The same bytes give the same messages, whoever reads them: a replay sees what the first reader saw.

Batches of the cluster's own (control batches) pass as they are, and so does a batch that a fetch has cut off.
"""

from collections.abc import Callable
from struct import Struct
from typing import Any, Final

from schemas.frames import PREFIX

# Kafka's record batch, version 2: base offset, length, leader epoch, magic, CRC-32C of all that follows it,
# attributes, last offset delta, first and last timestamp, producer id, epoch and sequence, number of records.
_HEADER: Final = Struct(">qiibIhiqqqhii")
_SIGNED: Final = Struct(">hiqqqhii")  # from the attributes on
_LOG_OVERHEAD: Final = 12
_MAGIC: Final = 2
_CODEC: Final = 0x07
_CONTROL: Final = 0x20
# Attributes, timestamp and offset as in the header, no key, the value, no headers.
_STAND_IN: Final = b"\x1c\0\0\0\x01\x10" + PREFIX + b"\0"


def readable(data: bytes, crc32c: Callable[[bytes], int]) -> bytes:
    """The record batches of a fetch, with a message that is no frame in the place of each that cannot be taken.

    `crc32c`: the checksum of a batch, RFC 3720 B.4. The bytes given come back as they are if there is no such batch.
    """
    pieces: list[bytes] = []
    at = kept = 0
    while at + _HEADER.size <= len(data):
        (
            base,
            length,
            leader,
            magic,
            _,
            attributes,
            last,
            _,
            latest,
            producer,
            epoch,
            sequence,
            count,
        ) = _HEADER.unpack_from(data, at)
        end = at + _LOG_OVERHEAD + length
        if end > len(data) or end < at + _HEADER.size or magic != _MAGIC:
            break
        packed = attributes & _CODEC
        if not attributes & _CONTROL and (
            packed or not _is_plain(data[at + _HEADER.size : end], count, last)
        ):
            signed = _SIGNED.pack(attributes ^ packed, 0, latest, latest, producer, epoch, sequence, 1)
            signed += _STAND_IN
            size = _HEADER.size + len(_STAND_IN) - _LOG_OVERHEAD
            head = Struct(">qiibI").pack(base + last, size, leader, magic, crc32c(signed))
            pieces += [data[kept:at], head + signed]
            kept = end
        at = end
    return b"".join([*pieces, data[kept:]]) if pieces else data


def guard(client: Any, fetch: type, crc32c: Callable[[bytes], int]) -> None:
    """Let a Kafka client see of each fetch only what can be read. `fetch`: the library's type of such a request.

    aiokafka 0.14.0 has no public way to look at an answer, so `client` is a private name of its consumer; pinned
    and tested.
    """
    send = client.send

    async def guarded(node: int, request: object, **options: object) -> Any:
        answer = await send(node, request, **options)
        if isinstance(request, fetch):
            answer.topics = [
                (topic, [(*known, readable(data or b"", crc32c)) for *known, data in partitions])
                for topic, partitions in answer.topics
            ]
        return answer

    client.send = guarded


def _is_plain(records: bytes, count: int, last: int) -> bool:
    """Whether these are `count` whole records that a reader takes as they stand, at offsets that rise up to `last`."""
    at, before = 0, -1
    try:
        for _ in range(count):
            length, at = _varint(records, at)
            end = at + length
            if records[at] != 0 or length <= 0:
                return False
            _, at = _varint(records, at + 1)
            offset, at = _varint(records, at)
            if not before < offset <= last:
                return False
            before = offset
            at = _skip(records, at)  # the key
            at = _skip(records, at)  # the value
            headers, at = _varint(records, at)
            for _ in range(headers):
                size, at = _varint(records, at)
                if size < 0 or at + size > end:
                    return False
                records[at : at + size].decode()
                at = _skip(records, at + size)
            if headers < 0 or at != end:
                return False
    except (IndexError, UnicodeDecodeError, ValueError):
        return False
    return at == len(records)


def _skip(data: bytes, at: int) -> int:
    """Past bytes that may be absent. Raises: `ValueError`."""
    size, at = _varint(data, at)
    if size < -1:
        raise ValueError("a negative size")
    return at + max(size, 0)


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """A signed number of at most 64 bits, and what is behind it. Raises: `IndexError`, `ValueError`."""
    value = shift = 0
    while (byte := data[at]) > 127:
        value |= (byte & 127) << shift
        shift += 7
        at += 1
        if shift > 63:
            raise ValueError("a number of more than 64 bits")
    value |= byte << shift
    return (value >> 1) ^ -(value & 1), at + 1
