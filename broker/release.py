"""Release: one recipient's share of a decided record, and its certificate in the recipient's chain.

- A share holds only what was released: no trace of other portions, other recipients or how many there are.
- Its bytes are a function of the decision and of the chain's head; nothing random enters. How the certificate is made
  stands in `schemas.certifying`, for whoever makes it again from the ledger.
"""

from collections.abc import Callable, Mapping

import msgspec

from broker.admission import VerifiedEnvelope
from broker.decide import Decision
from schemas.arrangement import Arrangement
from schemas.certificate import Head, certificate_digest
from schemas.certifying import certify
from schemas.envelope import delivery_start, portion_start, wraps_of
from schemas.ids import AgencyId, Digest

#: More than the lengths of a delivery, its wraps and its certificate take, and the places of its seal and capsule.
_FRAMING = 100


class Alike(msgspec.Struct, frozen=True, gc=False):
    """What everyone who gets the same portions of a record gets alike, encoded as it will stand in their parcels."""

    start: bytes
    """By `schemas.envelope.delivery_start`."""
    portions: tuple[bytes, ...]
    """Each by `schemas.envelope.portion_start`."""
    commitments: tuple[Digest, ...]
    """Of these portions, sorted."""
    size: int
    """More bytes than it takes with the lengths of what is the recipient's own."""


class Share(msgspec.Struct, frozen=True, gc=False):
    """A delivery before it is packed: its capsule by digest, the window's seal by its bytes."""

    lane: AgencyId
    head: Head
    """Of the chain (lane, recipient) after it."""
    seal: bytes
    capsule: Digest
    alike: Alike
    wraps: tuple[bytes, ...]
    """The recipient's own, one a portion."""
    certificate: bytes
    size: int
    """More bytes than it takes in a parcel, its seal and capsule apart."""


def release(
    decision: Decision,
    envelope: VerifiedEnvelope,
    seal: bytes,
    arrangement: Arrangement,
    lane: AgencyId,
    at_ms: int,
    heads: Callable[[AgencyId], Head],
    replaced: Mapping[AgencyId, Digest],
) -> list[tuple[AgencyId, Share]]:
    """The shares of everyone to whom at least one portion is released, by recipient in order.

    `heads`: the head so far of the chain (lane, recipient); `replaced`: for each recipient the manifest digest of
    the earlier revision that it holds.
    """
    manifest, entry = envelope.manifest, envelope.entry
    start = delivery_start(entry.manifest, entry.path)
    starts = [portion_start(s, r) for s, r in zip(entry.portions, envelope.routings, strict=True)]
    addressees = {a.recipient: a for a in envelope.broker_only.audience}
    known: dict[tuple[int, ...], Alike] = {}
    shares = []
    for due in decision.due:
        recipient, places = due.recipient, due.portions
        addressee, head = addressees[recipient], heads(recipient)
        alike = known.get(places)
        if alike is None:
            portions = tuple([starts[i] for i in places])
            commitments = tuple(sorted([envelope.commitments[i] for i in places]))
            size = len(start) + sum(map(len, portions)) + _FRAMING
            alike = known[places] = Alike(start, portions, commitments, size)
        certificate = certify(
            recipient,
            manifest.originator,
            manifest.record_id,
            envelope.digest,
            alike.commitments,
            arrangement.digest,
            due.rules,
            at_ms,
            replaced.get(recipient, b""),
            head,
        )
        wraps = wraps_of(addressee, places)
        share = Share(
            lane,
            Head(head.number + 1, certificate_digest(arrangement.domains, certificate)),
            seal,
            Digest(addressee.capsule),
            alike,
            wraps,
            certificate,
            alike.size + sum(map(len, wraps)) + len(certificate),
        )
        shares.append((recipient, share))
    return shares
