"""Merkle trees by RFC 6962: the append-only tree of a ledger, and the blinded tree of a batch seal.

- Leaf: SHA-256(0x00 || data); node: SHA-256(0x01 || left || right); a leaf's data begins with its domain.
- `Frontier` holds the roots of the perfect subtrees of a growing log: O(log n) state, any cut gives the same root.
- A batch tree has depth 8. Leaves take random places and a missing neighbour is a fresh random value, so a
  path tells its place and nothing of what else is there, nor of how much.
"""

from collections.abc import Sequence
from functools import lru_cache
from hashlib import sha256
from struct import Struct
from typing import Final

import msgspec

from schemas.entropy import Entropy
from schemas.ids import Digest, DigestBytes

DEPTH: Final = 8
BATCH_LEAVES: Final = 1 << DEPTH
PATH_BYTES: Final = 1 + 32 * DEPTH
_KEYS: Final = Struct(f">{BATCH_LEAVES}Q")
_HALF: Final = 1 + 32 * (DEPTH // 2)

EMPTY_ROOT: Final = Digest(sha256(b"").digest())


def leaf_hash(data: bytes) -> Digest:
    """RFC 6962 2.1: the hash of a leaf."""
    return Digest(sha256(b"\x00" + data).digest())


def node_hash(left: bytes, right: bytes) -> Digest:
    """RFC 6962 2.1: the hash of an inner node."""
    return Digest(sha256(b"\x01" + left + right).digest())


class Frontier(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """An append-only tree of `size` leaves: the roots of its perfect subtrees, the largest first."""

    size: int
    peaks: tuple[DigestBytes, ...]

    def append(self, leaf: bytes) -> "Frontier":
        """The tree with one more leaf hash."""
        peaks = list(self.peaks)
        node, size = leaf, self.size
        while size & 1:  # each trailing one bit is a perfect subtree that this leaf completes
            node = node_hash(peaks.pop(), node)
            size >>= 1
        peaks.append(node)
        return Frontier(self.size + 1, tuple(peaks))

    def root(self) -> Digest:
        """The Merkle tree hash. RFC 6962 2.1; of no leaves: SHA-256 of nothing."""
        if not self.peaks:
            return EMPTY_ROOT
        node = self.peaks[-1]
        for peak in reversed(self.peaks[:-1]):
            node = node_hash(peak, node)
        return Digest(node)


EMPTY_FRONTIER: Final = Frontier(0, ())


def batch_tree(leaves: Sequence[bytes], entropy: Entropy) -> tuple[Digest, list[bytes]]:
    """Root and one path a leaf, for 1 to 256 leaf hashes.

    A path is the place (one byte) and eight neighbour hashes from the bottom up.
    Raises: `ValueError` for no leaves or too many.
    """
    count = len(leaves)
    if not 1 <= count <= BATCH_LEAVES:
        raise ValueError(f"a batch seals 1 to {BATCH_LEAVES} leaves, not {count}")
    places = _places(count, entropy)
    level = dict(zip(places, leaves, strict=True))
    levels = []
    for _ in range(DEPTH):
        missing = [place ^ 1 for place in level if place ^ 1 not in level]
        fresh = entropy.random(32 * len(missing))
        level.update((place, fresh[32 * i : 32 * i + 32]) for i, place in enumerate(missing))
        levels.append(level)
        level = {place >> 1: node_hash(level[place], level[place | 1]) for place in level if not place & 1}
    ways = {0: b""}  # from each node up to the root, the root's first
    for nodes in reversed(levels):
        ways = {place: nodes[place ^ 1] + ways[place >> 1] for place in nodes}
    return Digest(level[0]), [bytes((place,)) + ways[place] for place in places]


def _places(count: int, entropy: Entropy) -> list[int]:
    """`count` distinct places of 256, uniformly: the first of a random permutation."""
    keys = _KEYS.unpack(entropy.random(_KEYS.size))
    return sorted(range(BATCH_LEAVES), key=keys.__getitem__)[:count]


def path_root(leaf: bytes, path: bytes) -> Digest:
    """The root that a leaf hash and its path lead to. Raises: `ValueError` for a path of the wrong length."""
    if len(path) != PATH_BYTES:
        raise ValueError(f"a path has {PATH_BYTES} bytes, not {len(path)}")
    place = path[0]
    return _upper(_climb(leaf, place, path[1:_HALF]), place >> DEPTH // 2, path[_HALF:])


def _climb(node: bytes, place: int, neighbours: bytes) -> Digest:
    """From a node at its place in its level up past each neighbour."""
    for at in range(0, len(neighbours), 32):
        neighbour = neighbours[at : at + 32]
        node = sha256(b"\x01" + neighbour + node if place & 1 else b"\x01" + node + neighbour).digest()
        place >>= 1
    return Digest(node)


#: The leaves of a window share the upper half of their ways, up to sixteen of them each: it is climbed once. A pure
#: function of all that it is asked for, so an answer is the same remembered or not.
_upper = lru_cache(1024)(_climb)
