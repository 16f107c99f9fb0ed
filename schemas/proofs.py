"""Proofs over a ledger's tree, RFC 6962 2.1.1 and 2.1.2: inclusion of a leaf, consistency of two sizes.

- Making one asks for nodes of perfect subtrees by (level, place), which never change once they are there: a store may
  keep them, a list of leaf hashes computes them.
- Verifying one needs hashes alone; it follows the algorithms of RFC 9162 2.1.3.2 and 2.1.4.2 step by step.
"""

from collections.abc import Callable, Sequence

from schemas.ids import Digest
from schemas.merkle import EMPTY_ROOT, node_hash

#: The hash of the perfect subtree at a level (0: leaves) and place (leaves `place << level` and on).
Node = Callable[[int, int], bytes]


def of_hashes(hashes: Sequence[bytes]) -> Node:
    """Nodes computed from leaf hashes."""

    def node(level: int, place: int) -> bytes:
        if level == 0:
            return hashes[place]
        return node_hash(node(level - 1, 2 * place), node(level - 1, 2 * place + 1))

    return node


def root_at(size: int, node: Node) -> Digest:
    """The Merkle tree hash of the first `size` leaves."""
    return EMPTY_ROOT if size == 0 else Digest(_range(0, size, node))


def inclusion_proof(index: int, size: int, node: Node) -> list[bytes]:
    """The audit path of a leaf in the tree of the first `size` leaves. Raises: `ValueError` if it has no such leaf."""
    if not 0 <= index < size:
        raise ValueError(f"a tree of {size} leaves has no leaf {index}")
    path, begin, end = list[bytes](), 0, size
    while end - begin > 1:
        middle = begin + _split(end - begin)
        if index < middle:
            path.append(_range(middle, end, node))
            end = middle
        else:
            path.append(_range(begin, middle, node))
            begin = middle
    return path[::-1]


def consistency_proof(first: int, second: int, node: Node) -> list[bytes]:
    """That the smaller tree is the larger one's beginning. Raises: `ValueError` unless 0 < first <= second."""
    if not 0 < first <= second:
        raise ValueError(f"no proof leads from {first} leaves to {second}")
    path, begin, end, whole = list[bytes](), 0, second, True
    while first != end:
        middle = begin + _split(end - begin)
        if first <= middle:
            path.append(_range(middle, end, node))
            end = middle
        else:
            path.append(_range(begin, middle, node))
            begin, whole = middle, False
    if not whole:
        path.append(_range(begin, end, node))
    return path[::-1]


def verify_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> bool:
    """Whether the leaf hash is leaf `index` of the tree with that size and root. RFC 9162 2.1.3.2."""
    if not 0 <= index < size or any(len(p) != 32 for p in path):
        return False
    at, last, node = index, size - 1, leaf
    for neighbour in path:
        if last == 0:
            return False
        if at & 1 or at == last:
            node = node_hash(neighbour, node)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            node = node_hash(node, neighbour)
        at, last = at >> 1, last >> 1
    return last == 0 and node == root


def verify_consistency(
    first: int, first_root: bytes, second: int, second_root: bytes, path: Sequence[bytes]
) -> bool:
    """Whether the smaller tree is the beginning of the larger one. RFC 9162 2.1.4.2."""
    if not 0 < first <= second or any(len(p) != 32 for p in path):
        return False
    if first == second:
        return not path and first_root == second_root
    if not path:
        return False
    nodes = [first_root, *path] if first & (first - 1) == 0 else [*path]
    at, last = first - 1, second - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    old = new = nodes[0]
    for neighbour in nodes[1:]:
        if last == 0:
            return False
        if at & 1 or at == last:
            old, new = node_hash(neighbour, old), node_hash(neighbour, new)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            new = node_hash(new, neighbour)
        at, last = at >> 1, last >> 1
    return last == 0 and old == first_root and new == second_root


def _split(count: int) -> int:
    """The largest power of two below `count`."""
    return 1 << ((count - 1).bit_length() - 1)


def _range(begin: int, end: int, node: Node) -> bytes:
    """The hash over leaves [begin, end), where `begin` is a place where such a subtree begins."""
    count = end - begin
    if count & (count - 1) == 0:
        level = count.bit_length() - 1
        return node(level, begin >> level)
    middle = begin + _split(count)
    return node_hash(_range(begin, middle, node), _range(middle, end, node))
