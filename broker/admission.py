"""Admission: from the bytes of a submission to verified envelopes, or a reason for quarantine.

- Pure: bytes, the lane's state and the arrangement in; values out. The steps are numbered as they run.
- A refusal is a value from a closed list. Nothing is skipped: what one step cannot show is refused.
- Trust grows by type: `SourceMessage` -> `Window` (seal holds) -> `VerifiedEnvelope` (all eight slots
  recomputed) -> `AdmittedRecord` (label, times, capsules, audience and revision hold).
- A sequence number counts only once it is authenticated, i.e. once the slots hold: whatever broken bytes
  claim, they cannot use up the number of a good record that follows.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import msgspec

from broker.labelling import Labelling
from broker.versions import Version
from schemas.arrangement import Arrangement
from schemas.canonical import Domains
from schemas.capsules import capsule_digest, parse_capsule
from schemas.commitments import Commitments
from schemas.controls import CARRIED, ControlCode, parse_receipt
from schemas.envelope import (
    SLOTS,
    Addressee,
    BrokerOnly,
    ControlEntry,
    Manifest,
    RecordEntry,
    control_leaf,
    manifest_digest,
    parse_broker_only,
    parse_manifest,
    record_leaf,
    routing_digest,
)
from schemas.frames import MAX_RELEASED, BadFrame, Parcel, parse_parcel
from schemas.ids import AgencyId, Digest
from schemas.merkle import BATCH_LEAVES, path_root
from schemas.seal import BadSeal, Role, VerifiedSeal
from schemas.verdicts import Refused

#: How far a record's creation may lie ahead of its admission: clocks differ, 120 s is generous.
FUTURE_TOLERANCE_MS = 120_000


@dataclass(frozen=True, slots=True)
class SourceMessage:
    """One Kafka message of a submit topic, as read. `append_ms` is its LogAppendTime."""

    offset: int
    append_ms: int
    value: bytes
    bare: bool
    """Neither key nor headers: format 1 has none."""


@dataclass(frozen=True, slots=True)
class Window:
    """A submission whose seal holds: its parcel, the root signed, and its well-formed capsules."""

    parcel: Parcel
    seal: VerifiedSeal
    seal_bytes: bytes
    capsules: Mapping[Digest, bytes]
    addressed: dict[bytes, str]
    """Whom a capsule is for: those of the parcel, and of the lane's past those that were asked for."""
    expired: bool
    """The signing key was good no longer when the message was admitted: nothing new is believed of it."""


class VerifiedEnvelope(msgspec.Struct, frozen=True, gc=False):
    """A record entry whose path and slots hold. `commitments` stand in the order of `entry.portions`."""

    entry: RecordEntry
    manifest: Manifest
    digest: Digest
    broker_only: BrokerOnly
    commitments: tuple[Digest, ...]
    routings: tuple[Digest, ...]


class AdmittedRecord(msgspec.Struct, frozen=True, gc=False):
    """A record that may be decided on: its labels are read, and its audience is what they mean."""

    envelope: VerifiedEnvelope
    labelling: Labelling


class Known(Protocol):
    """What admission asks of the lane's past."""

    def capsule(self, digest: Digest) -> bytes | None: ...

    def revision(self, record_id: bytes) -> tuple[int, Digest] | None:
        """Last admitted revision of the record and its manifest digest."""
        ...


def open_window(
    message: SourceMessage, lane: AgencyId, version: Version, at_ms: int
) -> tuple[Window | Refused, Parcel | None]:
    """Steps 1 to 5, on the whole message. The parcel is returned too where it could be read."""
    # 1-3: size, magic and version, frame (schemas.frames)
    try:
        parcel = parse_parcel(message.value)
    except BadFrame as error:
        return Refused(error.code), None
    # A window has 1 to 256 leaves; more would buy a sender many leaves of the ledger for few bytes
    if not 1 <= len(parcel.entries) <= BATCH_LEAVES:
        return Refused.MALFORMED, None
    # 4: format 1 has neither Kafka keys nor headers
    if not message.bare:
        return Refused.KAFKA_KEY_OR_HEADERS, parcel
    # 5: one window, one seal, signed by the topic's owner
    if len(parcel.seals) != 1:
        return Refused.BAD_SEAL, parcel
    try:
        seal = version.windows.verify(parcel.seals[0])
    except BadFrame:
        return Refused.BAD_SEAL, parcel
    except BadSeal as error:
        return (Refused.UNKNOWN_SIGNER if error.unknown_signer else Refused.BAD_SEAL), parcel
    if seal.owner != lane or seal.role is not Role.WINDOW:
        return Refused.UNKNOWN_SIGNER, parcel
    capsules, addressed = _capsules(parcel, lane, version.arrangement)
    expired = not version.arrangement.signs(lane, seal.signer, at_ms)
    return Window(parcel, seal, parcel.seals[0], capsules, addressed, expired), parcel


def _capsules(
    parcel: Parcel, lane: AgencyId, arrangement: Arrangement
) -> tuple[dict[Digest, bytes], dict[bytes, str]]:
    """The capsules that are this lane's and for an agency we know; whatever names another is refused there."""
    good: dict[Digest, bytes] = {}
    addressed: dict[bytes, str] = {}
    known = set(arrangement.directory.agency_ids)
    for data in parcel.capsules:
        try:
            capsule = parse_capsule(data)
        except BadFrame:
            continue
        if capsule.originator == lane and capsule.recipient in known:
            digest = capsule_digest(arrangement.domains, data)
            good[digest], addressed[digest] = data, capsule.recipient
    return good, addressed


