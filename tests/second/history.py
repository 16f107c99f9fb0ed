"""Versions of the arrangement and clock changes: sections 17 and 18 of the page."""

import json
import re
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, MLKEM768X25519PublicKey, Suite

from tests.second.hashing import PREFIX, Hashing, Public, Refusal, Signers
from tests.second.tables import Frame, Malformed, codes, id_pattern, limit, parse
from tests.second.tables import body_fields as fields_of

HPKE = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
_PLAIN = {"text": str, "integer": int, "boolean": bool}
_CLOCK = PREFIX + bytes.fromhex("636c6f636b")


def instant_ms(text: object) -> int | None:
    """Milliseconds of an instant. Raises: `Refusal` for a number, or a text without a time zone."""
    if text is None:
        return None
    if type(text) is not str or not re.match(r"\d{4}-\d\d-\d\dT", text):
        raise Refusal("unreadable")
    value = datetime.fromisoformat(text)
    if value.tzinfo is None:
        raise Refusal("unreadable")
    return round(value.timestamp() * 1000)


@dataclass(frozen=True)
class Version:
    """A version that was believed."""

    digest: bytes
    body: dict[str, Any]

    @cached_property
    def hashing(self) -> Hashing:
        return Hashing(self.body["federation"])

    @cached_property
    def members(self) -> frozenset[str]:
        return frozenset(self.body["keys"])

    @cached_property
    def _signing(self) -> dict[bytes, tuple[str, Public, int | None]]:
        found: dict[bytes, tuple[str, Public, int | None]] = {}
        until = {a["id"]: instant_ms(a.get("signing_until")) for a in self.body["directory"]["agencies"]}
        for agency, keys in self.body["keys"].items():
            current = _public(keys["signing"])
            found[current.key_id(self.hashing)] = (agency, current, until[agency])
            if retiring := keys.get("retiring"):
                old = _public(retiring["signing"])
                found[old.key_id(self.hashing)] = (agency, old, instant_ms(retiring["until"]))
        return found

    @property
    def windows(self) -> Signers:
        return {key_id: (owner, public) for key_id, (owner, public, _) in self._signing.items()}

    @property
    def heads(self) -> Signers:
        public = _public(self.body["broker"])
        return {public.key_id(self.hashing): ("broker", public)}

    def signs(self, agency: str, signer: bytes, at_ms: int) -> bool:
        """Whether the key is the agency's and good at the instant."""
        if signer not in self._signing:
            return False
        owner, _, until = self._signing[signer]
        return owner == agency and (until is None or at_ms < until)


def _public(key: dict[str, str]) -> Public:
    return Public(b64decode(key["ed25519"]), b64decode(key["mldsa65"]))


def read(data: bytes) -> tuple[Version, list[Frame]]:
    """A version and its signatures, unverified but for what it says of itself. Raises: `Refusal`."""
    if data[:8] != PREFIX:
        raise Refusal("not_format_1")
    try:
        signed = parse(data[8:], "SignedArrangement")
        body = json.loads(signed["body"])
        _check("ArrangementBody", body)
        _check_references(body["directory"])
    except (Malformed, ValueError, KeyError, TypeError):
        raise Refusal("unreadable") from None
    if (body["gate_version"], body["engine_version"]) != (1, 1):
        raise Refusal("other_gate_or_engine")
    if body["keys"].keys() != {a["id"] for a in body["directory"]["agencies"]}:
        raise Refusal("keys_and_directory_differ")
    hashing = Hashing(body["federation"])
    owned = {_public(body["broker"])}
    for agency, keys in body["keys"].items():
        _check_statements(hashing, agency, keys)
        retiring = keys.get("retiring")
        for key in (keys["signing"], *([retiring["signing"]] if retiring else [])):
            if _public(key) in owned:
                raise Refusal("shared_signing_key")
            owned.add(_public(key))
    return Version(hashing.hash("arrangement", signed["body"]), body), signed["signatures"]


