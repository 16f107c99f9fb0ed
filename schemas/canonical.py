"""The one way to turn fields into bytes that are hashed or signed.

- `enc(x, y, ..)`: for each field a u32 big-endian length and its bytes; the first is the domain.
- A domain is `entente/1/<federation>/<type>`; hashes of different types can never meet.
- Text is UTF-8, ids are raw bytes, integers are u64 big-endian. Floats do not exist here.
- Exempt, as in protocol.md: SHA-256 of ciphertexts and wraps, and Merkle nodes (RFC 6962).
"""

from hashlib import sha256
from struct import Struct
from typing import Final

from schemas.ids import Digest

FORMAT_VERSION: Final = 1

_U32 = Struct(">I").pack
_SHORT: Final = tuple(_U32(length) for length in range(1024))  # nearly every field is short
_U64 = Struct(">Q").pack


def u64(value: int) -> bytes:
    """An unsigned 64-bit big-endian integer. Raises `struct.error` when out of range."""
    return _U64(value)


def enc(*fields: bytes) -> bytes:
    """The unambiguous concatenation of `fields`: a u32 length before each."""
    parts = list[bytes]()
    for field in fields:
        length = len(field)
        parts.append(_SHORT[length] if length < 1024 else _U32(length))
        parts.append(field)
    return b"".join(parts)


class Domains:
    """The domain constants of one federation, computed once.

    A value hashed for one federation or purpose means nothing in another.
    """

    def __init__(self, federation: str) -> None:
        self.federation = federation

        def domain(name: str) -> bytes:
            return f"entente/{FORMAT_VERSION}/{federation}/{name}".encode()

        self.handling = domain("handling")
        self.routing = domain("routing")
        self.dek = domain("dek")
        self.portion = domain("portion")
        self.portion_ad = domain("portion-ad")
        self.broker_only = domain("broker-only")
        self.decoy = domain("decoy")
        self.manifest = domain("manifest")
        self.wrap_ad = domain("wrap-ad")
        self.capsule = domain("capsule")
        self.capsule_info = domain("capsule-info")
        self.record_leaf = domain("record-leaf")
        self.head_leaf = domain("head-leaf")
        self.seal = domain("seal")
        self.seal_digest = domain("seal-digest")
        self.certificate = domain("certificate")
        self.chain_start = domain("chain-start")
        self.ledger_leaf = domain("ledger-leaf")
        self.ruling = domain("ruling")
        self.key_id = domain("key-id")
        self.key_statement = domain("key-statement")
        self.arrangement = domain("arrangement")
        self.arrangement_signature = domain("arrangement-signature")
        self.clock = domain("clock")
        self.clock_signature = domain("clock-signature")

    def control(self, code: str) -> bytes:
        """The domain of a control message's leaf: `control/<type>`."""
        return f"entente/{FORMAT_VERSION}/{self.federation}/control/{code}".encode()


def digest(*fields: bytes) -> Digest:
    """H(..) of protocol.md: SHA-256 of `enc(..)`, the domain first."""
    return Digest(sha256(enc(*fields)).digest())
