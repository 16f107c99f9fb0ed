"""Tokens of an OpenID Connect provider: verified with its published keys, mapped to a role and an agency by settings.

- The settings name issuer, audience, algorithms and what each claim means; a token only chooses among them. A role
  or an agency that is not mapped is nobody's.
- Public keys only, by key id; a token that brings a key or a place of keys along is refused unread.
- Where the keys come from is told by `schemas.http.keysets`; here nothing is fetched and no clock is read.
"""

import json
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final, Self
from urllib.parse import urlsplit

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, JWKRegistry, OKPKey, RSAKey
from pydantic import Field, model_validator

from schemas.http.tokens import AHEAD_S, ApiRole, BadToken, Caller, TokenFault, from_base64, once, pieces
from schemas.ids import AGENCY_PATTERN, AgencyId
from schemas.model import SettingsPart

MAX_TOKEN: Final = 8192

_MAX_TEXT: Final = 255
_MIN_RSA_BITS: Final = 2048
#: The names that a header may have. RFC 7515 4.1: `jwk`, `jku`, `x5c` and `x5u` name keys that we do not know.
_HEADER_NAMES: Final = frozenset({"alg", "typ", "kid", "x5t", "x5t#S256"})

PublicKey = RSAKey | ECKey | OKPKey
_Agency = Annotated[AgencyId, Field(pattern=AGENCY_PATTERN)]


class SignatureAlgorithm(StrEnum):
    """What a provider may sign with: asymmetric, and none that RFC 8725 3.1 and RFC 9864 advise against."""

    RS256 = "RS256"
    PS256 = "PS256"
    ES256 = "ES256"
    ES384 = "ES384"
    ED25519 = "Ed25519"


def is_loopback(url: str) -> bool:
    """Whether a URL names this host itself, where TLS would protect nothing."""
    return urlsplit(url).hostname in ("127.0.0.1", "::1", "localhost")


class Provider(SettingsPart):
    """An OpenID Connect provider as the settings of a service name it."""

    issuer: Annotated[str, Field(pattern=r"^https?://[^\s?#]+$", max_length=_MAX_TEXT)]
    """As its tokens say it, letter by letter; https, but for one on this host."""
    audience: Annotated[str, Field(min_length=1, max_length=_MAX_TEXT)]
    """Whom its tokens must be for: this service, as the provider knows it."""
    jwks: Path | None = None
    """A file with its keys (RFC 7517 5); None: they are found by discovery."""
    algorithms: Annotated[tuple[SignatureAlgorithm, ...], Field(min_length=1)] = (
        SignatureAlgorithm.RS256,
        SignatureAlgorithm.ES256,
    )
    """By which its tokens may be signed, whatever they say of themselves."""
    types: Annotated[tuple[str, ...], Field(min_length=1)] = ("at+jwt", "JWT")
    """What the header's `typ` may be."""
    subject_claim: str = "sub"
    """The claim that says who calls."""
    role_claim: str = "roles"
    """A dot goes into an object: `realm_access.roles`."""
    roles: Annotated[dict[str, ApiRole], Field(min_length=1)]
    """Value of that claim -> role; the first one here that a token has is the caller's."""
    agency_claim: str | None = None
    """The claim that says whose officer or coordinator it is."""
    agencies: dict[str, _Agency] = Field(default_factory=dict)
    """Value of that claim -> agency, for officers and coordinators."""
    max_life_s: Annotated[int, Field(gt=0, le=86_400)] = 3600
    """How long a token may be good for, in seconds."""

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if self.issuer.startswith("http://") and not is_loopback(self.issuer):
            raise ValueError("an issuer is reached by https, but for one on this host")
        if any(role.of_agency for role in self.roles.values()) and not (self.agency_claim and self.agencies):
            raise ValueError("officers and coordinators need `agency_claim` and `agencies`")
        return self


class UnknownKey(BadToken):
    """A key id that the provider's keys do not have, as far as they are known: they may have changed."""

    def __init__(self) -> None:
        super().__init__(TokenFault.SIGNATURE)


class Keys:
    """A provider's public keys, by key id."""

    def __init__(self, keys: Mapping[str | None, PublicKey]) -> None:
        self._keys = keys

    @classmethod
    def parse(cls, data: bytes) -> "Keys":
        """From a JWK set (RFC 7517 5); what is no public key for signatures is passed over. Raises: `ValueError`."""
        try:
            found = json.loads(data)["keys"]
            keys = {one.get("kid"): _import(one) for one in found}
        except (TypeError, LookupError, AttributeError, RecursionError) as error:
            raise ValueError("no JWK set") from error
        good = {kid: key for kid, key in keys.items() if key is not None}
        if not good:
            raise ValueError("a JWK set without a public key for signatures")
        return cls(good)

    def named(self, kid: object) -> PublicKey:
        """The key of that id; without an id, the only key there is. Raises: `UnknownKey`."""
        if kid is None and len(self._keys) == 1:
            return next(iter(self._keys.values()))
        key = self._keys.get(kid) if isinstance(kid, str) else None
        if key is None:
            raise UnknownKey
        return key


