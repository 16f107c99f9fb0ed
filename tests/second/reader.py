"""A recipient: opens delivery parcels, follows its chains, judges receipts. Sections 8, 9, 13 and 14 of the page."""

import json
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from typing import Any

import jsonschema_rs
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hpke import MLKEM768X25519PrivateKey

from tests.second.hashing import Refusal, Sealed, climb, parse_parcel, u64, verify_seal
from tests.second.history import HPKE, Version
from tests.second.tables import Frame, Malformed, UnknownCode, contents, parse, parse_handling, portions

Json = dict[str, Any]


class OpeningKey:
    """A private opening key: 64 bytes of ML-KEM seed, 32 of X25519 (section 5)."""

    def __init__(self, data: bytes) -> None:
        self._kem = MLKEM768PrivateKey.from_seed_bytes(data[:64])
        self._dh = X25519PrivateKey.from_private_bytes(data[64:])
        self.public = (self._kem.public_key().public_bytes_raw(), self._dh.public_key().public_bytes_raw())

    def open(self, sealed: bytes, info: bytes) -> bytes:
        return HPKE.decrypt(sealed, MLKEM768X25519PrivateKey(self._kem, self._dh), info)


@dataclass
class Outcome:
    """What messages came to. `classes`: of each failure, in order."""

    stored: list[Json] = field(default_factory=list)
    quarantine: list[Json] = field(default_factory=list)
    alarms: list[str] = field(default_factory=list)
    receipts: list[list[Any]] = field(default_factory=list)
    classes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Placed:
    """A delivery in its parcel, with its certificate read."""

    at: int
    entry: Frame
    certificate: Frame
    digest: bytes


