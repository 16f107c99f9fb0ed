"""Access tokens: ours are believed, and every other way to write one is refused at the step that must see it."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws
from joserfc.jwk import OctKey

from schemas.http.tokens import (
    AHEAD_S,
    MAX_LIFE_S,
    ApiRole,
    BadToken,
    Caller,
    Issuer,
    TokenFault,
    broker_audience,
    issue_token,
    node_audience,
    to_base64,
    verify_token,
)
from schemas.ids import AgencyId

NOW = 1_800_000_000
SEED, OTHER_SEED, AUDITOR_SEED = b"\x01" * 32, b"\x02" * 32, b"\x03" * 32
NCA, OLTIM = AgencyId("gb-nca"), AgencyId("fr-oltim")
AUDIENCE = broker_audience("g7")


def public(seed: bytes) -> bytes:
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


ISSUERS = {
    "gb-nca": Issuer(public(SEED), frozenset({ApiRole.OFFICER}), NCA),
    "fr-oltim": Issuer(public(OTHER_SEED), frozenset({ApiRole.OFFICER, ApiRole.COORDINATOR}), OLTIM),
    "auditors": Issuer(public(AUDITOR_SEED), frozenset({ApiRole.AUDITOR}), None),
}

CLAIMS: dict[str, Any] = {
    "iss": "gb-nca",
    "sub": "desk-1",
    "aud": AUDIENCE,
    "iat": NOW,
    "exp": NOW + 600,
    "role": "officer",
    "agency": "gb-nca",
}
HEADER: dict[str, Any] = {"alg": "Ed25519", "typ": "entente-at+jwt"}


def signed(header: object = HEADER, claims: object = CLAIMS, seed: bytes = SEED) -> str:
    """A token with any header and claims, and a true Ed25519 signature."""
    return signed_bytes(json.dumps(header).encode(), json.dumps(claims).encode(), seed)


def signed_bytes(header: bytes, payload: bytes, seed: bytes = SEED) -> str:
    head = f"{to_base64(header)}.{to_base64(payload)}"
    return f"{head}.{to_base64(Ed25519PrivateKey.from_private_bytes(seed).sign(head.encode()))}"


def fault_of(text: str, now_s: int = NOW, issuers: Mapping[str, Issuer] = ISSUERS) -> TokenFault:
    with pytest.raises(BadToken) as caught:
        verify_token(text, issuers, AUDIENCE, now_s)
    return caught.value.fault


def test_what_we_issue_is_believed_with_what_it_says() -> None:
    text = issue_token(
        SEED,
        issuer="gb-nca",
        subject="desk-1",
        role=ApiRole.OFFICER,
        agency=NCA,
        audience=AUDIENCE,
        now_s=NOW,
    )
    assert verify_token(text, ISSUERS, AUDIENCE, NOW + 599) == Caller(
        ApiRole.OFFICER, NCA, "desk-1", NOW + 600
    )
    assert (
        verify_token(signed(), ISSUERS, AUDIENCE, NOW).subject == "desk-1"
    )  # the forge below makes good ones


def test_an_issuer_without_an_agency_names_none() -> None:
    text = issue_token(
        AUDITOR_SEED,
        issuer="auditors",
        subject="a",
        role=ApiRole.AUDITOR,
        agency=None,
        audience=AUDIENCE,
        now_s=NOW,
    )
    assert verify_token(text, ISSUERS, AUDIENCE, NOW).agency is None
    auditor = {**CLAIMS, "iss": "auditors", "role": "auditor"}
    assert fault_of(signed(claims=auditor, seed=AUDITOR_SEED)) is TokenFault.AGENCY


def test_no_algorithm_but_ours() -> None:
    payload = to_base64(json.dumps(CLAIMS).encode())
    for alg in ("none", "None", "NONE", "nOnE"):
        head = to_base64(json.dumps({**HEADER, "alg": alg}).encode())
        assert fault_of(f"{head}.{payload}.") is TokenFault.HEADER
    others: list[object] = ["EdDSA", "Ed448", "ES256", "RS256", "ed25519", "", None, 0, ["Ed25519"]]
    for other in others:
        assert fault_of(signed({**HEADER, "alg": other})) is TokenFault.HEADER
    assert fault_of(signed({"typ": "entente-at+jwt"})) is TokenFault.HEADER
    head = to_base64(json.dumps(HEADER).encode())
    assert fault_of(f"{head}.{payload}.") is TokenFault.SIGNATURE


@pytest.mark.filterwarnings("ignore:.*")  # joserfc warns of the key that the attack wants: that is the attack
def test_hs256_with_the_public_key_as_its_secret() -> None:
    key = Ed25519PrivateKey.from_private_bytes(SEED).public_key()
    for secret in (public(SEED), key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)):
        text = jws.serialize_compact(
            {**HEADER, "alg": "HS256"},
            json.dumps(CLAIMS),
            OctKey.import_key(to_base64(secret)),
            algorithms=["HS256"],
        )
        assert fault_of(text) is TokenFault.HEADER


@pytest.mark.parametrize(
    "more",
    [
        {"kid": "gb-nca"},
        {"kid": "../../../../dev/null"},
        {"kid": "x' UNION SELECT 'key"},
        {"jwk": {"kty": "OKP", "crv": "Ed25519", "x": to_base64(public(OTHER_SEED))}},
        {"jku": "https://attacker.example/keys"},
        {"x5u": "https://attacker.example/cert"},
        {"crit": ["exp"], "exp": 1},
        {"b64": False, "crit": ["b64"]},
        {"cty": "JWT"},
    ],
)
def test_a_header_that_names_its_own_key_or_rules(more: dict[str, Any]) -> None:
    assert fault_of(signed({**HEADER, **more})) is TokenFault.HEADER
    assert fault_of(signed({**HEADER, **more}, seed=OTHER_SEED)) is TokenFault.HEADER


@pytest.mark.parametrize("typ", ["JWT", "at+jwt", "ENTENTE-AT+JWT", "application/entente-at+jwt", None])
def test_no_other_type(typ: str | None) -> None:
    assert fault_of(signed({**HEADER, "typ": typ})) is TokenFault.HEADER


def test_another_key_or_issuer() -> None:
    assert fault_of(signed(seed=OTHER_SEED)) is TokenFault.SIGNATURE
    assert fault_of(signed(claims={**CLAIMS, "iss": "nobody"})) is TokenFault.ISSUER
    # The issuer of another agency signs with its own key and says that it speaks for this one
    assert fault_of(signed(claims={**CLAIMS, "iss": "fr-oltim"}, seed=OTHER_SEED)) is TokenFault.AGENCY
    assert fault_of(signed(claims={**CLAIMS, "agency": "fr-oltim"})) is TokenFault.AGENCY
    assert fault_of(signed(claims={k: v for k, v in CLAIMS.items() if k != "agency"})) is TokenFault.AGENCY


@pytest.mark.parametrize("role", ["coordinator", "auditor", "operator"])
def test_a_role_that_the_issuer_may_not_name(role: str) -> None:
    assert fault_of(signed(claims={**CLAIMS, "role": role})) is TokenFault.ROLE


def test_roles_of_no_agency_stay_with_issuers_of_none() -> None:
    everything = {"gb-nca": Issuer(public(SEED), frozenset(ApiRole), NCA)}
    assert fault_of(signed(claims={**CLAIMS, "role": "auditor"}), issuers=everything) is TokenFault.AGENCY
    nobody = {"x": Issuer(public(SEED), frozenset(ApiRole), None)}
    without = {k: v for k, v in CLAIMS.items() if k != "agency"}
    assert fault_of(signed(claims={**without, "iss": "x"}), issuers=nobody) is TokenFault.AGENCY


@pytest.mark.parametrize(
    "audience",
    ["", "entente:g7", broker_audience("g8"), node_audience("g7", NCA), AUDIENCE + "2", AUDIENCE.upper()],
)
def test_meant_for_another_service(audience: str) -> None:
    fault = fault_of(signed(claims={**CLAIMS, "aud": audience}))
    assert fault is (TokenFault.AUDIENCE if audience else TokenFault.CLAIMS)


def test_expired_not_yet_and_too_long() -> None:
    assert fault_of(signed(), NOW + 600) is TokenFault.EXPIRED  # half-open
    assert verify_token(signed(), ISSUERS, AUDIENCE, NOW - AHEAD_S).expires_s == NOW + 600
    assert fault_of(signed(), NOW - AHEAD_S - 1) is TokenFault.NOT_YET
    longest = signed(claims={**CLAIMS, "exp": NOW + MAX_LIFE_S})
    assert verify_token(longest, ISSUERS, AUDIENCE, NOW).expires_s == NOW + MAX_LIFE_S
    assert fault_of(signed(claims={**CLAIMS, "exp": NOW + MAX_LIFE_S + 1})) is TokenFault.LIFE
    assert fault_of(signed(claims={**CLAIMS, "iat": 0})) is TokenFault.LIFE
    # It ends before it begins, and lies within what the clocks may differ
    assert fault_of(signed(claims={**CLAIMS, "iat": NOW + 20, "exp": NOW + 10})) is TokenFault.LIFE


@pytest.mark.parametrize(
    "claims",
    [
        {**CLAIMS, "admin": True},
        {**CLAIMS, "nbf": NOW},
        {**CLAIMS, "exp": None},
        {**CLAIMS, "exp": str(NOW + 600)},
        {**CLAIMS, "exp": True},
        {**CLAIMS, "exp": NOW + 600.5},
        {**CLAIMS, "exp": -1},
        {**CLAIMS, "exp": 10**40},
        {**CLAIMS, "aud": [AUDIENCE]},
        {**CLAIMS, "role": "Officer"},
        {**CLAIMS, "role": ["officer"]},
        {**CLAIMS, "sub": ""},
        {**CLAIMS, "sub": "a\nb"},
        {**CLAIMS, "sub": "a\n"},
        {**CLAIMS, "sub": "a" * 256},
        {**CLAIMS, "iss": None},
        {},
        [],
        "x",
        None,
        *({k: v for k, v in CLAIMS.items() if k != name} for name in CLAIMS if name != "agency"),
    ],
)
def test_claims_of_another_shape(claims: object) -> None:
    assert fault_of(signed(claims=claims)) is TokenFault.CLAIMS


def test_a_name_that_stands_twice_in_the_header() -> None:
    twice = b'{"alg":"none","alg":"Ed25519","typ":"entente-at+jwt"}'
    assert fault_of(signed_bytes(twice, json.dumps(CLAIMS).encode())) is TokenFault.SHAPE


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "..",
        "...",
        "a.b",
        "a.b.c.d",
        "é.é.é",
        "Bearer x",
        "\x00",
        "=.=.=",
        "null",
        "bnVsbA..",
        "[" * 900,
    ],
)
def test_no_token_at_all(text: str) -> None:
    assert fault_of(text) in (TokenFault.SHAPE, TokenFault.HEADER)


def test_a_deep_header_and_an_oversized_token() -> None:
    assert fault_of(f"{to_base64(b'[' * 1200)}.e30.") is TokenFault.SHAPE
    assert fault_of(signed(claims={**CLAIMS, "sub": "a" * 2000})) is TokenFault.SIZE
    assert fault_of("a" * 10_000_000) is TokenFault.SIZE


def test_broken_text_in_the_claims() -> None:
    assert fault_of(signed_bytes(json.dumps(HEADER).encode(), b"\xff\xfe")) is TokenFault.CLAIMS


@given(st.integers(0, len(signed()) - 1), st.sampled_from("AZaz09-_.=+/ \n"))
def test_every_other_character_is_refused(at: int, character: str) -> None:
    good = signed()
    if good[at] != character:
        fault_of(good[:at] + character + good[at + 1 :])


@given(st.text(max_size=200))
def test_no_text_raises_anything_else(text: str) -> None:
    fault_of(text)
    fault_of(f"{to_base64(json.dumps(HEADER).encode())}.{text}")
