"""Tokens of an OpenID Connect provider: its keys and the settings' mapping, and nothing that a token brings along."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from joserfc import jws
from joserfc.jwk import ECKey, OctKey, RSAKey
from pydantic import ValidationError

from schemas.http import keysets
from schemas.http.callers import Callers
from schemas.http.keysets import KeySource, ProviderUnreachable
from schemas.http.oidc import Keys, Provider, verify_provider_token
from schemas.http.tokens import ApiRole, BadToken, Caller, TokenFault, issue_token, to_base64
from schemas.ids import AgencyId

NOW = 1_800_000_000
ISSUER = "https://login.example/realms/police"
PLACE = "https://login.example/keys"
EC = ECKey.generate_key("P-256", {"kid": "ec", "use": "sig"})
RSA = RSAKey.generate_key(2048, {"kid": "rsa", "use": "sig", "alg": "RS256"})
NEWER = ECKey.generate_key("P-256", {"kid": "newer"})

PROVIDER = Provider(
    issuer=ISSUER,
    audience="entente",
    role_claim="realm_access.roles",
    roles={
        "sharing-coordinators": ApiRole.COORDINATOR,
        "analysts": ApiRole.OFFICER,
        "audit": ApiRole.AUDITOR,
    },
    agency_claim="department",
    agencies={"NCA": AgencyId("gb-nca")},
)
CLAIMS: dict[str, Any] = {
    "iss": ISSUER,
    "sub": "f3b1",
    "aud": ["account", "entente"],
    "iat": NOW,
    "exp": NOW + 3600,
    "realm_access": {"roles": ["analysts", "offline_access"]},
    "department": "NCA",
    "azp": "any other claim is of no interest",
}


def keys(*held: RSAKey | ECKey) -> bytes:
    return json.dumps({"keys": [key.as_dict(private=False) for key in held]}).encode()


KEYS = Keys.parse(keys(EC, RSA))


def token(
    claims: Mapping[str, Any] = CLAIMS, key: RSAKey | ECKey = EC, header: Mapping[str, Any] | None = None
) -> str:
    alg = "RS256" if isinstance(key, RSAKey) else "ES256"
    made = {"alg": alg, "typ": "at+jwt", "kid": key.kid, **(header or {})}
    key = (
        RSAKey.import_key(key.raw_value) if isinstance(key, RSAKey) else key
    )  # signs by any algorithm of its type
    return jws.serialize_compact(made, json.dumps(claims), key, algorithms=["RS256", "PS256", "ES256"])


def fault_of(text: str, provider: Provider = PROVIDER) -> TokenFault:
    with pytest.raises(BadToken) as caught:
        verify_provider_token(text, provider, KEYS, NOW)
    return caught.value.fault


@pytest.mark.parametrize("key", [EC, RSA])
def test_a_token_of_the_provider_is_mapped(key: RSAKey | ECKey) -> None:
    caller = verify_provider_token(token(key=key), PROVIDER, KEYS, NOW)
    assert caller == Caller(ApiRole.OFFICER, AgencyId("gb-nca"), "f3b1", NOW + 3600)


def test_the_first_role_of_the_settings_that_it_has() -> None:
    both = {**CLAIMS, "realm_access": {"roles": ["analysts", "sharing-coordinators"]}}
    assert verify_provider_token(token(both), PROVIDER, KEYS, NOW).role is ApiRole.COORDINATOR
    audit = {**CLAIMS, "realm_access": {"roles": "audit"}}
    assert verify_provider_token(token(audit), PROVIDER, KEYS, NOW).agency is None


@pytest.mark.parametrize(
    "change, fault",
    [
        ({"iss": "https://login.example/realms/other"}, TokenFault.ISSUER),
        ({"aud": "account"}, TokenFault.AUDIENCE),
        ({"aud": None}, TokenFault.AUDIENCE),
        ({"exp": NOW}, TokenFault.EXPIRED),
        ({"exp": NOW + 3601}, TokenFault.LIFE),
        ({"exp": None}, TokenFault.CLAIMS),
        ({"exp": True}, TokenFault.CLAIMS),
        ({"exp": float("inf")}, TokenFault.CLAIMS),
        ({"iat": NOW + 31, "exp": NOW + 60}, TokenFault.NOT_YET),
        ({"nbf": NOW + 31}, TokenFault.NOT_YET),
        ({"realm_access": {"roles": ["admin"]}}, TokenFault.ROLE),
        ({"realm_access": ["analysts"]}, TokenFault.ROLE),
        ({"realm_access": None}, TokenFault.ROLE),
        ({"department": "BKA"}, TokenFault.AGENCY),
        ({"department": ["NCA"]}, TokenFault.AGENCY),
        ({"department": None}, TokenFault.AGENCY),
        ({"sub": None}, TokenFault.CLAIMS),
        ({"sub": "a\nb"}, TokenFault.CLAIMS),
    ],
)
def test_claims_that_are_not_as_the_settings_want(change: dict[str, Any], fault: TokenFault) -> None:
    assert fault_of(token({**CLAIMS, **change})) is fault


@pytest.mark.parametrize(
    "header, fault",
    [
        ({"typ": "entente-at+jwt"}, TokenFault.HEADER),
        ({"jwk": NEWER.as_dict(private=False)}, TokenFault.HEADER),
        ({"jku": "https://attacker.example"}, TokenFault.HEADER),
        ({"kid": "newer"}, TokenFault.SIGNATURE),
        ({"kid": "rsa"}, TokenFault.SIGNATURE),
        ({"kid": ["ec"]}, TokenFault.SIGNATURE),
        ({"kid": None}, TokenFault.SIGNATURE),
    ],
)
def test_headers(header: dict[str, Any], fault: TokenFault) -> None:
    good = token()
    payload, signature = good.split(".")[1:]
    head = to_base64(json.dumps({"alg": "ES256", "typ": "at+jwt", "kid": "ec", **header}).encode())
    assert fault_of(f"{head}.{payload}.{signature}") is fault


def test_no_algorithm_that_the_settings_do_not_name() -> None:
    assert fault_of(token(key=RSA, header={"alg": "PS256"})) is TokenFault.HEADER
    payload = to_base64(json.dumps(CLAIMS).encode())
    for alg in ("none", "HS256", ["ES256"]):
        head = to_base64(json.dumps({"alg": alg, "typ": "at+jwt", "kid": "ec"}).encode())
        assert fault_of(f"{head}.{payload}.") is TokenFault.HEADER


def test_a_key_is_for_the_algorithm_that_it_names() -> None:
    both = PROVIDER.model_copy(update={"algorithms": ("RS256", "PS256")})
    assert fault_of(token(key=RSA, header={"alg": "PS256"}), both) is TokenFault.SIGNATURE


def test_of_a_key_set_only_public_keys_for_signatures_are_kept() -> None:
    weak = rsa.generate_private_key(65537, 1024).public_key().public_numbers()  # noqa: S505  # as small as it is
    small = {"kty": "RSA", "kid": "weak", "e": "AQAB", "n": to_base64(weak.n.to_bytes(128, "big"))}
    secret = OctKey.import_key("c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0", {"kid": "oct"})
    encrypting = {**EC.as_dict(private=False), "use": "enc"}
    for one in (secret.as_dict(), encrypting, small, {"kty": "EC"}, {"kty": "ML-DSA"}, {}):
        with pytest.raises(ValueError, match="without a public key"):
            Keys.parse(json.dumps({"keys": [one]}).encode())
    for data in (b"", b"[]", b"{}", b'{"keys": 1}', b'{"keys": [1]}', b"[" * 100_000):
        with pytest.raises(ValueError):  # noqa: PT011  # the kind is what counts
            Keys.parse(data)


@pytest.mark.parametrize(
    "change",
    [
        {"issuer": "http://login.example"},
        {"issuer": "ftp://login.example"},
        {"agency_claim": None},
        {"agencies": {}},
        {"agencies": {"NCA": "not an agency"}},
        {"roles": {}},
        {"algorithms": ["none"]},
        {"algorithms": ["HS256"]},
        {"secret": "x"},
    ],
)
def test_settings_that_cannot_be_meant(change: dict[str, Any]) -> None:
    assert Provider.model_validate_json(PROVIDER.model_dump_json()) == PROVIDER
    with pytest.raises(ValidationError):
        Provider.model_validate({**PROVIDER.model_dump(mode="json"), **change})


class Site:
    """A provider's two documents, as its server would give them; counts how often it was asked for keys."""

    def __init__(self) -> None:
        self.discovery: dict[str, Any] = {"issuer": ISSUER, "jwks_uri": PLACE}
        self.keys = keys(EC)
        self.down = False
        self.asked = 0
        self.at = 0.0

    async def fetch(self, url: str) -> bytes:
        if self.down:
            raise OSError("away")
        if url == f"{ISSUER}/.well-known/openid-configuration":
            return json.dumps(self.discovery).encode()
        assert url == PLACE
        self.asked += 1
        return self.keys

    def now(self) -> float:
        return self.at


