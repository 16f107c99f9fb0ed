"""Proofs over a tree: the reference trees of Certificate Transparency, and every size against a plain computation."""

from collections.abc import Sequence
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.merkle import EMPTY_FRONTIER, leaf_hash, node_hash
from schemas.proofs import (
    consistency_proof,
    inclusion_proof,
    of_hashes,
    root_at,
    verify_consistency,
    verify_inclusion,
)

#: The inputs and roots that implementations of RFC 6962 share.
INPUTS = [
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
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
HASHES = [leaf_hash(data) for data in INPUTS]


def plain_root(hashes: Sequence[bytes]) -> bytes:
    """RFC 6962 2.1, word by word."""
    if not hashes:
        return sha256(b"").digest()
    if len(hashes) == 1:
        return hashes[0]
    k = 1
    while 2 * k < len(hashes):
        k *= 2
    return node_hash(plain_root(hashes[:k]), plain_root(hashes[k:]))


def many(count: int) -> list[bytes]:
    return [leaf_hash(n.to_bytes(4, "big")) for n in range(count)]


@pytest.mark.parametrize("size", range(1, 9))
def test_the_reference_trees(size: int) -> None:
    node = of_hashes(HASHES)
    assert root_at(size, node).hex() == ROOTS[size - 1]
    for index in range(size):
        assert verify_inclusion(
            HASHES[index], index, size, inclusion_proof(index, size, node), root_at(size, node)
        )


def test_reference_paths() -> None:
    """The audit paths and consistency proofs of the reference implementation's own tests."""
    node = of_hashes(HASHES)
    assert [p.hex() for p in inclusion_proof(0, 8, node)] == [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ]
    assert [p.hex() for p in consistency_proof(1, 8, node)] == [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ]
    assert [p.hex() for p in consistency_proof(6, 8, node)] == [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ]


@given(st.integers(1, 300), st.data())
def test_every_leaf_is_proved_and_no_other(size: int, data: st.DataObject) -> None:
    hashes = many(size)
    node, root = of_hashes(hashes), plain_root(hashes)
    assert root_at(size, node) == root
    frontier = EMPTY_FRONTIER
    for h in hashes:
        frontier = frontier.append(h)
    assert frontier.root() == root
    index = data.draw(st.integers(0, size - 1))
    path = inclusion_proof(index, size, node)
    assert verify_inclusion(hashes[index], index, size, path, root)
    other = data.draw(st.integers(0, size - 1))
    if other != index:
        assert not verify_inclusion(hashes[other], index, size, path, root)
        assert not verify_inclusion(hashes[index], other, size, path, root)
    assert not verify_inclusion(hashes[index], index, size, [*path, bytes(32)], root)
    if path:
        spoilt = data.draw(st.integers(0, len(path) - 1))
        wrong = [bytes(32) if at == spoilt else p for at, p in enumerate(path)]
        assert not verify_inclusion(hashes[index], index, size, wrong, root)
        assert not verify_inclusion(hashes[index], index, size, path[:-1], root)


@given(st.integers(1, 300), st.data())
def test_a_tree_is_the_beginning_of_a_larger_one_and_of_no_other(second: int, data: st.DataObject) -> None:
    first = data.draw(st.integers(1, second))
    hashes = many(second)
    node = of_hashes(hashes)
    old, new = plain_root(hashes[:first]), plain_root(hashes)
    path = consistency_proof(first, second, node)
    assert verify_consistency(first, old, second, new, path)
    changed = data.draw(st.integers(0, first - 1))
    forged = plain_root([bytes(32) if at == changed else h for at, h in enumerate(hashes)])
    assert not verify_consistency(first, old, second, forged, path)
    if first < second:
        assert not verify_consistency(first, new, second, new, path)
        assert not verify_consistency(first, old, second, new, path[:-1])
        assert not verify_consistency(first, old, second, new, [*path, bytes(32)])


@pytest.mark.parametrize("call", [(0, 0), (3, 3), (-1, 3)])
def test_a_leaf_that_is_not_there_has_no_proof(call: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="has no leaf"):
        inclusion_proof(*call, of_hashes(many(5)))
    assert not verify_inclusion(bytes(32), *call, [], bytes(32))


@pytest.mark.parametrize("call", [(0, 3), (4, 3)])
def test_no_proof_leads_backwards(call: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="no proof leads"):
        consistency_proof(*call, of_hashes(many(5)))
    assert not verify_consistency(call[0], bytes(32), call[1], bytes(32), [])
