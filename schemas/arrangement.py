"""The arrangement's versions: one chain, each signed by k of n members, pinned at its genesis.

- A version fixes directory, keys, policy, gate and engine versions, and names its predecessor's digest.
- Signed by members' identity keys, never by the broker; k of the members of version v sign v + 1.
- The genesis digest is pinned in every node's and the broker's settings: the only root of trust.
- The body is opaque bytes: hashed as received, then parsed from those bytes.
- While a federation runs, a version may change communities, officers, suspensions and rules. Members, keys and the
  lanes' shards stay: they need topics and rights of their own.
- Signatures are gathered: a version without enough of them is a proposal (`propose`, `countersign`).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Final, Literal, Self

import msgspec
from pydantic import AfterValidator, Base64Bytes, Field, ValidationError, model_validator

from schemas.canonical import Domains, digest, enc
from schemas.directory import AgencyField, Directory
from schemas.frames import PREFIX, BadFrame, parse_frame
from schemas.gate import GATE_VERSION
from schemas.hpke import SUITE as HPKE
from schemas.ids import AgencyId, AgencyText, Digest
from schemas.keys import OpeningPublic, Signature, SigningPair, SigningPublic
from schemas.model import Model
from schemas.seal import SealVerifier

SUITE: Final = "ed25519+ml-dsa-65"
ENGINE_VERSION: Final = 1
BROKER: Final = "broker"


def _of_size(size: int) -> AfterValidator:
    """A number of bytes after decoding; pydantic's own limits would bound the text in the JSON schema."""

    def check(value: bytes) -> bytes:
        if len(value) != size:
            raise ValueError(f"{len(value)} bytes, not {size}")
        return value

    return AfterValidator(check)


class SigningKey(Model):
    """Public halves of a signing pair as people can write them."""

    ed25519: Annotated[Base64Bytes, _of_size(32)]
    mldsa65: Annotated[Base64Bytes, _of_size(1952)]

    @classmethod
    def of(cls, public: SigningPublic) -> "SigningKey":
        return cls.model_construct(ed25519=public.ed25519, mldsa65=public.mldsa65)

    def public(self) -> SigningPublic:
        return SigningPublic(self.ed25519, self.mldsa65)


class OpeningKey(Model):
    """Public halves of an opening key."""

    mlkem768: Annotated[Base64Bytes, _of_size(1184)]
    x25519: Annotated[Base64Bytes, _of_size(32)]

    @model_validator(mode="after")
    def _takes(self) -> Self:
        # FIPS 203 7.2 and RFC 7748 6.1 refuse some keys of the right size, at their first use: every agency that
        # writes to this one would stop there.
        try:
            HPKE.encrypt(b"", self.public().hpke, b"")
        except ValueError as error:
            raise ValueError("a key to which nothing can be sealed") from error
        return self

    @classmethod
    def of(cls, public: OpeningPublic) -> "OpeningKey":
        return cls.model_construct(mlkem768=public.mlkem768, x25519=public.x25519)

    def public(self) -> OpeningPublic:
        return OpeningPublic(self.mlkem768, self.x25519)


class HybridSignature(Model):
    """A hybrid signature as it stands in the arrangement."""

    ed25519: Annotated[Base64Bytes, _of_size(64)]
    mldsa65: Annotated[Base64Bytes, _of_size(3309)]

    @classmethod
    def of(cls, signature: Signature) -> "HybridSignature":
        return cls.model_construct(ed25519=signature.ed25519, mldsa65=signature.mldsa65)

    def signature(self) -> Signature:
        return Signature(self.ed25519, self.mldsa65)


