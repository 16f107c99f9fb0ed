"""Commitments: what a manifest holds of a record's slots, and what binds ciphertexts and wraps to them.

- A commitment binds originator, record, portion name, label, key and ciphertext under a random salt
  (the idea of SD-JWT, RFC 9901), so that withholding a portion leaves the signature valid.
- All hashes of one record begin alike, and this beginning is encoded once. What is encoded is `enc(..)` of protocol.md:
  salts and digests have one length each, which frames have checked, so theirs stand here as constants.
- A wrap is encrypted under the KEK of one pair, which HPKE has bound to originator, recipient, the recipient's key and
  the epoch; so a commitment, which stands for all the rest, is all that a wrap must be bound to. Its first bytes are
  also the nonce: a hash under a fresh salt, so no two wraps under one KEK share it but by the chance that random
  nonces have, too (NIST SP 800-38D 8.3).
"""

from functools import lru_cache
from hashlib import sha256
from typing import Final

from schemas.canonical import DIGEST_LENGTH, SALT_LENGTH, Domains, framed, u64
from schemas.envelope import SLOTS
from schemas.ids import Digest

_NONCE_BYTES: Final = 12
_NUMBERS: Final = tuple(framed(u64(number)) for number in range(SLOTS))


@lru_cache(64)
def _name(name: str) -> bytes:
    return framed(name.encode())


class Commitments:
    """The commitments of one record, and what its portions' encryption is bound to."""

    __slots__ = ("_broker_only", "_decoy", "_portion", "_portion_ad")

    def __init__(self, domains: Domains, originator: str, record_id: bytes) -> None:
        record = framed(originator.encode()) + framed(record_id)
        self._portion = domains.portion + record + SALT_LENGTH
        self._broker_only = domains.broker_only + record + SALT_LENGTH
        self._decoy = domains.decoy + record + SALT_LENGTH
        self._portion_ad = domains.portion_ad + record

    def portion(
        self, salt: bytes, name: str, handling: bytes, routing: bytes, dek: bytes, ciphertext: bytes
    ) -> Digest:
        """Of a portion. `routing` and `dek` are digests, `handling` and `ciphertext` the bytes themselves."""
        fields = (
            self._portion,
            salt,
            _name(name),
            framed(handling),
            DIGEST_LENGTH,
            routing,
            DIGEST_LENGTH,
            dek,
            DIGEST_LENGTH,
            sha256(ciphertext).digest(),
        )
        return Digest(sha256(b"".join(fields)).digest())

    def broker_only(self, salt: bytes, broker_only: bytes) -> Digest:
        """Of the broker-only slot."""
        return Digest(sha256(self._broker_only + salt + framed(broker_only)).digest())

    def decoys(self, salt: bytes, portions: int) -> list[bytes]:
        """Of the slots with nothing in them, beside so many portions: one salt for all, and each its number."""
        start = self._decoy + salt
        return [sha256(start + number).digest() for number in _NUMBERS[portions + 1 :]]

    def portion_ad(self, name: str, handling: bytes) -> bytes:
        """Associated data of a portion's encryption."""
        return self._portion_ad + _name(name) + framed(handling)


def wrap_binding(domains: Domains, commitment: bytes) -> tuple[bytes, bytes]:
    """Nonce and associated data of every wrap of the portion with this commitment, each under its recipient's KEK."""
    return commitment[:_NONCE_BYTES], domains.wrap + DIGEST_LENGTH + commitment
