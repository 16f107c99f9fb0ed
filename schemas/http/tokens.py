"""Access tokens: who calls, in which role, for ten minutes, by the word of an issuer that the service knows.

- A signed JWT (RFC 7519, RFC 7515) of one shape: algorithm, type, claims and lifetime are fixed here. What a token
  says of its own algorithm or key is compared with that, and never followed: so `none`, HS256 with a public key,
  `jwk`, `jku` and `kid` have nothing to work on.
- Ed25519 by its own name (RFC 9864). What an agency signs with the same key as its windows can be neither: a window
  begins with a length, a token with `ey`, and a window needs a second signature.
- An issuer has its roles and its agency from the service's settings or the arrangement; a token only chooses among
  them. No clock is read here, and no revocation exists: a token lives 15 minutes at most.
"""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Annotated, Final

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from schemas.ids import AgencyId

ALGORITHM: Final = "Ed25519"
TYPE: Final = "entente-at+jwt"
MAX_TOKEN: Final = 2048
MAX_LIFE_S: Final = 900

#: How far an issuer's clock may be ahead. An end has no tolerance: who wants longer issues longer.
AHEAD_S: Final = 30

_HEADER: Final = {"alg": ALGORITHM, "typ": TYPE}


class ApiRole(StrEnum):
    """In which role somebody calls. The first two belong to an agency, the last two to none."""

    OFFICER = "officer"
    COORDINATOR = "coordinator"
    AUDITOR = "auditor"
    OPERATOR = "operator"

    @property
    def of_agency(self) -> bool:
        return self in (ApiRole.OFFICER, ApiRole.COORDINATOR)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, verified. `subject`: the person or system, as the issuer names it. `expires_s`: real seconds."""

    role: ApiRole
    agency: AgencyId | None
    subject: str
    expires_s: int


@dataclass(frozen=True, slots=True)
class Issuer:
    """Whose tokens a service believes: the raw Ed25519 public key, and what it may say with it."""

    key: bytes
    roles: frozenset[ApiRole]
    agency: AgencyId | None


class TokenFault(StrEnum):
    """Why a token is not believed; for the log and tests, a caller only hears that it is not."""

    SIZE = "size"
    SHAPE = "shape"
    HEADER = "header"
    CLAIMS = "claims"
    ISSUER = "issuer"
    SIGNATURE = "signature"
    AUDIENCE = "audience"
    NOT_YET = "not_yet"
    EXPIRED = "expired"
    LIFE = "life"
    ROLE = "role"
    AGENCY = "agency"


class BadToken(ValueError):
    """A token that is not to be believed."""

    def __init__(self, fault: TokenFault) -> None:
        super().__init__(f"access token refused: {fault}")
        self.fault = fault


_Second = Annotated[int, msgspec.Meta(ge=0, le=253_402_300_799)]
_Text = Annotated[str, msgspec.Meta(min_length=1, max_length=255, pattern=r"^[!-~]+\Z")]


class _Claims(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    iss: _Text
    sub: _Text
    aud: _Text
    iat: _Second
    exp: _Second
    role: ApiRole
    agency: _Text | None = None


_claims = msgspec.json.Decoder(_Claims)
_encode = msgspec.json.Encoder().encode


def broker_audience(federation: str) -> str:
    """The audience of a federation's broker API."""
    return f"entente:{federation}:broker"


def node_audience(federation: str, agency: AgencyId) -> str:
    """The audience of one agency node's API: a token for one is worth nothing at another."""
    return f"entente:{federation}:node:{agency}"


def public_key(seed: bytes) -> bytes:
    """The raw Ed25519 public key of an issuer's seed."""
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