async def test_new_keys_are_found_but_not_at_the_call_of_whoever_makes_up_key_ids() -> None:
    site = Site()
    source = KeySource(PROVIDER, site.fetch, site.now)
    for _ in range(3):
        await source.caller(token(), NOW)
    assert site.asked == 1
    site.keys = keys(EC, NEWER)
    for _ in range(3):
        with pytest.raises(BadToken):
            await source.caller(token(key=NEWER), NOW)
    assert site.asked == 1
    site.at = 60.0
    assert (await source.caller(token(key=NEWER), NOW)).subject == "f3b1"
    assert site.asked == 2
    site.keys, site.at = (
        keys(NEWER),
        60.0 + 900.0,
    )  # a key that was withdrawn holds a quarter of an hour at most
    with pytest.raises(BadToken):
        await source.caller(token(), NOW)


async def test_while_the_provider_is_away_its_keys_hold_for_an_hour() -> None:
    site = Site()
    source = KeySource(PROVIDER, site.fetch, site.now)
    site.down = True
    with pytest.raises(ProviderUnreachable):
        await source.caller(token(), NOW)
    site.down, site.at = False, keysets._AGAIN_S
    await source.caller(token(), NOW)
    site.down, site.at = True, site.at + 3599
    await source.caller(token(), NOW)
    site.at += 1
    with pytest.raises(ProviderUnreachable):
        await source.caller(token(), NOW)


