"""A batch seal: both signatures, the role, the suite and the federation, or it does not hold."""

from collections.abc import Mapping

import msgspec
import pytest

from schemas.arrangement import SUITE
from schemas.canonical import Domains
from schemas.entropy import SeededEntropy
from schemas.frames import BadFrame
from schemas.ids import Digest
from schemas.keys import Signature, SigningPair, SigningPublic
from schemas.merkle import leaf_hash, path_root
from schemas.seal import BadSeal, Role, Seal, SealVerifier, seal_leaves
from tests.support.forge import flip

DOMAINS = Domains("seals")
PAIR = SigningPair.from_seeds(bytes(range(64)))
OTHER = SigningPair.from_seeds(bytes(range(1, 65)))
LEAVES = [leaf_hash(b"a"), leaf_hash(b"b")]

_seal = msgspec.msgpack.Decoder(Seal)


def verifier(*pairs: SigningPair, domains: Domains = DOMAINS, suite: str = SUITE) -> SealVerifier:
    signers: Mapping[Digest, tuple[str, SigningPublic]] = {
        p.public.key_id(domains): (f"owner-{i}", p.public) for i, p in enumerate(pairs)
    }
    return SealVerifier(domains, suite, signers)


def seal(pair: SigningPair = PAIR, role: Role = Role.WINDOW, suite: str = SUITE) -> bytes:
    return seal_leaves(DOMAINS, suite, pair, role, LEAVES, SeededEntropy(b"x"))[0]


def resigned(signature: Signature) -> bytes:
    return msgspec.msgpack.encode(msgspec.structs.replace(_seal.decode(seal()), signature=signature))


def test_a_good_seal_vouches_for_every_leaf() -> None:
    data, paths = seal_leaves(DOMAINS, SUITE, PAIR, Role.HEADS, LEAVES, SeededEntropy(b"x"))
    verified = verifier(PAIR, OTHER).verify(data)
    assert (verified.owner, verified.role) == ("owner-0", Role.HEADS)
    assert [path_root(leaf, path) for leaf, path in zip(LEAVES, paths, strict=True)] == [verified.root] * 2


def test_one_good_half_is_not_enough() -> None:
    good, foreign = _seal.decode(seal()).signature, _seal.decode(seal(OTHER)).signature
    for signature in (
        Signature(good.ed25519, foreign.mldsa65),
        Signature(foreign.ed25519, good.mldsa65),
        Signature(good.ed25519, bytes(3309)),
        Signature(bytes(64), good.mldsa65),
    ):
        with pytest.raises(BadSeal) as caught:
            verifier(PAIR).verify(resigned(signature))
        assert not caught.value.unknown_signer
    assert verifier(PAIR).verify(resigned(good)).owner == "owner-0"


def test_a_role_cannot_be_changed_after_signing() -> None:
    window = _seal.decode(seal(role=Role.WINDOW))
    with pytest.raises(BadSeal):
        verifier(PAIR).verify(msgspec.msgpack.encode(msgspec.structs.replace(window, role=Role.HEADS)))


def test_a_role_that_nobody_knows_is_no_seal() -> None:
    fields = msgspec.msgpack.decode(seal())
    with pytest.raises(BadFrame):
        verifier(PAIR).verify(msgspec.msgpack.encode([fields[0], "ledger", *fields[2:]]))


def test_the_suite_is_the_arrangements() -> None:
    data = seal(suite="ed25519")
    with pytest.raises(BadSeal):
        verifier(PAIR).verify(data)
    assert verifier(PAIR, suite="ed25519").verify(data).owner == "owner-0"


def test_a_seal_of_another_federation_is_a_strangers() -> None:
    with pytest.raises(BadSeal) as caught:
        verifier(PAIR, domains=Domains("others")).verify(seal())
    assert caught.value.unknown_signer
    # Even where the key is known under the same id, the domain in what was signed is another.
    data = msgspec.structs.replace(_seal.decode(seal()), signer=PAIR.public.key_id(Domains("others")))
    with pytest.raises(BadSeal) as caught:
        verifier(PAIR, domains=Domains("others")).verify(msgspec.msgpack.encode(data))
    assert not caught.value.unknown_signer


def test_a_stranger_is_told_from_a_false_signature() -> None:
    with pytest.raises(BadSeal) as caught:
        verifier(OTHER).verify(seal())
    assert caught.value.unknown_signer


def test_what_was_seen_good_does_not_vouch_for_a_touched_copy() -> None:
    by, data = verifier(PAIR), seal()
    first = by.verify(data)
    assert by.verify(data) == first
    for bit in range(0, 8 * len(data), 61):
        with pytest.raises((BadSeal, BadFrame)):
            by.verify(flip(data, bit))


def test_both_signatures_cover_the_same_bytes_and_seeds_give_the_pair_again() -> None:
    again = SigningPair.from_seeds(PAIR.seeds())
    assert again.public == PAIR.public
    assert PAIR.public.verifies(again.sign(b"data"), b"data")
    assert not PAIR.public.verifies(again.sign(b"data"), b"date")
    assert PAIR.public.key_id(DOMAINS) != PAIR.public.key_id(Domains("others"))
    with pytest.raises(ValueError, match="two seeds"):
        SigningPair.from_seeds(bytes(63))
