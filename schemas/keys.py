"""Hybrid signing keys and the public halves of opening keys.

- A signing pair is Ed25519 (RFC 8032) and ML-DSA-65 (FIPS 204); both sign the same bytes, both must verify.
- An opening key is ML-KEM-768 + X25519 for HPKE (RFC 9180, draft-ietf-hpke-pq); here is its public half
  only. The private half lives in `agencies.keystore`, out of the broker's reach.
- A key id is a hash over the public halves.
"""

from functools import cached_property
from typing import Annotated

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PrivateKey, MLDSA65PublicKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from cryptography.hazmat.primitives.hpke import MLKEM768X25519PublicKey

from schemas.canonical import Domains, digest
from schemas.ids import Digest

Ed25519Signature = Annotated[bytes, msgspec.Meta(min_length=64, max_length=64)]
MlDsa65Signature = Annotated[bytes, msgspec.Meta(min_length=3309, max_length=3309)]


class Signature(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Both halves of a hybrid signature."""

    ed25519: Ed25519Signature
    mldsa65: MlDsa65Signature


class SigningPublic(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, dict=True):
    """The public halves of a signing pair: 32 and 1,952 raw bytes."""

    ed25519: Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]
    mldsa65: Annotated[bytes, msgspec.Meta(min_length=1952, max_length=1952)]

    @cached_property
    def _ed25519(self) -> Ed25519PublicKey:
        return Ed25519PublicKey.from_public_bytes(self.ed25519)

    @cached_property
    def _mldsa65(self) -> MLDSA65PublicKey:
        return MLDSA65PublicKey.from_public_bytes(self.mldsa65)

    def key_id(self, domains: Domains) -> Digest:
        """The name of this pair."""
        return digest(domains.key_id, self.ed25519, self.mldsa65)

    def verifies(self, signature: Signature, data: bytes) -> bool:
        """Whether both signatures hold over `data`; one good half is not enough."""
        try:
            self._ed25519.verify(signature.ed25519, data)  # RFC 8032 5.1.7
            self._mldsa65.verify(signature.mldsa65, data)  # FIPS 204 5.3
        except InvalidSignature:
            return False
        return True

    def verifies_ed25519(self, signature: bytes, data: bytes) -> bool:
        """Whether the classical half alone holds: for what other tools verify, beside a hybrid seal."""
        try:
            self._ed25519.verify(signature, data)  # RFC 8032 5.1.7
        except InvalidSignature:
            return False
        return True


class SigningPair:
    """A private signing pair, kept as its two 32-byte seeds."""

    def __init__(self, ed25519: Ed25519PrivateKey, mldsa65: MLDSA65PrivateKey) -> None:
        self._ed25519 = ed25519
        self._mldsa65 = mldsa65
        self.public = SigningPublic(
            ed25519.public_key().public_bytes_raw(), mldsa65.public_key().public_bytes_raw()
        )

    @classmethod
    def generate(cls) -> "SigningPair":
        return cls(Ed25519PrivateKey.generate(), MLDSA65PrivateKey.generate())

    @classmethod
    def from_seeds(cls, seeds: bytes) -> "SigningPair":
        """From 64 bytes: the Ed25519 seed, then the ML-DSA-65 seed. Raises: `ValueError` otherwise."""
        if len(seeds) != 64:
            raise ValueError("a signing pair is stored as two seeds of 32 bytes")
        return cls(
            Ed25519PrivateKey.from_private_bytes(seeds[:32]), MLDSA65PrivateKey.from_seed_bytes(seeds[32:])
        )

    def seeds(self) -> bytes:
        """The private seeds, for the keystore alone."""
        return self._ed25519.private_bytes_raw() + self._mldsa65.private_bytes_raw()

    def sign(self, data: bytes) -> Signature:
        return Signature(self._ed25519.sign(data), self._mldsa65.sign(data))

    def sign_ed25519(self, data: bytes) -> bytes:
        """By the classical half alone, for formats that know no other."""
        return self._ed25519.sign(data)


class OpeningPublic(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, dict=True):
    """The public halves of an opening key: ML-KEM-768 (1,184 bytes) and X25519 (32 bytes)."""

    mlkem768: Annotated[bytes, msgspec.Meta(min_length=1184, max_length=1184)]
    x25519: Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]

    @cached_property
    def hpke(self) -> MLKEM768X25519PublicKey:
        """The key in the form that the HPKE suite takes."""
        return MLKEM768X25519PublicKey(
            MLKEM768PublicKey.from_public_bytes(self.mlkem768), X25519PublicKey.from_public_bytes(self.x25519)
        )

    def key_id(self, domains: Domains) -> Digest:
        """The name of this key."""
        return digest(domains.key_id, self.mlkem768, self.x25519)