class AgencyKeys(Model):
    """Identity, signing key signed by the identity, opening key signed by the signing key."""

    identity: SigningKey
    signing: SigningKey
    signing_signature: HybridSignature
    opening: OpeningKey
    opening_signature: HybridSignature

    @classmethod
    def issue(
        cls,
        domains: Domains,
        agency: str,
        identity: SigningPair,
        signing: SigningPair,
        opening: OpeningPublic,
    ) -> "AgencyKeys":
        """An agency's entry, with both statements signed."""
        return cls(
            identity=SigningKey.of(identity.public),
            signing=SigningKey.of(signing.public),
            signing_signature=HybridSignature.of(
                identity.sign(_statement(domains, "signing", agency, signing.public.key_id(domains)))
            ),
            opening=OpeningKey.of(opening),
            opening_signature=HybridSignature.of(
                signing.sign(_statement(domains, "opening", agency, opening.key_id(domains)))
            ),
        )

    def hold(self, domains: Domains, agency: str) -> bool:
        """Whether both statements verify."""
        signing, opening = self.signing.public(), self.opening.public()
        return self.identity.public().verifies(
            self.signing_signature.signature(),
            _statement(domains, "signing", agency, signing.key_id(domains)),
        ) and signing.verifies(
            self.opening_signature.signature(),
            _statement(domains, "opening", agency, opening.key_id(domains)),
        )


def _statement(domains: Domains, what: str, agency: str, key_id: bytes) -> bytes:
    return enc(domains.key_statement, what.encode(), agency.encode(), key_id)


class ArrangementBody(Model):
    """What the members sign."""

    number: Annotated[int, Field(ge=0)]
    predecessor: Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")]
    federation: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{1,39}$")]
    suite: Literal["ed25519+ml-dsa-65"]
    threshold: Annotated[int, Field(ge=1)]
    directory: Directory
    keys: dict[AgencyField, AgencyKeys]
    broker: SigningKey
    schema_text: str
    policies: dict[str, str]
    gate_version: int
    engine_version: int


