"""An agency's private keys, in a folder that nobody else reads.

- `signing.key`: the seeds of the online signing pair. `opening.key`: the private opening key. `tls.pem`: transport.
- `token.key`: the Ed25519 seed that signs access tokens for the officers' API of this node, and nothing else.
- `identity.key` signs arrangement versions and the online keys. It belongs offline: a node never loads it.
- Files are raw bytes with mode 0600; what protects them at rest is the machine's affair.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.hpke import MLKEM768X25519PrivateKey

from schemas.canonical import Domains
from schemas.ids import Digest
from schemas.keys import OpeningPublic, SigningPair, SigningPublic

_Key = TypeVar("_Key")

SIGNING = "signing.key"
OPENING = "opening.key"
IDENTITY = "identity.key"
ISSUING = "token.key"


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

    def opening_key(self, domains: Domains, key_id: Digest) -> "OpeningKey | None":
        """Itself if that is its id: one key is a ring of one."""
        return self if self.public.key_id(domains) == key_id else None

    def to_bytes(self) -> bytes:
        """The private bytes, for the keystore alone."""
        return self._mlkem768.private_bytes_raw() + self._x25519.private_bytes_raw()


class Keystore:
    """The online keys of one agency: the current ones, and beside them those that came or will come after.

    A key that a rotation brings lies in a file of its own, `signing-<name>.key` or `opening-<name>.key`, before the
    version that names it is signed; an old one stays until nothing is left that was made for it. The folder is read
    again when a key is asked for that was not there.

    Raises: `OSError`, `ValueError` when the folder lacks keys or holds something else.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._read: tuple[str, ...] = ()
        self._signing: list[SigningPair] = []
        self._opening: list[OpeningKey] = []
        self._refresh()
        if not self._signing or not self._opening:
            raise FileNotFoundError(f"no '{SIGNING}' or no '{OPENING}'")

    @property
    def signing(self) -> SigningPair:
        """The first signing pair; which one the arrangement names, `signing_pair` tells."""
        return self._signing[0]

    @property
    def opening(self) -> OpeningKey:
        """The first opening key."""
        return self._opening[0]

    def signing_pair(self, public: SigningPublic) -> SigningPair | None:
        """The private half of a signing key, or None if it is not here."""
        return self._found(lambda: next((p for p in self._signing if p.public == public), None))

    def opening_key(self, domains: Domains, key_id: Digest) -> OpeningKey | None:
        """The private half of an opening key by its id, or None if it is not here."""
        return self._found(
            lambda: next((k for k in self._opening if k.public.key_id(domains) == key_id), None)
        )

    def add(self, domains: Domains, pair: SigningPair | OpeningKey) -> Path:
        """Put a new key beside the others, and return its file."""
        kind, data = (
            ("signing", pair.seeds()) if isinstance(pair, SigningPair) else ("opening", pair.to_bytes())
        )
        path = self.folder / f"{kind}-{pair.public.key_id(domains).hex()[:16]}.key"
        write_secret(path, data)
        return path

    def _found(self, look: Callable[[], _Key | None]) -> _Key | None:
        found = look()
        if found is None and self._refresh():
            found = look()
        return found

    def _refresh(self) -> bool:
        """Whether there were other files than before."""
        files = sorted([*self.folder.glob("signing*.key"), *self.folder.glob("opening*.key")])
        names = tuple(f.name for f in files)
        if names == self._read:
            return False
        # `opening.key` and `signing.key` sort behind those with a dash: the oldest last would be a surprise.
        files.sort(key=lambda f: (f.name not in (SIGNING, OPENING), f.name))
        self._signing = [
            SigningPair.from_seeds(f.read_bytes()) for f in files if f.name.startswith("signing")
        ]
        self._opening = [OpeningKey.from_bytes(f.read_bytes()) for f in files if f.name.startswith("opening")]
        self._read = names
        return True


def write_secret(path: Path, data: bytes) -> None:
    """Write a key for its owner's eyes only; whoever reads meanwhile sees all of it or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = path.with_name(f".{path.name}.part")
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(data)
    part.rename(path)
