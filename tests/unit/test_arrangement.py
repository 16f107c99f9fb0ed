"""The arrangement's versions: k of n members, both statements of every key, and one chain from the pinned genesis."""

import json
from base64 import b64encode
from collections.abc import Iterable
from typing import Any

import msgspec
import pytest

from schemas.arrangement import (
    AgencyKeys,
    Arrangement,
    ArrangementBody,
    ArrangementError,
    MemberSignature,
    SignedArrangement,
    genesis_digest,
    sign_version,
    verify_genesis,
    verify_successor,
)
from schemas.frames import PREFIX
from schemas.ids import AgencyId, Digest
from schemas.keys import SigningPair
from tests.support.forge import flip
from tests.support.members import Members, members
from tests.vectors.scenes import FR, GB, IT, XA

_signed = msgspec.msgpack.Decoder(SignedArrangement)
STRANGER = SigningPair.from_seeds(bytes(64))


@pytest.fixture(scope="module")
def m() -> Members:
    return members()


def body(m: Members, **changes: Any) -> ArrangementBody:
    return m.arrangement.body.model_copy(update=changes)


def identities(m: Members, agencies: Iterable[AgencyId]) -> dict[AgencyId, SigningPair]:
    return {a: m.identities[a] for a in agencies}


def genesis(data: bytes) -> Arrangement:
    return verify_genesis(data, genesis_digest(data))


def next_body(m: Members, **changes: Any) -> ArrangementBody:
    return body(m, **{"number": 1, "predecessor": m.arrangement.digest.hex(), **changes})


def test_k_members_are_enough_and_k_less_one_are_not(m: Members) -> None:
    assert m.arrangement.body.threshold == 3
    assert genesis(sign_version(body(m), identities(m, [GB, FR, IT]))).digest == m.arrangement.digest
    with pytest.raises(ArrangementError, match="2 good signatures of 3 needed"):
        genesis(sign_version(body(m), identities(m, [GB, FR])))


def test_one_member_counts_once(m: Members) -> None:
    signed = _signed.decode(sign_version(body(m), identities(m, [GB, FR]))[len(PREFIX) :])
    thrice = SignedArrangement(signed.body, (*signed.signatures, signed.signatures[0], signed.signatures[0]))
    with pytest.raises(ArrangementError, match="2 good signatures"):
        genesis(PREFIX + msgspec.msgpack.encode(thrice))


def test_a_signature_counts_for_its_own_member_and_by_its_identity_key_alone(m: Members) -> None:
    two = identities(m, [GB, FR])
    for third in (STRANGER, m.signing[IT], m.identities[XA], m.broker):
        with pytest.raises(ArrangementError, match="2 good signatures"):
            genesis(sign_version(body(m), {**two, IT: third}))
    with pytest.raises(ArrangementError, match="2 good signatures"):
        genesis(sign_version(body(m), {**two, AgencyId("de-six"): STRANGER}))


def test_half_a_signature_does_not_count(m: Members) -> None:
    signed = _signed.decode(sign_version(body(m), identities(m, [GB, FR, IT]))[len(PREFIX) :])
    first = signed.signatures[0]
    for half in (
        msgspec.structs.replace(first.signature, ed25519=bytes(64)),
        msgspec.structs.replace(first.signature, mldsa65=bytes(3309)),
    ):
        touched = SignedArrangement(
            signed.body, (MemberSignature(first.agency, half), *signed.signatures[1:])
        )
        with pytest.raises(ArrangementError, match="2 good signatures"):
            genesis(PREFIX + msgspec.msgpack.encode(touched))


def test_a_forged_statement_of_a_key_is_refused(m: Members) -> None:
    keys = m.arrangement.body.keys
    issue = AgencyKeys.issue
    opening = m.opening[GB].public
    forged = [
        issue(m.domains, GB, STRANGER, m.signing[GB], opening).model_copy(
            update={"identity": keys[GB].identity}
        ),
        keys[GB].model_copy(update={"signing": keys[FR].signing}),
        keys[GB].model_copy(update={"opening": keys[FR].opening}),
        keys[GB].model_copy(update={"opening_signature": keys[FR].opening_signature}),
        keys[GB].model_copy(update={"signing_signature": keys[GB].opening_signature}),
        issue(m.domains, FR, m.identities[GB], m.signing[GB], opening),
    ]
    for entry in forged:
        with pytest.raises(ArrangementError, match="keys of 'gb-nca' are not signed by it"):
            genesis(sign_version(body(m, keys={**keys, GB: entry}), m.identities))
    renewed = issue(m.domains, GB, m.identities[GB], STRANGER, opening)
    accepted = genesis(sign_version(body(m, keys={**keys, GB: renewed}), m.identities))
    assert accepted.body.keys[GB] == renewed


SIZES = {
    "keys.gb-nca.identity.ed25519": 32,
    "keys.gb-nca.signing.mldsa65": 1952,
    "keys.gb-nca.signing_signature.ed25519": 64,
    "keys.gb-nca.opening_signature.mldsa65": 3309,
    "keys.gb-nca.opening.mlkem768": 1184,
    "keys.gb-nca.opening.x25519": 32,
    "broker.ed25519": 32,
    "broker.mldsa65": 1952,
}


