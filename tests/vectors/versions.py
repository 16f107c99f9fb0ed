"""Histories of an arrangement: a good chain of versions and clock changes, and one bad message for each class.

A federation of three, two of whom sign; every key is made of a constant. The rules are empty: whether a message is
believed does not rest on them.
"""

import json
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import msgspec

from agencies.keystore import OpeningKey
from schemas.arrangement import (
    ENGINE_VERSION,
    SUITE,
    AgencyKeys,
    Arrangement,
    ArrangementBody,
    HybridSignature,
    RetiringKey,
    SignedArrangement,
    SigningKey,
    genesis_digest,
    verify_genesis,
    verify_successor,
    with_signatures,
)
from schemas.canonical import Domains, digest, enc
from schemas.clock import IDENTITY_CLOCK, ClockMap, Piece
from schemas.codes import AgencyRole, State
from schemas.directory import Agency, Directory
from schemas.entropy import SeededEntropy
from schemas.frames import PREFIX
from schemas.gate import GATE_VERSION
from schemas.history import ClockChange, countersign_clock, propose_clock
from schemas.ids import AgencyId, Digest
from schemas.keys import SigningPair
from tests.vectors.scenes import FR, GB, IT

_signed = msgspec.msgpack.Decoder(SignedArrangement)

MEMBERS = (FR, GB, IT)
FEDERATION = "trio"
UNTIL = datetime(2027, 1, 1, tzinfo=UTC)
SLOW = ClockMap((Piece(1_000, 500, 500_000),))


@dataclass(frozen=True)
class History:
    """Messages of the topic, in order. `fails`: the class of the last one, where it is not believed."""

    about: str
    genesis: Digest
    messages: tuple[bytes, ...]
    fails: str | None = None


def pair(name: str) -> SigningPair:
    return SigningPair.from_seeds(SeededEntropy(f"trio {name}".encode()).random(64))


def opening(name: str) -> OpeningKey:
    return OpeningKey.from_bytes(SeededEntropy(f"trio opening {name}".encode()).random(96))


def signed(domains: Domains, body: ArrangementBody, identities: Mapping[AgencyId, SigningPair]) -> bytes:
    """A version's bytes, whatever is in it: the software itself signs nothing that it would not read."""
    data = body.model_dump_json(round_trip=True).encode()
    statement = enc(domains.arrangement_signature, digest(domains.arrangement, data))
    members = with_signatures((), identities, statement)
    return PREFIX + msgspec.msgpack.encode(SignedArrangement(data, members))


@dataclass(frozen=True)
class Trio:
    """The federation: its genesis, made once a build, and the keys of its members."""

    domains: Domains = field(default_factory=lambda: Domains(FEDERATION))

    @cached_property
    def identities(self) -> dict[AgencyId, SigningPair]:
        return {a: pair(f"identity {a}") for a in MEMBERS}

    def issue(self, agency: AgencyId, signing: str = "signing") -> AgencyKeys:
        return AgencyKeys.issue(
            self.domains,
            agency,
            self.identities[agency],
            pair(f"{signing} {agency}"),
            opening(agency).public,
        )

    @cached_property
    def body(self) -> ArrangementBody:
        states = {FR: State("FR"), GB: State("GB"), IT: State("IT")}
        agencies = tuple(
            Agency(id=a, name=a.upper(), role=AgencyRole.POLICE, states={s}, exposed_states=frozenset())
            for a, s in states.items()
        )
        return ArrangementBody(
            number=0,
            predecessor="",
            federation=FEDERATION,
            suite=SUITE,
            threshold=2,
            directory=Directory(agencies=agencies),
            keys={a: self.issue(a) for a in MEMBERS},
            broker=SigningKey.of(pair("broker").public),
            schema_text="",
            policies={},
            gate_version=GATE_VERSION,
            engine_version=ENGINE_VERSION,
        )

    def sign(self, body: ArrangementBody, *by: AgencyId) -> bytes:
        return signed(self.domains, body, {a: self.identities[a] for a in by or (FR, GB)})

    @cached_property
    def genesis(self) -> bytes:
        return self.sign(self.body)

    @cached_property
    def first(self) -> Arrangement:
        return verify_genesis(self.genesis, genesis_digest(self.genesis))

    def next_body(self, after: Arrangement | None = None, **changes: Any) -> ArrangementBody:
        after = after or self.first
        plain = {"number": after.body.number + 1, "predecessor": after.digest.hex()}
        return after.body.model_copy(update={**plain, **changes})

    def rotated(self, after: Arrangement, agency: AgencyId = IT) -> ArrangementBody:
        """A new signing key, with the old one retiring."""
        before = after.body.keys[agency]
        keys = self.issue(agency, "second signing").model_copy(
            update={"retiring": RetiringKey(signing=before.signing, until=UNTIL)}
        )
        return self.next_body(after, keys={**after.body.keys, agency: keys})

    def clock(
        self, clock: ClockMap, number: int = 1, *by: AgencyId, before: ClockMap = IDENTITY_CLOCK
    ) -> bytes:
        change = ClockChange(number, self.first.digest, before, clock)
        chosen = {a: self.identities[a] for a in by or (GB, IT)}
        return countersign_clock(self.domains, propose_clock(change), chosen)


