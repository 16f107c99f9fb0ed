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

from broker.versions import Version
from schemas.arrangement import Arrangement
from schemas.audience import audience, by_recipient
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
    PortionSlot,
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
from schemas.labels import Label, UnknownCode, parse_handling, parse_routing
from schemas.merkle import BATCH_LEAVES, path_root
from schemas.records import KINDS
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


class AdmittedPortion(msgspec.Struct, frozen=True, gc=False):
    """A portion of an admitted record, its label parsed and its audience checked."""

    slot: PortionSlot
    label: Label
    bears_persons: bool
    audience: frozenset[AgencyId]


class AdmittedRecord(msgspec.Struct, frozen=True, gc=False):
    """A record that may be decided on."""

    envelope: VerifiedEnvelope
    portions: tuple[AdmittedPortion, ...]


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
    active: Arrangement,
    recent: Mapping[Digest, Arrangement],
    at_ms: int,
) -> AdmittedRecord | Refused:
    """Steps 11 to 19, after the sequence (10, in `broker.lane`): what the record says, against the arrangement."""
    manifest, broker_only = envelope.manifest, envelope.broker_only
    # 11: a suspended agency publishes nothing. Its number is used up, so that what follows the suspension is no gap;
    # its receipts pass: they say what it stored before, and what became of a recall
    if active.directory.suspended(manifest.originator, at_ms):
        return Refused.ORIGINATOR_NOT_ACTIVE
    # 12: kind and portion names are known
    kind = KINDS.get(manifest.kind)
    if kind is None:
        return Refused.UNKNOWN_KIND
    slots = envelope.entry.portions
    names = tuple([slot.name for slot in slots])
    if len(set(names)) != len(names) or not kind.portions.keys() >= set(names):
        return Refused.UNKNOWN_PORTION
    # 13: label codes are of the closed lists, and sets in the one order that they have
    try:
        labels = [Label(parse_handling(slot.handling), parse_routing(slot.routing)) for slot in slots]
    except UnknownCode:
        return Refused.UNKNOWN_LABEL_CODE
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, OverflowError):
        return Refused.MALFORMED
    # 14: the version it was sealed under; its labels name only what that and the active version know
    sealed = recent.get(Digest(broker_only.arrangement))
    if sealed is None:
        return Refused.UNKNOWN_VERSION
    bears = [kind.portions[name].bears_persons for name in names]
    for label in labels:
        if not sealed.directory.knows(label.routing):
            return Refused.LABEL_NOT_IN_ARRANGEMENT
        if sealed is not active and not active.directory.knows(label.routing):
            return Refused.LABEL_NOT_IN_ARRANGEMENT
    for label, persons in zip(labels, bears, strict=True):
        if persons and not (label.handling.subjects and label.handling.origins):
            return Refused.INCOMPLETE_LABEL
    # 15: times
    created_ms = manifest.created_s * 1000
    if created_ms > at_ms + FUTURE_TOLERANCE_MS:
        return Refused.CREATED_IN_FUTURE
    today = at_ms // 86_400_000
    for label in labels:
        if today > label.handling.retain_until:
            return Refused.EXPIRED
    # 16: every capsule named is known, and is for the one addressed
    for a in broker_only.audience:
        if window.addressed.get(a.capsule) != a.recipient and not _kept(a, window, known):
            return Refused.UNKNOWN_CAPSULE
    # 17: the audience is exactly what releasable-to meant when the record was made, in the one order that it has
    audiences = tuple(
        [
            audience(label, persons, manifest.originator, sealed.directory, created_ms)
            for label, persons in zip(labels, bears, strict=True)
        ]
    )
    said = tuple([(a.recipient, a.portions) for a in broker_only.audience])
    if broker_only.portions != names or said != by_recipient(audiences):
        return Refused.AUDIENCE_MISMATCH
    # 18: what it comes to in all deliveries fits into one transaction
    if (
        sum([len(slot.ciphertext) * len(to) for slot, to in zip(slots, audiences, strict=True)])
        > MAX_RELEASED
    ):
        return Refused.TOO_LARGE
    # 19: revisions follow one another; only an admitted record uses one up
    last = known.revision(manifest.record_id)
    if last is not None and broker_only.revision == last[0] and envelope.digest != last[1]:
        return Refused.EQUIVOCATION
    if broker_only.revision != (1 if last is None else last[0] + 1):
        return Refused.BAD_REVISION
    return AdmittedRecord(envelope, tuple(map(AdmittedPortion, slots, labels, bears, audiences)))
