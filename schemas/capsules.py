"""A capsule: the key-encryption key of a pair (originator, recipient), sealed to the recipient by HPKE.

It needs no signature: the signed DEK commitment covers what it opens. The epoch is creation time
divided by a period, never a counter, so that it tells nothing of how much is published.
"""

from typing import Annotated, Final

import msgspec

from schemas.canonical import Domains, digest, enc, u64
from schemas.frames import parse_frame
from schemas.ids import U64, AgencyText, Digest, DigestBytes

EPOCH_S: Final = 86_400


class Capsule(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False):
    """`sealed` is HPKE's encapsulation and ciphertext of a 32-byte key."""

    originator: AgencyText
    recipient: AgencyText
    recipient_key: DigestBytes
    epoch: U64
    sealed: Annotated[bytes, msgspec.Meta(max_length=2048)]


_encode = msgspec.msgpack.Encoder().encode
_decoder = msgspec.msgpack.Decoder(Capsule)


def capsule_info(
    domains: Domains, originator: str, recipient: str, recipient_key: bytes, epoch: int
) -> bytes:
    """HPKE's `info` (RFC 9180 5.1): binds the key to the pair, the recipient's key and the epoch."""
    return enc(domains.capsule_info, originator.encode(), recipient.encode(), recipient_key, u64(epoch))


def capsule_bytes(capsule: Capsule) -> bytes:
    return _encode(capsule)


def parse_capsule(data: bytes) -> Capsule:
    """Raises: `BadFrame`."""
    return parse_frame(_decoder, data)


def capsule_digest(domains: Domains, data: bytes) -> Digest:
    """The name of a capsule, as audiences give it."""
    return digest(domains.capsule, data)