def rewritten(m: Members, where: str, value: bytes) -> bytes:
    """A version whose body says something else in one place, unsigned."""
    content = json.loads(m.arrangement.body.model_dump_json(round_trip=True))
    *path, last = where.split(".")
    inner = content
    for step in path:
        inner = inner[step]
    assert last in inner
    inner[last] = b64encode(value).decode()
    return PREFIX + msgspec.msgpack.encode(SignedArrangement(json.dumps(content).encode(), ()))


@pytest.mark.parametrize("size", [0, -1, 1], ids=["none", "one less", "one more"])
@pytest.mark.parametrize("where", SIZES)
def test_a_key_or_signature_of_another_size_is_named_and_refused(m: Members, where: str, size: int) -> None:
    length = SIZES[where] + size if size else 0
    with pytest.raises(ArrangementError, match=rf"'{where}': .*\b{length} bytes, not {SIZES[where]}$"):
        verify_genesis(rewritten(m, where, bytes(length)), m.arrangement.digest)


@pytest.mark.parametrize(
    "half, value", [("mlkem768", b"\xff" * 1184), ("x25519", bytes(32)), ("x25519", b"\1" + bytes(31))]
)
def test_an_opening_key_to_which_nothing_can_be_sealed_is_refused(
    m: Members, half: str, value: bytes
) -> None:
    """Coefficients over the modulus; points of low order. Each has the right size."""
    with pytest.raises(ArrangementError, match=r"'keys\.gb-nca\.opening': .*nothing can be sealed"):
        verify_genesis(rewritten(m, f"keys.{GB}.opening.{half}", value), m.arrangement.digest)


def test_what_is_refused_is_not_repeated(m: Members) -> None:
    with pytest.raises(ArrangementError) as caught:
        verify_genesis(rewritten(m, "broker.ed25519", b"secret"), m.arrangement.digest)
    assert "secret" not in str(caught.value)
    assert b64encode(b"secret").decode() not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_genesis_is_the_pinned_one(m: Members) -> None:
    data = sign_version(body(m), m.identities)
    with pytest.raises(ArrangementError, match="pinned is"):
        verify_genesis(data, Digest(bytes(32)))
    with pytest.raises(ArrangementError, match="version 0 without a predecessor"):
        genesis(sign_version(next_body(m), m.identities))


def test_a_chain_of_successors(m: Members) -> None:
    first = verify_successor(sign_version(next_body(m), identities(m, [GB, FR, XA])), m.arrangement)
    second = body(m, number=2, predecessor=first.digest.hex())
    data = sign_version(second, identities(m, [IT, FR, XA]))
    assert verify_successor(data, first).body.number == 2
    with pytest.raises(ArrangementError, match="does not follow version 0"):
        verify_successor(data, m.arrangement)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"number": 2}, "version 2 does not follow version 0"),
        ({"number": 0}, "version 0 does not follow version 0"),
        ({"predecessor": "00" * 32}, "does not follow"),
        ({"predecessor": ""}, "does not follow"),
    ],
)
def test_what_does_not_follow_is_refused(m: Members, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ArrangementError, match=message):
        verify_successor(sign_version(next_body(m, **changes), m.identities), m.arrangement)


def test_a_version_is_signed_by_the_members_of_the_one_before_it(m: Members) -> None:
    """New members, or a lower threshold, cannot vote themselves in."""
    strangers = {a: SigningPair.from_seeds(bytes([i]) * 64) for i, a in enumerate(m.identities, 1)}
    keys = {
        a: AgencyKeys.issue(m.domains, a, strangers[a], m.signing[a], m.opening[a].public) for a in strangers
    }
    usurped = next_body(m, keys=keys, threshold=1)
    for signers in (strangers, m.identities):
        with pytest.raises(ArrangementError, match="changes the identities"):
            verify_successor(sign_version(usurped, signers), m.arrangement)
    lowered = next_body(m, threshold=1)
    with pytest.raises(ArrangementError, match="0 good signatures of 3"):
        verify_successor(sign_version(lowered, strangers), m.arrangement)
    with pytest.raises(ArrangementError, match="1 good signatures of 3"):
        verify_successor(sign_version(lowered, identities(m, [GB])), m.arrangement)
    assert verify_successor(sign_version(lowered, m.identities), m.arrangement).body.threshold == 1


def test_another_federation_is_not_followed(m: Members) -> None:
    with pytest.raises(ArrangementError, match=r"keys of|not of"):
        verify_successor(sign_version(next_body(m, federation="others"), m.identities), m.arrangement)


def test_engine_gate_keys_and_directory_must_fit(m: Members) -> None:
    keys = dict(m.arrangement.body.keys)
    del keys[GB]
    for changes, message in (
        ({"gate_version": 2}, "wants gate 2"),
        ({"engine_version": 2}, "engine 2"),
        ({"keys": keys}, "different agencies"),
    ):
        with pytest.raises(ArrangementError, match=message):
            genesis(sign_version(body(m, **changes), m.identities))


def test_any_touched_byte_is_refused(m: Members) -> None:
    data = sign_version(body(m), identities(m, [GB, FR, IT]))
    for bit in range(0, 8 * len(data), 8 * 911 + 3):
        with pytest.raises(ArrangementError):
            verify_genesis(flip(data, bit), m.arrangement.digest)
    for garbage in (b"", PREFIX, PREFIX + b"\x91" * 10_000, data[:-1], data + b"\0"):
        with pytest.raises(ArrangementError):
            verify_genesis(garbage, m.arrangement.digest)