def _import(value: Any) -> PublicKey | None:
    if value.get("kty") not in ("RSA", "EC", "OKP") or value.get("use", "sig") != "sig":
        return None
    try:
        if value["kty"] == "RSA" and 8 * len(from_base64(value["n"])) < _MIN_RSA_BITS:
            return None
        key = JWKRegistry.import_key(value)
    except (JoseError, ValueError, TypeError, KeyError, AttributeError):
        return None
    return key if isinstance(key, RSAKey | ECKey | OKPKey) else None


def issuer_of(text: str) -> str | None:
    """Whom a token says that it is from, unverified: only to choose whose keys it is checked with."""
    try:
        claims = _parse(pieces(text, MAX_TOKEN)[1])
    except BadToken:
        return None
    issuer = claims.get("iss")
    return issuer if isinstance(issuer, str) else None


def verify_provider_token(text: str, provider: Provider, keys: Keys, now_s: int) -> Caller:
    """Who calls by this token. `now_s` in real seconds. Raises: `BadToken`; `UnknownKey` if newer keys may help."""
    # 1: size and shape. RFC 7515 7.1
    header_bytes, payload = pieces(text, MAX_TOKEN)
    header, claims = _parse(header_bytes), _parse(payload)
    # 2: an algorithm and a type that the settings name; no key of its own. RFC 8725 3.1, 3.11
    if not header.keys() <= _HEADER_NAMES or header.get("alg") not in provider.algorithms:
        raise BadToken(TokenFault.HEADER)
    if str(header.get("typ", "JWT")).removeprefix("application/") not in provider.types:
        raise BadToken(TokenFault.HEADER)
    # 3: signature, by a key of the provider that is meant for this algorithm. RFC 7515 5.2
    key = keys.named(header.get("kid"))
    if key.get("alg", header["alg"]) != header["alg"]:
        raise BadToken(TokenFault.SIGNATURE)
    try:
        jws.deserialize_compact(text, key, algorithms=list(provider.algorithms))
    except (JoseError, ValueError, TypeError) as error:
        raise BadToken(TokenFault.SIGNATURE) from error
    # 4: from this provider, for this service. OpenID Connect Core 3.1.3.7, RFC 9068 4
    if claims.get("iss") != provider.issuer:
        raise BadToken(TokenFault.ISSUER)
    audiences = claims.get("aud")
    if provider.audience not in (audiences if isinstance(audiences, list) else [audiences]):
        raise BadToken(TokenFault.AUDIENCE)
    # 5: now, and not for long
    expires_s = _check_times(claims, provider.max_life_s, now_s)
    # 6: a role and an agency that the settings map
    role = _role(claims, provider)
    agency = _agency(claims, provider) if role.of_agency else None
    subject = claims.get(provider.subject_claim)
    if not isinstance(subject, str) or not 0 < len(subject) <= _MAX_TEXT or not subject.isprintable():
        raise BadToken(TokenFault.CLAIMS)
    return Caller(role, agency, subject, expires_s)


def _parse(data: bytes) -> dict[str, Any]:
    try:
        found = json.loads(data, object_pairs_hook=once)
    except (ValueError, RecursionError) as error:
        raise BadToken(TokenFault.SHAPE) from error
    if not isinstance(found, dict):
        raise BadToken(TokenFault.SHAPE)
    return found


def _check_times(claims: Mapping[str, Any], life_s: int, now_s: int) -> int:
    issued, expires = _instant(claims, "iat"), _instant(claims, "exp")
    begins = _instant(claims, "nbf") if "nbf" in claims else issued
    if max(issued, begins) > now_s + AHEAD_S:
        raise BadToken(TokenFault.NOT_YET)
    if now_s >= expires:
        raise BadToken(TokenFault.EXPIRED)
    if not 0 < expires - issued <= life_s:
        raise BadToken(TokenFault.LIFE)
    return int(expires)


def _instant(claims: Mapping[str, Any], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 2**53:
        raise BadToken(TokenFault.CLAIMS)
    return value


def _role(claims: Mapping[str, Any], provider: Provider) -> ApiRole:
    value: Any = claims
    for name in provider.role_claim.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    held = value if isinstance(value, list) else [value]
    for name, role in provider.roles.items():
        if name in held:
            return role
    raise BadToken(TokenFault.ROLE)


def _agency(claims: Mapping[str, Any], provider: Provider) -> AgencyId:
    value = claims.get(provider.agency_claim or "")
    agency = provider.agencies.get(value) if isinstance(value, str) else None
    if agency is None:
        raise BadToken(TokenFault.AGENCY)
    return agency