def _check(name: str, value: Any) -> None:
    """An object of the body: every field that must be there, none that nobody knows, each as its table says."""
    if type(value) is not dict:
        raise ValueError(name)
    fields = fields_of(name)
    if not value.keys() <= fields.keys():
        raise ValueError(name)
    for field, (kind, must) in fields.items():
        if field in value:
            _check_field(kind, value[field])
        elif must:
            raise ValueError(field)
    if name == "OpeningKey":  # one to which nothing can be sealed is refused
        kem = MLKEM768PublicKey.from_public_bytes(b64decode(value["mlkem768"]))
        dh = X25519PublicKey.from_public_bytes(b64decode(value["x25519"]))
        HPKE.encrypt(b"", MLKEM768X25519PublicKey(kem, dh), b"")


def _check_field(kind: str, value: Any) -> None:
    if kind.endswith(" or null"):
        if value is None:
            return
        kind = kind.removesuffix(" or null")
    if found := re.fullmatch(r"base64 of (\d+) bytes", kind):
        if len(b64decode(value, validate=True)) != int(found[1]):
            raise ValueError(kind)
    elif found := re.fullmatch(r"`(\w+)`", kind):
        _check(found[1], value)
    elif found := re.fullmatch(r"array of `(\w+)`(?:, at least (\d))?", kind):
        if type(value) is not list or len(value) < int(found[2] or 0):
            raise ValueError(kind)
        for item in value:
            _check(found[1], item)
    elif found := re.fullmatch(r"object: agency → `(\w+)`", kind):
        for agency, item in value.items():
            _check_field("agency id", agency)
            _check(found[1], item)
    elif found := re.fullmatch(r"(\w+) id", kind):
        if not re.fullmatch(id_pattern(found[1]), value):
            raise ValueError(kind)
    elif found := re.fullmatch(r"(?:array of codes|code) of `(\w+)`(?:, a set)?", kind):
        for item in value if kind.startswith("array") else [value]:
            if item not in codes(found[1]):
                raise ValueError(kind)
    elif kind == "instant":
        instant_ms(value)
    elif (word := kind.split()[0].rstrip(",")) in _PLAIN and type(value) is not _PLAIN[word]:
        raise ValueError(kind)


def _check_references(directory: dict[str, Any]) -> None:
    known = [a["id"] for a in directory["agencies"]]
    named: list[str] = [s["agency"] for s in directory.get("suspensions", ())]
    named += directory.get("lanes", {})
    for officer in directory.get("officers", ()):
        named += [officer["id"].split("/")[0], *([officer["host"]] if officer.get("host") else [])]
    for community in directory.get("communities", ()):
        named += [m["agency"] for m in community["members"]]
        named += [community["lead"]] if community.get("lead") else []
    if len(set(known)) != len(known) or not set(named) <= set(known):
        raise ValueError("directory")


def _check_statements(hashing: Hashing, agency: str, keys: dict[str, Any]) -> None:
    opening = (b64decode(keys["opening"]["mlkem768"]), b64decode(keys["opening"]["x25519"]))
    signing = _public(keys["signing"])
    for by, what, key_id in (
        (_public(keys["identity"]), "signing", signing.key_id(hashing)),
        (signing, "opening", hashing.hash("key_id", *opening)),
    ):
        given = keys[f"{what}_signature"]
        statement = hashing.enc("key_statement", what.encode(), agency.encode(), key_id)
        if not by.verifies(b64decode(given["ed25519"]), b64decode(given["mldsa65"]), statement):
            raise Refusal("bad_key_statement")


def _signers(version: Version, signatures: list[Frame], statement: bytes) -> set[str]:
    """Which members signed. Raises: `Refusal` unless they are enough."""
    found = set()
    for member in signatures:
        keys = version.body["keys"].get(member["agency"])
        given = member["signature"]
        if keys and _public(keys["identity"]).verifies(given["ed25519"], given["mldsa65"], statement):
            found.add(member["agency"])
    if len(found) < version.body["threshold"]:
        raise Refusal("too_few_signatures")
    return found


def genesis(data: bytes, pinned: bytes) -> Version:
    """Raises: `Refusal`."""
    version, signatures = read(data)
    if version.digest != pinned:
        raise Refusal("not_pinned")
    if version.body["number"] != 0 or version.body["predecessor"]:
        raise Refusal("not_a_genesis")
    if any(keys.get("retiring") for keys in version.body["keys"].values()):
        raise Refusal("retiring_in_genesis")
    _signers(version, signatures, version.hashing.enc("arrangement_signature", version.digest))
    return version


