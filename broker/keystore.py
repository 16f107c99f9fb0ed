"""The broker's signing pairs, in a folder that nobody else reads.

- `signing.key` is the first; a later one lies in `signing-<key id>.key` before the version that names it is signed.
- Which of them signs, the arrangement says; only files that could hold that one are read, when it is asked for.
- A pair that is not here is never stood in for by another: who signs on with a key that the members have replaced,
  perhaps because it was stolen, would hide that the change never happened.
"""

from pathlib import Path
from typing import Final

from broker.errors import NoKey
from schemas.arrangement import Arrangement
from schemas.ids import Digest
from schemas.keys import SigningPair

SIGNING: Final = "signing.key"


def later_file(key_id: Digest) -> str:
    """The name of the file of a pair that follows the first."""
    return f"signing-{key_id.hex()[:16]}.key"


class Keystore:
    """The signing pairs of one folder. Raises: `FileNotFoundError` when it has none."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        if not any(folder.glob("signing*.key")):
            raise FileNotFoundError(f"no '{SIGNING}'")

    def pair_of(self, arrangement: Arrangement) -> SigningPair:
        """The pair that a version names for the broker. Raises: `NoKey`."""
        public = arrangement.body.broker.public()
        later = later_file(public.key_id(arrangement.domains))
        faults = []
        for name in (later, SIGNING):
            try:
                pair = SigningPair.from_seeds((self._folder / name).read_bytes())
            except FileNotFoundError:
                continue
            except (OSError, ValueError) as error:
                faults.append(f"; '{name}' cannot be read: {error}")
                continue
            if pair.public == public:
                return pair
        raise NoKey(
            f"the arrangement's key for the broker in version {arrangement.body.number} is not in its key folder: "
            f"expected there as '{later}'{''.join(faults)}"
        )
