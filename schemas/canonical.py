"""The one way to turn fields into bytes that are hashed or signed.

- `enc(x, y, ..)`: for each field a u32 big-endian length and its bytes; the first is the domain.
- A domain is `entente/1/<federation>/<type>`; hashes of different types can never meet. A `Domain` holds it as it
  begins what is hashed, its length before it: the type keeps anything else from the first place.
- Text is UTF-8, ids are raw bytes, integers are u64 big-endian. Floats do not exist here.
- Exempt, as in protocol.md: SHA-256 of ciphertexts, and Merkle nodes (RFC 6962).
"""

from hashlib import sha256
from struct import Struct
from typing import Final, NewType

from schemas.ids import DIGEST_BYTES, SALT_BYTES, Digest

FORMAT_VERSION: Final = 1

Domain = NewType("Domain", bytes)

_U32 = Struct(">I").pack
_SHORT: Final = tuple(_U32(length) for length in range(1024))  # nearly every field is short
_U64 = Struct(">Q").pack


def u32(value: int) -> bytes:
    """A length as it stands before a field. Raises `struct.error` when out of range."""
    return _U32(value)


def u64(value: int) -> bytes:
    """An unsigned 64-bit big-endian integer. Raises `struct.error` when out of range."""
    return _U64(value)


#: What stands before a field that is a digest or a salt: these have one length each, which frames have checked.
DIGEST_LENGTH: Final = u32(DIGEST_BYTES)
SALT_LENGTH: Final = u32(SALT_BYTES)


def framed(field: bytes) -> bytes:
    """A field as `enc` writes it: a u32 length, then its bytes."""
    length = len(field)
    return (_SHORT[length] if length < 1024 else _U32(length)) + field


def domain(text: str) -> Domain:
    """A domain as it begins what is hashed in it."""
    return Domain(framed(text.encode()))


def enc(domain: Domain, *fields: bytes) -> bytes:
    """The unambiguous concatenation of domain and `fields`: a u32 length before each."""
    data: bytes = domain
    for field in fields:
        length = len(field)
        data += (_SHORT[length] if length < 1024 else _U32(length)) + field
    return data


class Domains:
    """The domain constants of one federation, computed once.

    A value hashed for one federation or purpose means nothing in another.
    """

    def __init__(self, federation: str) -> None:
        self.federation = federation

        self.routing = self._domain("routing")
        self.dek = self._domain("dek")
        self.portion = self._domain("portion")
        self.portion_ad = self._domain("portion-ad")
        self.broker_only = self._domain("broker-only")
        self.decoy = self._domain("decoy")
        self.manifest = self._domain("manifest")
        self.wrap = self._domain("wrap")
        self.capsule = self._domain("capsule")
        self.capsule_info = self._domain("capsule-info")
        self.record_leaf = self._domain("record-leaf")
        self.head_leaf = self._domain("head-leaf")
        self.seal = self._domain("seal")
        self.seal_digest = self._domain("seal-digest")
        self.certificate = self._domain("certificate")
        self.chain_start = self._domain("chain-start")
        self.ledger_leaf = self._domain("ledger-leaf")
        self.ruling = self._domain("ruling")
        self.checkpoint = self._domain("checkpoint")
        self.checkpoint_leaf = self._domain("checkpoint-leaf")
        self.key_id = self._domain("key-id")
        self.key_statement = self._domain("key-statement")
        self.arrangement = self._domain("arrangement")
        self.arrangement_signature = self._domain("arrangement-signature")
        self.clock = self._domain("clock")
        self.clock_signature = self._domain("clock-signature")

    def control(self, code: str) -> Domain:
        """The domain of a control message's leaf: `control/<type>`."""
        return self._domain(f"control/{code}")

    def _domain(self, name: str) -> Domain:
        return domain(f"entente/{FORMAT_VERSION}/{self.federation}/{name}")


def digest(domain: Domain, field: bytes, *more: bytes) -> Digest:
    """H(..) of protocol.md: SHA-256 of `enc(..)`, the domain first. Most have one field, and many are made a record."""
    data = domain + framed(field)
    for one in more:
        data += framed(one)
    return Digest(sha256(data).digest())