class MemberSignature(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One member's identity signature over a version."""

    agency: AgencyText
    signature: Signature


class SignedArrangement(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A version as it travels: its body and the signatures over it."""

    body: bytes
    signatures: tuple[MemberSignature, ...]


class ArrangementError(ValueError):
    """A version that is not to be believed; the message says why, in one line."""


_encode = msgspec.msgpack.Encoder().encode
_decoder = msgspec.msgpack.Decoder(SignedArrangement)


@dataclass(frozen=True)
class Arrangement:
    """A verified version."""

    digest: Digest
    body: ArrangementBody

    @cached_property
    def domains(self) -> Domains:
        return Domains(self.body.federation)

    @property
    def directory(self) -> Directory:
        return self.body.directory

    def window_verifier(self) -> SealVerifier:
        """Verifies agencies' window seals."""
        signers = ((a, k.signing.public()) for a, k in self.body.keys.items())
        return self._verifier(signers)

    def heads_verifier(self) -> SealVerifier:
        """Verifies the broker's seals over chain heads."""
        return self._verifier([(BROKER, self.body.broker.public())])

    def _verifier(self, signers: Iterable[tuple[str, SigningPublic]]) -> SealVerifier:
        by_id: Mapping[Digest, tuple[str, SigningPublic]] = {
            public.key_id(self.domains): (owner, public) for owner, public in signers
        }
        return SealVerifier(self.domains, self.body.suite, by_id)


def sign_version(body: ArrangementBody, identities: Mapping[AgencyId, SigningPair]) -> bytes:
    """A signed version's bytes, with one signature a given identity."""
    return countersign(propose(body), identities)


def propose(body: ArrangementBody) -> bytes:
    """A version's bytes that nobody has signed yet."""
    return PREFIX + _encode(SignedArrangement(body.model_dump_json(round_trip=True).encode(), ()))


def countersign(data: bytes, identities: Mapping[AgencyId, SigningPair]) -> bytes:
    """A proposed version with the identities' signatures added; an earlier one of the same agency is replaced.

    Raises: `ArrangementError` if it cannot be read.
    """
    signed, arrangement = _parse(data)
    statement = _signed(arrangement.domains, arrangement.digest)
    return PREFIX + _encode(
        SignedArrangement(signed.body, with_signatures(signed.signatures, identities, statement))
    )


def with_signatures(
    given: Iterable[MemberSignature], identities: Mapping[AgencyId, SigningPair], statement: bytes
) -> tuple[MemberSignature, ...]:
    """The signatures given, and those of the identities over the statement, in the order of the agencies."""
    found = {member.agency: member for member in given}
    found |= {a: MemberSignature(a, pair.sign(statement)) for a, pair in identities.items()}
    return tuple(found[agency] for agency in sorted(found))


def read_proposal(data: bytes) -> tuple[Arrangement, tuple[AgencyId, ...]]:
    """A version that may lack signatures, and whose signatures it bears, unverified. Raises: `ArrangementError`."""
    signed, arrangement = _parse(data)
    return arrangement, tuple(AgencyId(member.agency) for member in signed.signatures)


def _signed(domains: Domains, version: bytes) -> bytes:
    return enc(domains.arrangement_signature, version)


def genesis_digest(data: bytes) -> Digest:
    """The digest that everybody pins, of a genesis that was just made. Raises: `ArrangementError`."""
    return _parse(data)[1].digest


def verify_genesis(data: bytes, pinned: Digest) -> Arrangement:
    """The first version: its digest is the pinned one, and k of its own members signed it.

    Raises: `ArrangementError`.
    """
    signed, arrangement = _parse(data)
    if arrangement.digest != pinned:
        raise ArrangementError(f"genesis digest is {arrangement.digest.hex()}, pinned is {pinned.hex()}")
    if arrangement.body.number != 0 or arrangement.body.predecessor:
        raise ArrangementError("the genesis must be version 0 without a predecessor")
    check_signatures(
        signed.signatures, _signed(arrangement.domains, arrangement.digest), arrangement, "version 0"
    )
    return arrangement


def verify_successor(data: bytes, current: Arrangement) -> Arrangement:
    """The version after `current`, signed by k of the members of `current`. Raises: `ArrangementError`."""
    signed, arrangement = _parse(data)
    body = arrangement.body
    if body.federation != current.body.federation:
        raise ArrangementError(f"version of '{body.federation}', not of '{current.body.federation}'")
    if body.number != current.body.number + 1 or body.predecessor != current.digest.hex():
        raise ArrangementError(f"version {body.number} does not follow version {current.body.number}")
    for what, same in (
        ("members", body.directory.agency_ids == current.directory.agency_ids),
        ("keys", body.keys == current.body.keys and body.broker == current.body.broker),
        ("lanes", body.directory.lanes == current.directory.lanes),
    ):
        if not same:
            raise ArrangementError(f"version {body.number} changes the {what}: not while a federation runs")
    statement = _signed(current.domains, arrangement.digest)
    check_signatures(signed.signatures, statement, current, f"version {body.number}")
    return arrangement


def _parse(data: bytes) -> tuple[SignedArrangement, Arrangement]:
    if data[: len(PREFIX)] != PREFIX:
        raise ArrangementError("not an arrangement version of format 1")
    try:
        signed = parse_frame(_decoder, data[len(PREFIX) :])
        body = ArrangementBody.model_validate_json(signed.body)
    except BadFrame as error:
        raise ArrangementError(f"arrangement version cannot be read: {error}") from error
    except ValidationError as error:
        # Never the input itself, which pydantic's own text repeats
        fault = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(map(str, fault["loc"]))[:100] or "body"
        raise ArrangementError(f"arrangement version cannot be read: {where!r}: {fault['msg']}") from error
    domains = Domains(body.federation)
    if body.gate_version != GATE_VERSION or body.engine_version != ENGINE_VERSION:
        raise ArrangementError(
            f"version {body.number} wants gate {body.gate_version} and engine {body.engine_version}; "
            f"here are {GATE_VERSION} and {ENGINE_VERSION}"
        )
    if body.keys.keys() != set(body.directory.agency_ids):
        raise ArrangementError(f"version {body.number}: keys and directory name different agencies")
    for agency, keys in body.keys.items():
        if not keys.hold(domains, agency):
            raise ArrangementError(f"version {body.number}: keys of '{agency}' are not signed by it")
    return signed, Arrangement(digest(domains.arrangement, signed.body), body)


def check_signatures(
    signatures: Iterable[MemberSignature], statement: bytes, signers: Arrangement, what: str
) -> None:
    """Raises: `ArrangementError` unless enough members of `signers` have signed the statement."""
    good: set[str] = set()
    for member in signatures:
        keys = signers.body.keys.get(AgencyId(member.agency))
        if keys is not None and keys.identity.public().verifies(member.signature, statement):
            good.add(member.agency)
    needed = signers.body.threshold
    if len(good) < needed:
        raise ArrangementError(f"{what} bears {len(good)} good signatures of {needed} needed")