@dataclass
class Reader:
    """One agency's, of one version, with no chain at first."""

    agency: str
    version: Version
    key: OpeningKey
    out: Outcome = field(default_factory=Outcome)
    chains: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    seen: set[bytes] = field(default_factory=set)
    forks: set[tuple[str, int, bytes]] = field(default_factory=set)
    messages: int = 0

    @cached_property
    def _key_id(self) -> bytes:
        return self.version.hashing.hash("key_id", *self.key.public)

    def read(self, value: bytes, bare: bool) -> None:
        """One message of our topic."""
        at, self.messages = self.messages, self.messages + 1
        try:
            parcel = parse_parcel(value, bare)
        except Refusal as refusal:
            self._bad(at, None, refusal.reason, "message")
            return
        runs: dict[str, list[Placed]] = {}
        heads: dict[str, tuple[Frame, str | None]] = {}
        for i, data in enumerate(parcel["entries"]):
            try:
                entry = parse(data, "DeliveryEntry", "HeadEntry", "ControlEntry")
            except Malformed:
                self._bad(at, i, "malformed", "delivery")
                continue
            if entry.tag == "delivery":
                self._sort(at, i, entry, runs)
            elif entry.tag == "head":
                if entry["lane"] not in self.version.members:
                    self._bad(at, i, "bad_head", "head")
                else:
                    heads[entry["lane"]] = (entry, self._head_fails(entry, parcel))
            else:
                self._control(at, i, entry, parcel)
        for lane, run in runs.items():
            self._lane(at, lane, run, heads.pop(lane, None), parcel)
        for lane, (head, fails) in heads.items():
            self._told(at, lane, head, fails)

    def _bad(
        self,
        message: int,
        entry: int | None,
        reason: str,
        fails: str,
        number: int | None = None,
        portion: str | None = None,
    ) -> None:
        self.out.classes.append(fails)
        self.out.quarantine.append(
            {"message": message, "entry": entry, "reason": reason, "number": number, "portion": portion}
        )

    def _sort(self, at: int, i: int, entry: Frame, runs: dict[str, list[Placed]]) -> None:
        """Step 3."""
        try:
            certificate = parse(entry["certificate"], "Certificate")
        except Malformed:
            certificate = Frame(originator="")
        lane = certificate["originator"]
        if lane not in self.version.members:
            self._bad(at, i, "bad_certificate", "delivery")
            return
        digest = self.version.hashing.hash("certificate", entry["certificate"])
        runs.setdefault(lane, []).append(Placed(i, entry, certificate, digest))

    def _head_fails(self, head: Frame, parcel: Frame) -> str | None:
        """Steps H2 to H4."""
        if head["seal"] >= len(parcel["seals"]):
            return "malformed"
        try:
            seal = verify_seal(self.version.hashing, parcel["seals"][head["seal"]], self.version.heads)
        except Malformed:
            return "bad_seal"
        except Refusal as refusal:
            return refusal.reason
        if seal.role != "heads":
            return "unknown_signer"
        fields = (head["lane"].encode(), self.agency.encode(), u64(head["number"]), head["digest"])
        leaf = self.version.hashing.leaf("head_leaf", *fields)
        return None if climb(leaf, head["path"]) == seal.root else "bad_path"

    def _control(self, at: int, i: int, entry: Frame, parcel: Frame) -> None:
        """Steps C1 to C5."""
        try:
            owner, receipt = self._receipt(entry, parcel)
        except Refusal as refusal:
            self._bad(at, i, refusal.reason, "control")
        else:
            self.out.receipts.append([owner, receipt["after"], receipt["upto"]])

    def _receipt(self, entry: Frame, parcel: Frame) -> tuple[str, Frame]:
        hashing = self.version.hashing
        if entry["code"] != "receipt":
            raise Refusal("unknown_control")
        if entry["seal"] >= len(parcel["seals"]):
            raise Refusal("malformed")
        try:
            seal = verify_seal(hashing, parcel["seals"][entry["seal"]], self.version.windows)
            receipt = parse(entry["body"], "Receipt")
        except Malformed:
            raise Refusal("bad_receipt") from None
        leaf = hashing.leaf(f"control/{entry['code']}", entry["id"], entry["body"])
        if seal.role != "window" or climb(leaf, entry["path"]) != seal.root:
            raise Refusal("bad_path")
        if receipt["lane"] != self.agency or receipt["after"] >= receipt["upto"] or seal.owner == self.agency:
            raise Refusal("bad_receipt")
        return seal.owner, receipt

    def _lane(
        self, at: int, lane: str, run: list[Placed], signed: tuple[Frame, str | None] | None, parcel: Frame
    ) -> None:
        """Steps 4 and 5, then each delivery."""
        if signed is None or signed[1] is not None:
            for placed in run:
                self._bad(at, placed.at, "bad_head" if signed is None else str(signed[1]), "delivery")
            return
        head = signed[0]
        start = self.version.hashing.hash("chain_start", lane.encode(), self.agency.encode())
        number, digest = self.chains.get(lane, (0, start))
        if head["number"] <= number:
            for placed in run:
                if placed.digest not in self.seen:
                    self.out.alarms.append("chain_break")
                    self._bad(at, placed.at, "bad_certificate", "delivery")
            return
        before: bytes | None = None
        for placed, place in zip(run, places(run, head, (number, digest)), strict=True):
            if place == "false":
                self._bad(at, placed.at, "bad_certificate", "delivery")
                before = None
                continue
            proven = place if isinstance(place, int) else None
            if proven is not None and proven <= number:
                before = placed.digest
                continue
            if placed.certificate["predecessor"] != (digest if proven == number + 1 else before):
                self.out.alarms.append("chain_break")
            before = placed.digest
            self.seen.add(placed.digest)
            self._open(at, placed, proven, parcel)
        self.chains[lane] = (head["number"], head["digest"])

    def _told(self, at: int, lane: str, head: Frame, fails: str | None) -> None:
        """A round's head."""
        if fails is not None:
            self._bad(at, None, fails, "head")
            return
        start = self.version.hashing.hash("chain_start", lane.encode(), self.agency.encode())
        number, digest = self.chains.get(lane, (0, start))
        fork = (lane, head["number"], head["digest"])
        if head["number"] > number:
            self.out.alarms.append("tail_dropped")
            self.chains[lane] = (head["number"], head["digest"])
        elif head["number"] == number and head["digest"] != digest and fork not in self.forks:
            self.forks.add(fork)
            self.out.alarms.append("fork")
            self._bad(at, None, "bad_head", "head")

    def _open(self, at: int, placed: Placed, number: int | None, parcel: Frame) -> None:
        """Steps 6 to 18."""
        try:
            manifest, commitments = self._delivery(placed, parcel)
        except Refusal as refusal:
            self._bad(at, placed.at, refusal.reason, "delivery", number)
            return
        found: dict[str, Any] = {}
        officers: dict[str, list[str]] = {}
        failed = False
        for portion, commitment in commitments:
            try:
                content, named = self._portion(manifest, portion, commitment, placed.certificate, parcel)
            except Refusal as refusal:
                self._bad(at, placed.at, refusal.reason, "portion", number, portion["name"])
                failed = True
            else:
                found[portion["name"]] = content
                officers |= {portion["name"]: named} if named else {}
        missing = set(placed.certificate["released"]) - {commitment for _, commitment in commitments}
        if missing and not failed:
            self._bad(at, placed.at, "bad_certificate", "portion", number, "")
        if found:
            self.out.stored.append(
                {
                    "originator": manifest["originator"],
                    "record": uuid_text(manifest["record_id"]),
                    "number": number,
                    "portions": found,
                    "officers": officers,
                }
            )

    def _delivery(self, placed: Placed, parcel: Frame) -> tuple[Frame, list[tuple[Frame, bytes]]]:
        """Steps 6 to 11: the manifest, and each portion with its commitment."""
        entry, certificate, hashing = placed.entry, placed.certificate, self.version.hashing
        try:
            manifest = parse(entry["manifest"], "Manifest")
        except Malformed:
            raise Refusal("malformed") from None
        digest = hashing.hash("manifest", entry["manifest"])
        if certificate["act"] != "delivery" or certificate["recipient"] != self.agency:
            raise Refusal("not_for_us")
        told = [certificate[name] for name in ("originator", "record_id", "manifest")]
        if told != [manifest["originator"], manifest["record_id"], digest]:
            raise Refusal("bad_certificate")
        if certificate["arrangement"] != self.version.digest:
            raise Refusal("bad_certificate")
        seal = self._window(entry["seal"], parcel)
        if seal.owner != manifest["originator"] or seal.role != "window":
            raise Refusal("unknown_signer")
        if not self.version.signs(seal.owner, seal.signer, certificate["admitted_ms"]):
            raise Refusal("signer_expired")
        if climb(hashing.leaf("record_leaf", digest), entry["path"]) != seal.root:
            raise Refusal("bad_path")
        record = (manifest["originator"].encode(), manifest["record_id"])
        return manifest, [(p, commitment(hashing, record, p, p["routing"])) for p in entry["portions"]]

    def _window(self, index: int, parcel: Frame) -> Sealed:
        if index >= len(parcel["seals"]):
            raise Refusal("malformed")
        try:
            return verify_seal(self.version.hashing, parcel["seals"][index], self.version.windows)
        except Malformed:
            raise Refusal("bad_seal") from None

    def _portion(
        self, manifest: Frame, portion: Frame, commitment: bytes, certificate: Frame, parcel: Frame
    ) -> tuple[Any, list[str]]:
        """Steps 12 to 17: the content, and our officers named for it."""
        hashing = self.version.hashing
        if commitment not in manifest["commitments"] or commitment not in certificate["released"]:
            raise Refusal("bad_commitment")
        kek = self._kek(manifest["originator"], portion["capsule"], parcel)
        try:
            wrapped = AESGCM(kek).decrypt(commitment[:12], portion["wrap"], hashing.enc("wrap", commitment))
            inner = parse(wrapped, "WrapContent")
        except (InvalidTag, Malformed):
            raise Refusal("bad_wrap") from None
        if hashing.hash("dek", inner["dek"]) != portion["dek_commitment"]:
            raise Refusal("bad_commitment")
        record = (manifest["originator"].encode(), manifest["record_id"])
        associated = hashing.enc("portion_ad", *record, portion["name"].encode(), portion["handling"])
        try:
            padded = AESGCM(inner["dek"]).decrypt(bytes(12), portion["ciphertext"], associated)
        except InvalidTag:
            raise Refusal("bad_ciphertext") from None
        if portion["name"] not in portions(manifest["kind"]):
            raise Refusal("bad_content")
        return content(manifest["kind"], portion, padded), inner["officers"]

    def _kek(self, originator: str, index: int, parcel: Frame) -> bytes:
        """Step 13."""
        try:
            capsule = parse(parcel["capsules"][index], "Capsule")
            if (capsule["originator"], capsule["recipient"]) != (originator, self.agency):
                raise Refusal("bad_capsule")
            if capsule["recipient_key"] != self._key_id:
                raise Refusal("bad_capsule")
            fields = (originator.encode(), self.agency.encode(), self._key_id, u64(capsule["epoch"]))
            kek = self.key.open(capsule["sealed"], self.version.hashing.enc("capsule_info", *fields))
        except (IndexError, Malformed, InvalidTag, ValueError):
            raise Refusal("bad_capsule") from None
        if len(kek) != 32:
            raise Refusal("bad_capsule")
        return kek


