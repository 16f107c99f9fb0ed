"""The one HPKE suite of format 1: hybrid ML-KEM-768 + X25519, HKDF-SHA256, AES-256-GCM.

RFC 9180 with draft-ietf-hpke-pq. Base mode: who encrypted is shown by the window's seal, not by the KEM.
"""

from typing import Final

from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

SUITE: Final = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