def successor(data: bytes, before: Version) -> Version:
    """Raises: `Refusal`."""
    version, signatures = read(data)
    body, old = version.body, before.body
    if body["federation"] != old["federation"]:
        raise Refusal("other_federation")
    if (body["number"], body["predecessor"]) != (old["number"] + 1, before.digest.hex()):
        raise Refusal("does_not_follow")
    if body["keys"].keys() != old["keys"].keys():
        raise Refusal("changes_members")
    if any(k["identity"] != old["keys"][a]["identity"] for a, k in body["keys"].items()):
        raise Refusal("changes_identities")
    if _shards(body) != _shards(old) and _beside_lanes(body) != _beside_lanes(old):
        raise Refusal("changes_lanes")
    statement = before.hashing.enc("arrangement_signature", version.digest)
    consenting = _signers(before, signatures, statement)
    for agency, keys in body["keys"].items():
        earlier = old["keys"][agency]
        if _told(keys) == _told(earlier):
            continue
        if agency not in consenting:
            raise Refusal("keys_without_consent")
        if retiring := keys.get("retiring"):
            followed = [earlier["signing"]]
            followed += [earlier["retiring"]["signing"]] if earlier.get("retiring") else []
            if retiring["signing"] not in followed or retiring["signing"] == keys["signing"]:
                raise Refusal("retiring_follows_nothing")
    return version


def _shards(body: dict[str, Any]) -> dict[str, int]:
    """The shard of each lane."""
    lanes = body["directory"].get("lanes", {})
    return {agency: lanes.get(agency, 0) for agency in body["keys"]}


def _beside_lanes(body: dict[str, Any]) -> dict[str, Any]:
    """All that a version says but its place in the chain and its lanes."""
    rest = {k: v for k, v in body.items() if k not in ("number", "predecessor", "directory")}
    return rest | {k: v for k, v in body["directory"].items() if k != "lanes"}


def _told(keys: dict[str, Any]) -> dict[str, Any]:
    retiring = keys.get("retiring")
    return keys | {"retiring": retiring and {**retiring, "until": instant_ms(retiring["until"])}}


Pieces = list[list[int]]


def domain_time(pieces: Pieces, real_ms: int) -> int:
    """Domain time at a real instant."""
    if not pieces:
        return real_ms
    begun = [piece for piece in pieces if piece[0] <= real_ms]
    if not begun:
        return pieces[0][1]
    begins, start, speed = begun[-1]
    return min(limit("LAST_MS"), start + (real_ms - begins) * speed // 1_000_000)


def _clock_change(data: bytes, pinned: bytes, version: Version, clock: Pieces, changes: int) -> Pieces:
    try:
        signed = parse(data[len(_CLOCK) :], "SignedClock")
        change = parse(signed["body"], "ClockChange")
    except Malformed:
        raise Refusal("unreadable") from None
    before, after = (
        [[p["begins_ms"], p["start_ms"], p["speed_ppm"]] for p in change[which]["pieces"]]
        for which in ("before", "clock")
    )
    for at, piece in enumerate(after[1:], 1):
        if after[at - 1][0] >= piece[0] or piece[1] < domain_time([after[at - 1]], piece[0]):
            raise Refusal("goes_back")
    if (change["number"], change["genesis"], before) != (changes + 1, pinned, clock):
        raise Refusal("does_not_follow")
    if after == clock:
        raise Refusal("changes_nothing")
    hashing = version.hashing
    statement = hashing.enc("clock_signature", hashing.hash("clock", signed["body"]))
    _signers(version, signed["signatures"], statement)
    return after


def follow(pinned: bytes, messages: list[bytes]) -> Iterator[tuple[Version, Pieces] | str]:
    """What holds after each message of the topic, or the class of its failure."""
    version: Version | None = None
    clock: Pieces = []
    changes = 0
    for data in messages:
        try:
            if version is None:
                version = genesis(data, pinned)
            elif data.startswith(_CLOCK):
                clock = _clock_change(data, pinned, version, clock, changes)
                changes += 1
            else:
                version = successor(data, version)
        except Refusal as refusal:
            yield refusal.reason
        else:
            yield version, clock