def good(t: Trio) -> dict[str, History]:
    """Histories that are believed to their ends."""
    pinned = t.first.digest
    second = t.sign(t.rotated(t.first), GB, IT)
    after = verify_successor(second, t.first)
    third = t.sign(t.next_body(after, threshold=1), FR, IT)
    back = ClockMap((*SLOW.pieces, Piece(9_000, 5_000, 0)))
    return {
        "moved_lane": History(
            "a version that moves a lane to another shard, and changes nothing else",
            pinned,
            (
                t.genesis,
                t.sign(t.next_body(directory=t.body.directory.model_copy(update={"lanes": {IT: 1}}))),
            ),
        ),
        "genesis": History("version 0, signed by two of three", pinned, (t.genesis,)),
        "chain": History(
            "a new signing key with the old one retiring, a clock, another version, another clock",
            pinned,
            (t.genesis, second, t.clock(SLOW), third, t.clock(back, 2, GB, before=SLOW)),
        ),
    }


def _retold(t: Trio, change: Callable[[dict[str, Any]], None]) -> bytes:
    """A genesis whose JSON says something else, unsigned: what cannot be read needs no signature."""
    content = json.loads(t.body.model_dump_json(round_trip=True))
    change(content)
    return PREFIX + msgspec.msgpack.encode(SignedArrangement(json.dumps(content).encode(), ()))


def _named(t: Trio, data: bytes) -> Digest:
    """The digest of a version's body."""
    return digest(t.domains.arrangement, _signed.decode(data[len(PREFIX) :]).body)


