"""The broker's signing pairs, in a folder that nobody else reads.

- `signing.key` is the first; a later one lies in `signing-<key id>.key` before the version that names it is signed.
- Which of them signs, the arrangement says. The folder is read again when a version names one that was not there.
- A pair that is not here is never stood in for by another: who signs on with a key that the members have replaced,
  perhaps because it was stolen, would hide that the change never happened.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from broker.errors import NoKey
from schemas.arrangement import Arrangement
from schemas.ids import Digest
from schemas.keys import SigningPair, SigningPublic

SIGNING: Final = "signing.key"


def later_file(key_id: Digest) -> str:
    """The name of the file of a pair that follows the first."""
    return f"signing-{key_id.hex()[:16]}.key"


class Keystore:
    """The signing pairs of one folder. Raises: `OSError`, `ValueError` when it has none, or something else as one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._pairs = self._read()
        if not self._pairs:
            raise FileNotFoundError(f"no '{SIGNING}'")

    def pair_of(self, arrangement: Arrangement) -> SigningPair:
        """The pair that a version names for the broker. Raises: `NoKey`."""
        public = arrangement.body.broker.public()
        what = f"the arrangement's key for the broker in version {arrangement.body.number}"
        try:
            if public not in self._pairs:
                self._pairs = self._read()
        except (OSError, ValueError) as error:
            raise NoKey(f"{what}: the key folder cannot be read: {error}") from error
        if public not in self._pairs:
            name = later_file(public.key_id(arrangement.domains))
            raise NoKey(f"{what} is not in its key folder: expected there as '{name}'")
        return self._pairs[public]

    def _read(self) -> Mapping[SigningPublic, SigningPair]:
        pairs = [SigningPair.from_seeds(file.read_bytes()) for file in self._folder.glob("signing*.key")]
        return {pair.public: pair for pair in pairs}
