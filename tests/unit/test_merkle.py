"""Merkle trees: RFC 6962's own answers, the growing tree against the recursive definition, blinded batches."""

from collections.abc import Sequence

import pytest

from schemas.entropy import SeededEntropy
from schemas.merkle import (
    BATCH_LEAVES,
    EMPTY_FRONTIER,
    PATH_BYTES,
    Frontier,
    batch_tree,
    leaf_hash,
    node_hash,
    path_root,
)

#: Leaves and roots of Certificate Transparency's reference tests.
CT_LEAVES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
CT_ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def grown(leaves: Sequence[bytes]) -> Frontier:
    tree = EMPTY_FRONTIER
    for leaf in leaves:
        tree = tree.append(leaf)
    return tree


def recursive(leaves: Sequence[bytes]) -> bytes:
    """RFC 6962 2.1 as it is written."""
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return node_hash(recursive(leaves[:split]), recursive(leaves[split:]))


@pytest.mark.parametrize("size", range(9))
def test_roots_of_certificate_transparency(size: int) -> None:
    assert grown([leaf_hash(data) for data in CT_LEAVES[:size]]).root().hex() == CT_ROOTS[size]


def test_the_growing_tree_equals_the_recursive_definition() -> None:
    leaves = [leaf_hash(i.to_bytes(4, "big")) for i in range(300)]
    tree = EMPTY_FRONTIER
    for size, leaf in enumerate(leaves, 1):
        tree = tree.append(leaf)
        assert tree.root() == recursive(leaves[:size])
        assert tree.size == size
        assert len(tree.peaks) == size.bit_count()


def test_append_leaves_the_older_tree_as_it_was() -> None:
    before = grown([leaf_hash(b"a"), leaf_hash(b"b"), leaf_hash(b"c")])
    root = before.root()
    before.append(leaf_hash(b"d"))
    assert before.root() == root


@pytest.mark.parametrize("count", [1, 2, 3, 17, 255, 256])
def test_every_path_of_a_batch_leads_to_the_root(count: int) -> None:
    leaves = [leaf_hash(i.to_bytes(2, "big")) for i in range(count)]
    root, paths = batch_tree(leaves, SeededEntropy(b"batch"))
    assert [path_root(leaf, path) for leaf, path in zip(leaves, paths, strict=True)] == [root] * count
    assert len({path[0] for path in paths}) == count
    assert {len(path) for path in paths} == {PATH_BYTES}


def test_a_path_leads_nowhere_else() -> None:
    leaves = [leaf_hash(b"a"), leaf_hash(b"b")]
    root, paths = batch_tree(leaves, SeededEntropy(b"x"))
    assert path_root(leaves[0], paths[1]) != root
    for at in range(PATH_BYTES):  # the place byte is part of the path: all of its bits count
        for bit in range(8):
            touched = bytearray(paths[0])
            touched[at] ^= 1 << bit
            assert path_root(leaves[0], bytes(touched)) != root


def test_a_missing_neighbour_is_fresh_randomness() -> None:
    leaf = leaf_hash(b"alone")
    seen: set[bytes] = set()
    for i in range(20):
        _, (path,) = batch_tree([leaf], SeededEntropy(str(i).encode()))
        seen.update(path[at : at + 32] for at in range(1, PATH_BYTES, 32))
    assert len(seen) == 20 * 8


def test_places_are_spread() -> None:
    places = [batch_tree([leaf_hash(b"x")], SeededEntropy(str(i).encode()))[1][0][0] for i in range(400)]
    assert len(set(places)) > 180  # 400 throws into 256 places leave about 202 filled
    assert min(places) < 16
    assert max(places) > 239


@pytest.mark.parametrize("count", [0, BATCH_LEAVES + 1])
def test_a_batch_has_1_to_256_leaves(count: int) -> None:
    with pytest.raises(ValueError, match="1 to 256 leaves"):
        batch_tree([leaf_hash(b"x")] * count, SeededEntropy(b"x"))


def test_a_path_of_the_wrong_length_is_an_error() -> None:
    with pytest.raises(ValueError, match="257 bytes"):
        path_root(leaf_hash(b"x"), bytes(PATH_BYTES - 1))