def places(run: list[Placed], head: Frame, before: tuple[int, bytes]) -> list[int | str]:
    """Of each certificate, from the signed head backwards: its proven number, `false` or `unproven`."""
    found: list[int | str] = []
    number, wanted = head["number"], head["digest"]
    for at in range(len(run) - 1, -1, -1):
        certificate = run[at].certificate
        last, link = (run[at - 1].certificate["number"], run[at - 1].digest) if at else before
        if wanted is None:
            found.append("unproven")
        elif run[at].digest == wanted and certificate["number"] == number:
            found.append(number)
            wanted, number = certificate["predecessor"], number - 1
        else:
            misnumbered = certificate["predecessor"] == link and certificate["number"] != last + 1
            found.append("false" if certificate["number"] >= number or misnumbered else "unproven")
            wanted = None
    return found[::-1]


def commitment(hashing: Any, record: tuple[bytes, bytes], portion: Frame, routing: bytes) -> bytes:
    """Section 8, 6. `routing`: its digest."""
    found: bytes = hashing.hash(
        "portion",
        *record,
        portion["salt"],
        portion["name"].encode(),
        portion["handling"],
        routing,
        portion["dek_commitment"],
        sha256(portion["ciphertext"]).digest(),
    )
    return found


def content(kind: str, portion: Frame, padded: bytes) -> Any:
    """Step 17. Raises: `Refusal`."""
    try:
        parse_handling(portion["handling"])
        size = int.from_bytes(padded[:4], "big")
        text, rest = padded[4 : 4 + size], padded[4 + size :]
        if len(text) != size or rest.strip(b"\0"):
            raise ValueError(size)
        value = json.loads(text)
        schema = contents()
        one = schema | {"$ref": schema["portions"][f"{kind}/{portion['name']}"]["$ref"]}
        jsonschema_rs.validator_for(one).validate(value)
    except (Malformed, UnknownCode, ValueError, RecursionError):
        raise Refusal("bad_content") from None
    return value


def uuid_text(data: bytes) -> str:
    h = data.hex()
    return "-".join((h[:8], h[8:12], h[12:16], h[16:20], h[20:]))