@pytest.mark.parametrize(
    "discovery",
    [
        {"issuer": "https://attacker.example", "jwks_uri": PLACE},
        {"issuer": ISSUER, "jwks_uri": "http://login.example/keys"},
        {"issuer": ISSUER, "jwks_uri": "http://127.0.0.1/keys"},
        {"issuer": ISSUER, "jwks_uri": "file:///etc/passwd"},
        {"issuer": ISSUER},
    ],
)
async def test_a_discovery_document_that_leads_elsewhere(discovery: dict[str, Any]) -> None:
    site = Site()
    site.discovery = discovery
    with pytest.raises(ProviderUnreachable):
        await KeySource(PROVIDER, site.fetch, site.now).caller(token(), NOW)
    assert site.asked == 0


async def test_a_header_leads_to_our_own_issuers_or_to_the_provider() -> None:
    site = Site()
    callers = Callers(dict, "here", (KeySource(PROVIDER, site.fetch, site.now),), lambda: NOW)
    assert (await callers.caller(f"Bearer {token()}")).subject == "f3b1"
    assert (await callers.caller(f"bearer {token()}")).agency == "gb-nca"
    # One of our own shape that names the provider as its issuer is checked with the provider's keys
    ours = issue_token(
        b"\x01" * 32,
        issuer=ISSUER,
        subject="x",
        role=ApiRole.AUDITOR,
        agency=None,
        audience="here",
        now_s=NOW,
    )
    for header in (f"Bearer {ours}", f"Basic {token()}", token(), "Bearer", "Bearer ", ""):
        with pytest.raises(BadToken):
            await callers.caller(header)
