"""What is hashed, signed and sealed: sections 2, 5 and 6 of the page."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PublicKey

from tests.second.tables import Frame, Malformed, domain, limit, parse

SUITE = b"ed25519+ml-dsa-65"
PREFIX = bytes.fromhex("454e54454e544501")


class Refusal(Exception):
    """Something is not to be believed; `reason` is of one of the page's lists."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def u64(value: int) -> bytes:
    return value.to_bytes(8, "big")


@dataclass(frozen=True)
class Hashing:
    """The hashes of one federation."""

    federation: str

    def enc(self, name: str, *fields: bytes) -> bytes:
        whole = (self._domain(name), *fields)
        return b"".join(len(field).to_bytes(4, "big") + field for field in whole)

    def hash(self, name: str, *fields: bytes) -> bytes:
        return sha256(self.enc(name, *fields)).digest()

    def leaf(self, name: str, *fields: bytes) -> bytes:
        return sha256(b"\0" + self.enc(name, *fields)).digest()

    def _domain(self, name: str) -> bytes:
        if name.startswith("control/"):
            return f"entente/1/{self.federation}/{name}".encode()
        return domain(self.federation, name)


def node(left: bytes, right: bytes) -> bytes:
    return sha256(b"\1" + left + right).digest()


def climb(leaf: bytes, path: bytes) -> bytes:
    """The root that a leaf and its path lead to."""
    place = path[0]
    for at in range(1, len(path), 32):
        neighbour = path[at : at + 32]
        leaf = node(neighbour, leaf) if place & 1 else node(leaf, neighbour)
        place >>= 1
    return leaf


def tree_root(leaves: list[bytes]) -> bytes:
    """RFC 6962 2.1."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1 << (len(leaves) - 1).bit_length() - 1
    return node(tree_root(leaves[:k]), tree_root(leaves[k:]))


@dataclass(frozen=True)
class Public:
    """The public halves of a signing pair."""

    ed25519: bytes
    mldsa65: bytes

    def key_id(self, hashing: Hashing) -> bytes:
        return hashing.hash("key_id", self.ed25519, self.mldsa65)

    def verifies(self, ed25519: bytes, mldsa65: bytes, data: bytes) -> bool:
        try:
            Ed25519PublicKey.from_public_bytes(self.ed25519).verify(ed25519, data)
            MLDSA65PublicKey.from_public_bytes(self.mldsa65).verify(mldsa65, data)
        except InvalidSignature:
            return False
        return True


#: Owner and public halves, by key id.
Signers = Mapping[bytes, tuple[str, Public]]


@dataclass(frozen=True)
class Sealed:
    """A seal that verifies."""

    owner: str
    signer: bytes
    role: str
    root: bytes


def verify_seal(hashing: Hashing, data: bytes, signers: Signers) -> Sealed:
    """Raises: `Malformed` for what is no seal, `Refusal` for one that does not hold."""
    seal = parse(data, "Seal")
    if seal["signer"] not in signers:
        raise Refusal("unknown_signer")
    owner, public = signers[seal["signer"]]
    signed = hashing.enc("seal", SUITE, seal["signer"], seal["role"].encode(), seal["root"])
    if not public.verifies(seal["signature"]["ed25519"], seal["signature"]["mldsa65"], signed):
        raise Refusal("bad_seal")
    return Sealed(owner, seal["signer"], seal["role"], seal["root"])


def parse_parcel(data: bytes, bare: bool) -> Frame:
    """A message of a submit, deliver or ledger topic. Raises: `Refusal`."""
    if len(data) > limit("MAX_PARCEL"):
        raise Refusal("too_large")
    if data[:7] != PREFIX[:7]:
        raise Refusal("bad_magic")
    if data[:8] != PREFIX:
        raise Refusal("unsupported_version")
    try:
        parcel = parse(data[8:], "Parcel")
    except Malformed:
        raise Refusal("malformed") from None
    if not bare:
        raise Refusal("kafka_key_or_headers")
    return parcel
