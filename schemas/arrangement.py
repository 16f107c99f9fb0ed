"""The arrangement's versions: one chain, each signed by k of n members, pinned at its genesis.

- A version fixes directory, keys, policy, gate and engine versions, and names its predecessor's digest.
- Signed by members' identity keys, never by the broker; k of the members of version v sign v + 1.
- The genesis digest is pinned in every node's and the broker's settings: the only root of trust.
- The body is opaque bytes: hashed as received, then parsed from those bytes.
- While a federation runs, a version may change communities, officers, suspensions, rules, and members' online keys and
  the broker's. Members and identities stay: they need topics and rights of their own. Lanes move by a version of their
  own, with the broker stopped.
- A new signing key may name the one it follows as retiring: good beside it until an instant, so that what was sealed
  before the change is admitted after it. Named as nothing, the old key ends with the version: a revocation.
- Whose keys a version changes must be among its signers: k others cannot put an old key back into use.
- Signatures are gathered: a version without enough of them is a proposal (`propose`, `countersign`).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Final, Literal, Self

import msgspec
from pydantic import AfterValidator, AwareDatetime, Base64Bytes, Field, ValidationError, model_validator

from schemas.canonical import Domains, digest, enc
from schemas.directory import AgencyField, Directory, instant_ms
from schemas.frames import PREFIX, BadFrame, parse_frame
from schemas.gate import GATE_VERSION
from schemas.hpke import SUITE as HPKE
from schemas.ids import AgencyId, AgencyText, Digest
from schemas.keys import OpeningPublic, Signature, SigningPair, SigningPublic
from schemas.model import Model
from schemas.seal import SealVerifier, Signers

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


class RetiringKey(Model):
    """A signing key that was followed by another, and is good beside it until an instant that it does not reach."""

    signing: SigningKey
    until: AwareDatetime

    @cached_property
    def until_ms(self) -> int:
        return instant_ms(self.until)


class AgencyKeys(Model):
    """Identity, signing key signed by the identity, opening key signed by the signing key."""

    identity: SigningKey
    signing: SigningKey
    signing_signature: HybridSignature
    opening: OpeningKey
    opening_signature: HybridSignature
    retiring: RetiringKey | None = None

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
    invariants_text: str = ""
    """What the rules promise, to be proved: text of `invariants.yaml`."""
    cases: dict[str, str] = Field(default_factory=dict)
    """Test cases by file name. Neither decides anything; who signs can hold the rules against both."""
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

    @cached_property
    def _signing(self) -> Mapping[Digest, tuple[AgencyId, SigningPublic, int | None]]:
        """Owner, public halves and end of each member's signing keys, by key id."""
        good: dict[Digest, tuple[AgencyId, SigningPublic, int | None]] = {}
        for agency, keys in self.body.keys.items():
            current = keys.signing.public()
            until = self.directory.agency(agency).signing_until_ms
            good[current.key_id(self.domains)] = (agency, current, until)
            if keys.retiring is not None:
                old = keys.retiring.signing.public()
                good[old.key_id(self.domains)] = (agency, old, keys.retiring.until_ms)
        return good

    def signs(self, agency: str, signer: bytes, at_ms: int) -> bool:
        """Whether the key of that id is the agency's and good at the instant."""
        owner, _, until = self._signing.get(Digest(signer), ("", None, None))
        return owner == agency and (until is None or at_ms < until)

    @property
    def window_signers(self) -> Signers:
        """Whose window seals may be verified: every member's signing keys, current and retiring."""
        return {key_id: (owner, public) for key_id, (owner, public, _) in self._signing.items()}

    @property
    def heads_signers(self) -> Signers:
        """Whose seals over chain heads may be verified: the broker's."""
        public = self.body.broker.public()
        return {public.key_id(self.domains): (BROKER, public)}

    def window_verifier(self) -> SealVerifier:
        """Verifies agencies' window seals."""
        return SealVerifier(self.domains, self.body.suite, self.window_signers)

    def heads_verifier(self) -> SealVerifier:
        """Verifies the broker's seals over chain heads."""
        return SealVerifier(self.domains, self.body.suite, self.heads_signers)


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
    if any(keys.retiring for keys in arrangement.body.keys.values()):
        raise ArrangementError("the genesis follows nothing, so no key of it can be retiring")
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
    before = current.body.keys
    for what, same in (
        ("members", body.keys.keys() == current.body.keys.keys()),
        ("identities", all(k.identity == before[a].identity for a, k in body.keys.items() if a in before)),
    ):
        if not same:
            raise ArrangementError(f"version {body.number} changes the {what}: not while a federation runs")
    if moves_lanes(body, current.body) and not _moves_lanes_alone(body, current.body):
        raise ArrangementError(
            f"version {body.number} moves lanes and changes more: expected a version of its own"
        )
    statement = _signed(current.domains, arrangement.digest)
    signers = check_signatures(signed.signatures, statement, current, f"version {body.number}")
    for agency, keys in body.keys.items():
        _check_rotation(body.number, agency, before[agency], keys, agency in signers)
    return arrangement


def _check_rotation(number: int, agency: str, before: AgencyKeys, after: AgencyKeys, consents: bool) -> None:
    """Raises: `ArrangementError` for other keys that the agency has not signed for, or that follow none of its own."""
    if after == before:
        return
    if not consents:
        raise ArrangementError(f"version {number} changes the keys of '{agency}', which has not signed it")
    if after.retiring is not None:
        followed = {before.signing, before.retiring.signing if before.retiring is not None else None}
        if after.retiring.signing not in followed - {after.signing}:
            raise ArrangementError(
                f"version {number}: the retiring key of '{agency}' is not one that its new key follows"
            )


def moves_lanes(body: ArrangementBody, before: ArrangementBody) -> bool:
    """Whether a lane has another shard: then no worker goes on until its state is where the version says."""
    lanes = before.directory.agency_ids
    return any(body.directory.shard_of(lane) != before.directory.shard_of(lane) for lane in lanes)


def _moves_lanes_alone(body: ArrangementBody, before: ArrangementBody) -> bool:
    directory = body.directory.model_dump() | {"lanes": before.directory.lanes}
    same = body.model_dump(exclude={"number", "predecessor", "directory"})
    return directory == before.directory.model_dump() and same == before.model_dump(
        exclude={"number", "predecessor", "directory"}
    )


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
    owners: dict[SigningKey, str] = {body.broker: BROKER}
    for agency, keys in body.keys.items():
        if not keys.hold(domains, agency):
            raise ArrangementError(f"version {body.number}: keys of '{agency}' are not signed by it")
        # A seal names its signer by key alone: whoever could list another's key would own the other's windows.
        for key in (keys.signing, *(() if keys.retiring is None else (keys.retiring.signing,))):
            if key in owners:
                raise ArrangementError(
                    f"version {body.number}: '{agency}' and '{owners[key]}' share a signing key"
                )
            owners[key] = agency
    return signed, Arrangement(digest(domains.arrangement, signed.body), body)


def check_signatures(
    signatures: Iterable[MemberSignature], statement: bytes, signers: Arrangement, what: str
) -> set[str]:
    """Which members of `signers` have signed the statement. Raises: `ArrangementError` unless they are enough."""
    good: set[str] = set()
    for member in signatures:
        keys = signers.body.keys.get(AgencyId(member.agency))
        if keys is not None and keys.identity.public().verifies(member.signature, statement):
            good.add(member.agency)
    needed = signers.body.threshold
    if len(good) < needed:
        raise ArrangementError(f"{what} bears {len(good)} good signatures of {needed} needed")
    return good