def _kept(addressee: Addressee, window: Window, known: Known) -> bool:
    """Whether the lane has the capsule from an earlier window, and it is for the one addressed."""
    data = known.capsule(Digest(addressee.capsule))
    if data is None:
        return False
    window.addressed[addressee.capsule] = parse_capsule(data).recipient
    return window.addressed[addressee.capsule] == addressee.recipient


def verify_control(entry: ControlEntry, window: Window, domains: Domains) -> Refused | None:
    """A control message: its path, its code, and for a receipt its shape. None: it holds."""
    if window.expired:
        return Refused.SIGNER_EXPIRED
    leaf = control_leaf(domains, entry.code, entry.id, entry.body)
    if path_root(leaf, entry.path) != window.seal.root:
        return Refused.BAD_PATH
    if entry.code not in CARRIED:
        return Refused.UNKNOWN_CONTROL
    if entry.code == ControlCode.RECEIPT:
        try:
            parse_receipt(entry.body)
        except BadFrame:
            return Refused.MALFORMED
    return None


def verify_envelope(
    entry: RecordEntry, window: Window, lane: AgencyId, domains: Domains
) -> VerifiedEnvelope | Refused:
    """Steps 6 to 9: path, manifest, originator, all eight slots, the wraps."""
    # 6: path. RFC 6962 2.1.1, at the fixed depth of a batch seal
    digest = manifest_digest(domains, entry.manifest)
    if path_root(record_leaf(domains, digest), entry.path) != window.seal.root:
        return Refused.BAD_PATH
    # 7: manifest, of the lane's own originator
    try:
        manifest = parse_manifest(entry.manifest)
        broker_only = parse_broker_only(entry.broker_only)
    except BadFrame:
        return Refused.MALFORMED
    if manifest.originator != lane:
        return Refused.WRONG_ORIGINATOR
    # 8: every slot is opened and recomputed; eight, sorted, all different
    commit = Commitments(domains, manifest.originator, manifest.record_id)
    commitments, routings = [], []
    for slot in entry.portions:
        routing = routing_digest(domains, slot.routing_salt, slot.routing)
        routings.append(routing)
        commitments.append(
            commit.portion(slot.salt, slot.name, slot.handling, routing, slot.dek_commitment, slot.ciphertext)
        )
    slots = [
        *commitments,
        commit.broker_only(entry.broker_only_salt, entry.broker_only),
        *commit.decoys(entry.decoys, len(entry.portions)),
    ]
    if len(set(slots)) != SLOTS or tuple(sorted(slots)) != manifest.commitments:
        return Refused.BAD_SLOT
    # 9: a wrap for each portion that the audience gives to a recipient, and no other
    for addressee in broker_only.audience:
        if len(addressee.wraps) != addressee.portions.bit_count():
            return Refused.BAD_WRAP
    return VerifiedEnvelope(entry, manifest, digest, broker_only, tuple(commitments), tuple(routings))


def admit(
    envelope: VerifiedEnvelope,
    window: Window,
    known: Known,
    active: Version,
    recent: Mapping[Digest, Arrangement],
    at_ms: int,
) -> AdmittedRecord | Refused:
    """Steps 11 to 19, after the sequence (10, in `broker.lane`): what the record says, against the arrangement."""
    manifest, broker_only = envelope.manifest, envelope.broker_only
    # 11: a suspended agency publishes nothing. Its number is used up, so that what follows the suspension is no gap;
    # its receipts pass: they say what it stored before, and what became of a recall
    if active.arrangement.directory.suspended(manifest.originator, at_ms):
        return Refused.ORIGINATOR_NOT_ACTIVE
    # 12 to 14: kind, portions and labels, under the version that it was sealed under (broker.labelling)
    slots = envelope.entry.portions
    created_ms = manifest.created_s * 1000
    labelling = active.labels.read(
        manifest.kind,
        tuple([(slot.name, slot.handling, slot.routing) for slot in slots]),
        manifest.originator,
        recent.get(Digest(broker_only.arrangement)),
        created_ms,
    )
    if isinstance(labelling, Refused):
        return labelling
    # 15: times
    if created_ms > at_ms + FUTURE_TOLERANCE_MS:
        return Refused.CREATED_IN_FUTURE
    if at_ms // 86_400_000 > labelling.retain_until:
        return Refused.EXPIRED
    # 16: every capsule named is known, and is for the one addressed
    for a in broker_only.audience:
        if window.addressed.get(a.capsule) != a.recipient and not _kept(a, window, known):
            return Refused.UNKNOWN_CAPSULE
    # 17: the audience is exactly what releasable-to meant when the record was made, in the one order that it has
    said = tuple([(a.recipient, a.portions) for a in broker_only.audience])
    if broker_only.portions != labelling.names or said != labelling.recipients:
        return Refused.AUDIENCE_MISMATCH
    # 18: what it comes to in all deliveries fits into one transaction
    released = [len(s.ciphertext) * len(p.audience) for s, p in zip(slots, labelling.portions, strict=True)]
    if sum(released) > MAX_RELEASED:
        return Refused.TOO_LARGE
    # 19: revisions follow one another; only an admitted record uses one up
    last = known.revision(manifest.record_id)
    if last is not None and broker_only.revision == last[0] and envelope.digest != last[1]:
        return Refused.EQUIVOCATION
    if broker_only.revision != (1 if last is None else last[0] + 1):
        return Refused.BAD_REVISION
    return AdmittedRecord(envelope, labelling)
