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

from hashlib import sha256
from typing import Final

from schemas.canonical import Domains, enc, framed, u32
from schemas.ids import DIGEST_BYTES, SALT_BYTES, Digest

_SALT: Final = u32(SALT_BYTES)
_DIGEST: Final = u32(DIGEST_BYTES)
_NONCE_BYTES: Final = 12


class Commitments:
    """The commitments of one record, and what its portions' encryption is bound to."""

    __slots__ = ("_broker_only", "_decoy", "_portion", "_portion_ad")

    def __init__(self, domains: Domains, originator: str, record_id: bytes) -> None:
        record = framed(originator.encode()) + framed(record_id)
        self._portion = domains.portion + record + _SALT
        self._broker_only = domains.broker_only + record + _SALT
        self._decoy = domains.decoy + record + _SALT
        self._portion_ad = domains.portion_ad + record

    def portion(
        self, salt: bytes, name: str, handling: bytes, routing: bytes, dek: bytes, ciphertext: bytes
    ) -> Digest:
        """Of a portion. `handling`, `routing`, `dek`: digests; `ciphertext`: the bytes."""
        fields = (
            self._portion,
            salt,
            framed(name.encode()),
            _DIGEST,
            handling,
            _DIGEST,
            routing,
            _DIGEST,
            dek,
            _DIGEST,
            sha256(ciphertext).digest(),
        )
        return Digest(sha256(b"".join(fields)).digest())

    def broker_only(self, salt: bytes, broker_only: bytes) -> Digest:
        """Of the broker-only slot."""
        return Digest(sha256(self._broker_only + salt + framed(broker_only)).digest())

    def decoy(self, salt: bytes) -> Digest:
        """Of a slot with nothing in it."""
        return Digest(sha256(self._decoy + salt).digest())

    def portion_ad(self, name: str, handling: bytes) -> bytes:
        """Associated data of a portion's encryption; `handling` is the digest of the handling label."""
        return self._portion_ad + framed(name.encode()) + _DIGEST + handling


def wrap_binding(domains: Domains, commitment: bytes) -> tuple[bytes, bytes]:
    """Nonce and associated data of every wrap of a portion, each under the KEK of its recipient."""
    return commitment[:_NONCE_BYTES], enc(domains.wrap, commitment)