def bad(t: Trio) -> dict[str, History]:
    """By file: the last message is not believed. More than one file may be of one class."""
    first, keys, pinned = t.first, t.body.keys, t.first.digest

    def alone(about: str, fails: str, data: bytes, other: Digest | None = None) -> History:
        return History(about, other or _named(t, data), (data,), fails)

    def unread(about: str, fails: str, data: bytes) -> History:
        return History(about, pinned, (data,), fails)

    def then(about: str, fails: str, data: bytes) -> History:
        return History(about, pinned, (t.genesis, data), fails)

    def forged(**changes: Any) -> dict[AgencyId, AgencyKeys]:
        return {**keys, GB: keys[GB].model_copy(update=changes)}

    def extra(content: dict[str, Any]) -> None:
        content["colour"] = "blue"

    def short(content: dict[str, Any]) -> None:
        content["broker"]["ed25519"] = b64encode(bytes(31)).decode()

    def low_order(content: dict[str, Any]) -> None:
        content["keys"][GB]["opening"]["x25519"] = b64encode(bytes(32)).decode()

    def nobody(content: dict[str, Any]) -> None:
        content["directory"]["suspensions"] = [{"agency": "zz-nobody", "reason": "none"}]

    def bare_instant(content: dict[str, Any]) -> None:
        content["directory"]["suspensions"] = [{"agency": GB, "reason": "none", "start": 2026}]

    stranger = pair("stranger")
    fewer = t.body.directory.model_copy(update={"agencies": t.body.directory.agencies[:2]})
    fewer_keys = {a: k for a, k in keys.items() if a in fewer.agency_ids}
    new_identity = AgencyKeys.issue(t.domains, IT, stranger, pair(f"signing {IT}"), opening(IT).public)
    retiring = RetiringKey(signing=SigningKey.of(stranger.public), until=UNTIL)
    other = Trio(Domains("quartet"))
    theirs = {a: other.issue(a) for a in MEMBERS}
    back = ClockMap((Piece(1_000, 1_000, 10**9), Piece(2_000, 0, 0)))
    rotated = t.rotated(first)
    return {
        "other_magic": unread("not our magic", "not_format_1", b"PNETTNE" + t.genesis[7:]),
        "cut": unread("it ends too early", "unreadable", t.genesis[:-1]),
        "unknown_field": unread("a field that nobody knows", "unreadable", _retold(t, extra)),
        "short_key": unread("a key of 31 bytes", "unreadable", _retold(t, short)),
        "low_order_key": unread("an opening key of low order", "unreadable", _retold(t, low_order)),
        "unknown_agency": unread("a suspension of nobody", "unreadable", _retold(t, nobody)),
        "bare_instant": unread("an instant that is a bare number", "unreadable", _retold(t, bare_instant)),
        "other_gate": unread(
            "for another gate", "other_gate_or_engine", t.sign(t.body.model_copy(update={"gate_version": 2}))
        ),
        "other_engine": unread(
            "for another engine",
            "other_gate_or_engine",
            t.sign(t.body.model_copy(update={"engine_version": 2})),
        ),
        "keys_missing": unread(
            "an agency without keys",
            "keys_and_directory_differ",
            t.sign(t.body.model_copy(update={"keys": fewer_keys})),
        ),
        "forged_signing_statement": unread(
            "the identity signed for another signing key",
            "bad_key_statement",
            t.sign(t.body.model_copy(update={"keys": forged(signing=SigningKey.of(stranger.public))})),
        ),
        "forged_opening_statement": unread(
            "another agency's statement over the opening key",
            "bad_key_statement",
            t.sign(t.body.model_copy(update={"keys": forged(opening_signature=keys[FR].opening_signature)})),
        ),
        "half_a_statement": unread(
            "the Ed25519 half of a statement alone",
            "bad_key_statement",
            t.sign(
                t.body.model_copy(
                    update={
                        "keys": forged(
                            signing_signature=HybridSignature.model_construct(
                                ed25519=keys[GB].signing_signature.ed25519, mldsa65=bytes(3309)
                            )
                        )
                    }
                )
            ),
        ),
        "broker_shares_a_key": unread(
            "the broker's key is an agency's",
            "shared_signing_key",
            t.sign(t.body.model_copy(update={"broker": keys[FR].signing})),
        ),
        "another_genesis": alone("another digest is pinned", "not_pinned", t.genesis, Digest(bytes(32))),
        "genesis_of_number_1": alone(
            "version 1, pinned as a genesis", "not_a_genesis", t.sign(t.next_body())
        ),
        "genesis_with_retiring": alone(
            "a retiring key in version 0",
            "retiring_in_genesis",
            t.sign(t.body.model_copy(update={"keys": forged(retiring=retiring)})),
        ),
        "genesis_of_one": alone("signed by one of three", "too_few_signatures", t.sign(t.body, GB)),
        "successor_of_one": then(
            "signed by one of three", "too_few_signatures", t.sign(t.next_body(threshold=1), GB)
        ),
        "signed_by_signing_keys": then(
            "signed by a signing key instead of an identity",
            "too_few_signatures",
            signed(t.domains, t.next_body(), {GB: t.identities[GB], FR: pair(f"signing {FR}")}),
        ),
        "another_federation": then(
            "a version of another federation",
            "other_federation",
            other.sign(t.next_body(federation="quartet", keys=theirs)),
        ),
        "skipped": then("version 2 after version 0", "does_not_follow", t.sign(t.next_body(number=2))),
        "other_predecessor": then(
            "its predecessor is not what holds", "does_not_follow", t.sign(t.next_body(predecessor="00" * 32))
        ),
        "member_left": then(
            "an agency fewer", "changes_members", t.sign(t.next_body(directory=fewer, keys=fewer_keys))
        ),
        "new_identity": then(
            "another identity key", "changes_identities", t.sign(t.next_body(keys={**keys, IT: new_identity}))
        ),
        "moved_lane_and_more": then(
            "a lane at another shard, and another threshold",
            "changes_lanes",
            t.sign(
                t.next_body(
                    threshold=t.body.threshold + 1,
                    directory=t.body.directory.model_copy(update={"lanes": {IT: 1}}),
                )
            ),
        ),
        "without_consent": then(
            "IT's keys change, and FR and GB signed", "keys_without_consent", t.sign(rotated, FR, GB)
        ),
        "retiring_a_stranger": then(
            "the retiring key is none that IT had",
            "retiring_follows_nothing",
            t.sign(
                rotated.model_copy(
                    update={"keys": {**keys, IT: rotated.keys[IT].model_copy(update={"retiring": retiring})}}
                ),
                IT,
                GB,
            ),
        ),
        "clock_cut": then("a clock change that ends too early", "unreadable", t.clock(SLOW)[:-1]),
        "clock_goes_back": then(
            "a piece starts before what the one before it came to",
            "goes_back",
            propose_clock(ClockChange(1, pinned, IDENTITY_CLOCK, back)),
        ),
        "clock_of_number_2": then(
            "the first change says that it is the second", "does_not_follow", t.clock(SLOW, 2)
        ),
        "clock_from_another": then(
            "it replaces a map that does not hold", "does_not_follow", t.clock(SLOW, before=back)
        ),
        "clock_unchanged": then("the map that holds", "changes_nothing", t.clock(IDENTITY_CLOCK)),
        "clock_of_one": then("signed by one of three", "too_few_signatures", t.clock(SLOW, 1, GB)),
    }