def issue_token(
    seed: bytes,
    *,
    issuer: str,
    subject: str,
    role: ApiRole,
    agency: AgencyId | None,
    audience: str,
    now_s: int,
    life_s: int = 600,
) -> str:
    """A token signed with the raw 32-byte Ed25519 seed; `now_s` in real seconds. Checks nothing: who verifies does."""
    claims = _Claims(issuer, subject, audience, now_s, now_s + life_s, role, agency)
    public = public_key(seed)
    key = OKPKey.import_key({"kty": "OKP", "crv": ALGORITHM, "x": to_base64(public), "d": to_base64(seed)})
    return jws.serialize_compact(dict(_HEADER), _encode(claims), key, algorithms=[ALGORITHM])


def verify_token(text: str, issuers: Mapping[str, Issuer], audience: str, now_s: int) -> Caller:
    """Who calls by this token. `now_s` in real seconds. Raises: `BadToken`."""
    # 1: size and shape, before anything is decoded. RFC 7515 7.1, each part in its one canonical encoding
    header, payload = pieces(text, MAX_TOKEN)
    # 2: the header is exactly ours: no key, no key id, no other algorithm or type. RFC 8725 3.1, 3.11
    try:
        said = json.loads(header, object_pairs_hook=once)
    except (ValueError, RecursionError) as error:
        raise BadToken(TokenFault.SHAPE) from error
    if said != _HEADER:
        raise BadToken(TokenFault.HEADER)
    # 3: claims of our shape, and no others
    try:
        claims = _claims.decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadToken(TokenFault.CLAIMS) from error
    # 4: an issuer that we know, with the key that we have of it. RFC 8725 3.8
    issuer = issuers.get(claims.iss)
    if issuer is None:
        raise BadToken(TokenFault.ISSUER)
    # 5: signature. RFC 7515 5.2, RFC 8037 3.1
    try:
        jws.deserialize_compact(text, _public(issuer.key), algorithms=[ALGORITHM])
    except (JoseError, ValueError) as error:
        raise BadToken(TokenFault.SIGNATURE) from error
    # 6: meant for this service. RFC 8725 3.9
    if claims.aud != audience:
        raise BadToken(TokenFault.AUDIENCE)
    # 7: now, and not for long; half-open
    if claims.iat > now_s + AHEAD_S:
        raise BadToken(TokenFault.NOT_YET)
    if now_s >= claims.exp:
        raise BadToken(TokenFault.EXPIRED)
    if not 0 < claims.exp - claims.iat <= MAX_LIFE_S:
        raise BadToken(TokenFault.LIFE)
    # 8: a role and an agency that this issuer may name, and that go together
    if claims.role not in issuer.roles:
        raise BadToken(TokenFault.ROLE)
    if claims.agency != issuer.agency or claims.role.of_agency != (issuer.agency is not None):
        raise BadToken(TokenFault.AGENCY)
    return Caller(claims.role, issuer.agency, claims.sub, claims.exp)


def pieces(text: str, most: int) -> tuple[bytes, bytes]:
    """Header and payload of a compact JWS of at most `most` characters, unverified. Raises: `BadToken`."""
    if len(text) > most:
        raise BadToken(TokenFault.SIZE)
    parts = text.split(".")
    if len(parts) != 3:
        raise BadToken(TokenFault.SHAPE)
    try:
        header, payload, _ = (from_base64(part) for part in parts)
    except ValueError as error:
        raise BadToken(TokenFault.SHAPE) from error
    return header, payload


def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """A JSON object none of whose names stands twice (RFC 7515 4). Raises: `ValueError`."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice")
    return found


def to_base64(data: bytes) -> str:
    """Base64url without padding (RFC 7515 2)."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def from_base64(text: str) -> bytes:
    """The bytes of an unpadded base64url text in its canonical form. Raises: `ValueError`."""
    data = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
    if to_base64(data) != text:
        raise ValueError("not in the one canonical encoding")
    return data


@lru_cache(256)
def _public(key: bytes) -> OKPKey:
    return OKPKey.import_key({"kty": "OKP", "crv": ALGORITHM, "x": to_base64(key)})
