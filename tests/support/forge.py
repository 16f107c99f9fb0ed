"""Messages that no honest sealer, relay or broker makes: each breaks one thing and signs all the rest again."""

from collections.abc import Callable, Sequence

import msgspec

from agencies.drafting import Draft, DraftPortion
from agencies.sealing import ClosedPortion, ClosedRecord, Sealer
from schemas.arrangement import SUITE
from schemas.canonical import Domains
from schemas.certificate import Certificate, certificate_bytes, certificate_digest, parse_certificate
from schemas.commitments import Commitments
from schemas.entropy import SeededEntropy
from schemas.envelope import (
    BrokerOnly,
    DeliveryEntry,
    HeadEntry,
    Manifest,
    PortionSlot,
    RecordEntry,
    frame_bytes,
    head_leaf,
    manifest_digest,
    parse_broker_only,
    parse_deliver_entry,
    parse_manifest,
    parse_submission_entry,
    routing_digest,
)
from schemas.frames import Parcel, pack_parcel, parse_parcel
from schemas.ids import AgencyId, Digest
from schemas.keys import SigningPair
from schemas.seal import Role, seal_leaves
from tests.support.members import Members


def slot_commitment(domains: Domains, originator: str, record_id: bytes, slot: PortionSlot) -> Digest:
    return Commitments(domains, originator, record_id).portion(
        slot.salt,
        slot.name,
        slot.handling,
        routing_digest(domains, slot.routing_salt, slot.routing),
        slot.dek_commitment,
        slot.ciphertext,
    )


def reform(
    domains: Domains,
    closed: ClosedRecord,
    *,
    portions: Sequence[PortionSlot] | None = None,
    broker_only: Callable[[BrokerOnly], BrokerOnly] = lambda b: b,
    manifest: Callable[[Manifest], Manifest] = lambda m: m,
) -> ClosedRecord:
    """A record changed before it is signed: slots are recomputed, so that every hash holds."""
    slots = closed.portions if portions is None else tuple(portions)
    inner = frame_bytes(broker_only(parse_broker_only(closed.broker_only)))
    draft = manifest(parse_manifest(closed.manifest))
    commitments: list[bytes] = [slot_commitment(domains, draft.originator, draft.record_id, s) for s in slots]
    commit = Commitments(domains, draft.originator, draft.record_id)
    commitments.append(commit.broker_only(closed.broker_only_salt, inner))
    commitments += commit.decoys(closed.decoys, len(slots))
    data = frame_bytes(msgspec.structs.replace(draft, commitments=tuple(sorted(commitments))))
    return msgspec.structs.replace(
        closed,
        manifest=data,
        digest=manifest_digest(domains, data),
        portions=slots,
        broker_only=inner,
    )


class WrongCiphertext(Sealer):
    """Commits to a ciphertext that the committed key does not open."""

    def _close_portion(self, draft: Draft, portion: DraftPortion, commit: Commitments) -> ClosedPortion:
        slot, _, dek = super()._close_portion(draft, portion, commit)
        broken = bytes([slot.ciphertext[0] ^ 1]) + slot.ciphertext[1:]
        slot = msgspec.structs.replace(slot, ciphertext=broken)
        return ClosedPortion(slot, slot_commitment(self._domains, self._agency, draft.record_id, slot), dek)


def edit(value: bytes, change: Callable[[Parcel], Parcel]) -> bytes:
    """A message whose parcel is changed after it was signed."""
    return pack_parcel(change(parse_parcel(value)))


def edit_entry(value: bytes, index: int, change: Callable[[RecordEntry], RecordEntry]) -> bytes:
    """A submission with one record entry changed after it was signed."""

    def changed(parcel: Parcel) -> Parcel:
        entry = parse_submission_entry(parcel.entries[index])
        assert isinstance(entry, RecordEntry)
        return with_entry(parcel, index, frame_bytes(change(entry)))

    return edit(value, changed)


def edit_delivery(value: bytes, index: int, change: Callable[[DeliveryEntry], DeliveryEntry]) -> bytes:
    """A deliver parcel with one delivery changed after its heads were signed."""

    def changed(parcel: Parcel) -> Parcel:
        entry = parse_deliver_entry(parcel.entries[index])
        assert isinstance(entry, DeliveryEntry)
        return with_entry(parcel, index, frame_bytes(change(entry)))

    return edit(value, changed)


def with_entry(parcel: Parcel, index: int, data: bytes) -> Parcel:
    entries = (*parcel.entries[:index], data, *parcel.entries[index + 1 :])
    return msgspec.structs.replace(parcel, entries=entries)


def without_entry(parcel: Parcel, index: int) -> Parcel:
    return msgspec.structs.replace(parcel, entries=parcel.entries[:index] + parcel.entries[index + 1 :])


def certify(
    members: Members,
    value: bytes,
    recipient: AgencyId,
    change: Callable[[Certificate], Certificate] = lambda c: c,
    *,
    pair: SigningPair | None = None,
    role: Role = Role.HEADS,
    suite: str = SUITE,
    domains: Domains | None = None,
) -> bytes:
    """A parcel of one delivery with its certificate changed, and the chain's head signed again over it."""
    domains = domains or members.domains
    parcel = parse_parcel(value)
    entry = parse_deliver_entry(parcel.entries[0])
    head = parse_deliver_entry(parcel.entries[-1])
    assert isinstance(entry, DeliveryEntry)
    assert isinstance(head, HeadEntry)
    certificate = change(parse_certificate(entry.certificate))
    data = certificate_bytes(certificate)
    digest = certificate_digest(members.domains, data)
    leaf = head_leaf(members.domains, head.lane, recipient, certificate.number, digest)
    seal, paths = seal_leaves(
        domains, suite, pair or members.broker, role, [leaf], SeededEntropy(b"forged heads")
    )
    entries = (
        frame_bytes(msgspec.structs.replace(entry, certificate=data)),
        frame_bytes(HeadEntry(head.lane, certificate.number, digest, paths[0], head.seal)),
    )
    seals = (*parcel.seals[: head.seal], seal)
    return pack_parcel(Parcel(0, seals, parcel.capsules, entries))


def flip(value: bytes, bit: int) -> bytes:
    at = bit // 8
    return value[:at] + bytes([value[at] ^ (1 << (bit % 8))]) + value[at + 1 :]
