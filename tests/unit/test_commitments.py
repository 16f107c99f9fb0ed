"""Commitments, said again as the protocol says them: `enc` of every field, its length before it."""

from hashlib import sha256

from hypothesis import given
from hypothesis import strategies as st

from schemas.canonical import Domains, digest, enc, u64
from schemas.commitments import Commitments, wrap_binding

DOMAINS = Domains("f")
salts, digests = st.binary(min_size=16, max_size=16), st.binary(min_size=32, max_size=32)


@given(st.text(max_size=15), salts, salts, st.text(max_size=40), st.binary(), digests, digests, st.binary())
def test_a_portions_commitment_is_over_all_its_fields(
    originator: str,
    record_id: bytes,
    salt: bytes,
    name: str,
    handling: bytes,
    routing: bytes,
    dek: bytes,
    ciphertext: bytes,
) -> None:
    commit = Commitments(DOMAINS, originator, record_id)
    of = (originator.encode(), record_id)
    assert commit.portion(salt, name, handling, routing, dek, ciphertext) == digest(
        DOMAINS.portion, *of, salt, name.encode(), handling, routing, dek, sha256(ciphertext).digest()
    )
    assert commit.portion_ad(name, handling) == enc(DOMAINS.portion_ad, *of, name.encode(), handling)


@given(st.text(max_size=15), salts, salts, st.binary(max_size=3000))
def test_the_other_slots_commitments_are_over_all_their_fields(
    originator: str, record_id: bytes, salt: bytes, content: bytes
) -> None:
    commit = Commitments(DOMAINS, originator, record_id)
    of = (originator.encode(), record_id)
    assert commit.broker_only(salt, content) == digest(DOMAINS.broker_only, *of, salt, content)
    for portions in range(6):
        assert commit.decoys(salt, portions) == [
            digest(DOMAINS.decoy, *of, salt, u64(number)) for number in range(portions + 1, 8)
        ]


@given(digests)
def test_a_wrap_is_bound_to_the_whole_commitment(commitment: bytes) -> None:
    assert wrap_binding(DOMAINS, commitment) == (commitment[:12], enc(DOMAINS.wrap, commitment))
