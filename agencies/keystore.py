"""An agency's private keys, in a folder that nobody else reads.

- `signing.key`: the seeds of the online signing pair. `opening.key`: the private opening key. `tls.pem`: transport.
- `identity.key` signs arrangement versions and the online keys. It belongs offline: a node never loads it.
- Files are raw bytes with mode 0600; what protects them at rest is the machine's affair.
"""

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.hpke import MLKEM768X25519PrivateKey

from schemas.keys import OpeningPublic, SigningPair

SIGNING = "signing.key"
OPENING = "opening.key"
IDENTITY = "identity.key"


class OpeningKey:
    """The private half of an opening key: the ML-KEM-768 seed (64 bytes), then the X25519 key (32 bytes)."""

    def __init__(self, mlkem768: MLKEM768PrivateKey, x25519: X25519PrivateKey) -> None:
        self._mlkem768 = mlkem768
        self._x25519 = x25519
        self.hpke = MLKEM768X25519PrivateKey(mlkem768, x25519)
        self.public = OpeningPublic(
            mlkem768.public_key().public_bytes_raw(), x25519.public_key().public_bytes_raw()
        )

    @classmethod
    def generate(cls) -> "OpeningKey":
        return cls(MLKEM768PrivateKey.generate(), X25519PrivateKey.generate())

    @classmethod
    def from_bytes(cls, data: bytes) -> "OpeningKey":
        """Raises: `ValueError` for anything but 96 bytes."""
        if len(data) != 96:
            raise ValueError("an opening key is stored in 96 bytes")
        return cls(
            MLKEM768PrivateKey.from_seed_bytes(data[:64]), X25519PrivateKey.from_private_bytes(data[64:])
        )

    def to_bytes(self) -> bytes:
        """The private bytes, for the keystore alone."""
        return self._mlkem768.private_bytes_raw() + self._x25519.private_bytes_raw()


class Keystore:
    """The online keys of one agency. Raises: `OSError`, `ValueError` when the folder lacks them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.signing = SigningPair.from_seeds((folder / SIGNING).read_bytes())
        self.opening = OpeningKey.from_bytes((folder / OPENING).read_bytes())
