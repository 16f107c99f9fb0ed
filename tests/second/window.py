"""A verifier of one window: what a submission shows without a lane's past. Section 12 of the page, up to step 9.

Also what rests on the record and the arrangement alone: kind, portions and label codes, of steps 12 to 14.
"""

from dataclasses import dataclass, field
from typing import Any

from tests.second.hashing import Refusal, Sealed, climb, parse_parcel, u64, verify_seal
from tests.second.history import Version
from tests.second.reader import commitment
from tests.second.tables import (
    Frame,
    Malformed,
    UnknownCode,
    limit,
    parse,
    parse_handling,
    parse_routing,
    portions,
)


@dataclass
class Verified:
    """What a window holds. `refused`: class and reason by entry, or by None for the whole message."""

    records: list[dict[str, Any]] = field(default_factory=list)
    receipts: list[Frame] = field(default_factory=list)
    refused: list[tuple[int | None, str, str]] = field(default_factory=list)


def verify_window(value: bytes, bare: bool, lane: str, version: Version, at_ms: int) -> Verified:
    """`at_ms`: the message's admission time."""
    out = Verified()
    try:
        parcel = parse_parcel(value, bare)
        if not 1 <= len(parcel["entries"]) <= limit("BATCH_LEAVES"):
            raise Refusal("malformed")
        seal = _seal(parcel, lane, version)
    except Refusal as refusal:
        out.refused.append((None, "message", refusal.reason))
        return out
    for i, data in enumerate(parcel["entries"]):
        fails = "record"
        try:
            if len(data) > limit("MAX_RECORD"):
                raise Refusal("too_large")
            entry = parse(data, "RecordEntry", "ControlEntry")
            if entry.tag == "control":
                fails = "control"
                out.receipts.append(_control(entry, seal, lane, version, at_ms))
            else:
                out.records.append(_record(entry, seal, lane, version, at_ms, parcel["first"] + i))
        except Malformed:
            out.refused.append((i, fails, "malformed"))
        except Refusal as refusal:
            out.refused.append((i, fails, refusal.reason))
    return out


def _seal(parcel: Frame, lane: str, version: Version) -> Sealed:
    """Step 5."""
    if len(parcel["seals"]) != 1:
        raise Refusal("bad_seal")
    try:
        seal = verify_seal(version.hashing, parcel["seals"][0], version.windows)
    except Malformed:
        raise Refusal("bad_seal") from None
    if seal.owner != lane or seal.role != "window":
        raise Refusal("unknown_signer")
    return seal


def _control(entry: Frame, seal: Sealed, lane: str, version: Version, at_ms: int) -> Frame:
    """Steps C1 to C4."""
    if not version.signs(lane, seal.signer, at_ms):
        raise Refusal("signer_expired")
    leaf = version.hashing.leaf(f"control/{entry['code']}", entry["id"], entry["body"])
    if climb(leaf, entry["path"]) != seal.root:
        raise Refusal("bad_path")
    if entry["code"] != "receipt":
        raise Refusal("unknown_control")
    return parse(entry["body"], "Receipt")


def _record(
    entry: Frame, seal: Sealed, lane: str, version: Version, at_ms: int, claimed: int
) -> dict[str, Any]:
    """Steps 6 to 9, the sequence's two places, the signing key, and what a label shows alone."""
    hashing = version.hashing
    digest = hashing.hash("manifest", entry["manifest"])
    if climb(hashing.leaf("record_leaf", digest), entry["path"]) != seal.root:
        raise Refusal("bad_path")
    manifest = parse(entry["manifest"], "Manifest")
    inner = parse(entry["broker_only"], "BrokerOnly")
    if manifest["originator"] != lane:
        raise Refusal("wrong_originator")
    if slots(hashing, entry, manifest) != manifest["commitments"]:
        raise Refusal("bad_slot")
    for addressee in inner["audience"]:
        if len(addressee["wraps"]) != addressee["portions"].bit_count():
            raise Refusal("bad_wrap")
    if inner["sequence"] != claimed or not claimed:
        raise Refusal("sequence_mismatch")
    if not version.signs(lane, seal.signer, at_ms):
        raise Refusal("signer_expired")
    known = portions(manifest["kind"])
    if not known:
        raise Refusal("unknown_kind")
    names = [slot["name"] for slot in entry["portions"]]
    if len(set(names)) != len(names) or not set(names) <= set(known):
        raise Refusal("unknown_portion")
    for slot in entry["portions"]:
        try:
            parse_handling(slot["handling"])
            parse_routing(slot["routing"])
        except UnknownCode:
            raise Refusal("unknown_label_code") from None
    if manifest["created_s"] * 1000 > at_ms + limit("FUTURE_TOLERANCE_MS"):
        raise Refusal("created_in_future")
    return {"sequence": claimed, "revision": inner["revision"], "portions": names, "digest": digest}


def slots(hashing: Any, entry: Frame, manifest: Frame) -> list[bytes] | None:
    """All eight commitments, sorted; None if two are alike."""
    record = (manifest["originator"].encode(), manifest["record_id"])
    found = []
    for slot in entry["portions"]:
        routing = hashing.hash("routing", slot["routing_salt"], slot["routing"])
        found.append(commitment(hashing, record, slot, routing))
    found.append(hashing.hash("broker_only", *record, entry["broker_only_salt"], entry["broker_only"]))
    numbers = range(len(entry["portions"]) + 1, limit("SLOTS"))
    found += [hashing.hash("decoy", *record, entry["decoys"], u64(n)) for n in numbers]
    return sorted(found) if len(set(found)) == len(found) else None
