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
from schemas.envelope import wraps_of
from schemas.ids import AgencyId, Digest

#: More than a portion's name, salt, digests and their framing take.
_FRAMING = 500

#: What a portion is to everyone who gets it: the fields of a `ReleasedPortion` before its wrap.
Alike = tuple[str, bytes, bytes, bytes, bytes, bytes]


class Share(msgspec.Struct, frozen=True, gc=False):
    """A delivery before it is packed: its capsule by digest, the window's seal by its bytes."""

    lane: AgencyId
    number: int
    head: Digest
    manifest: bytes
    path: bytes
    seal: bytes
    capsule: Digest
    portions: tuple[Alike, ...]
    size: int
    """More bytes than the portions take, wraps apart."""
    wraps: tuple[bytes, ...]
    """The recipient's own, one a portion."""
    certificate: bytes


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
    each: list[Alike] = [
        (s.name, s.salt, s.handling, routing, s.dek_commitment, s.ciphertext)
        for s, routing in zip(envelope.entry.portions, envelope.routings, strict=True)
    ]
    manifest, entry = envelope.manifest, envelope.entry
    addressees = {a.recipient: a for a in envelope.broker_only.audience}
    alike: dict[tuple[int, ...], tuple[tuple[Alike, ...], int, tuple[Digest, ...]]] = {}
    shares = []
    for due in decision.due:
        recipient, places = due.recipient, due.portions
        addressee, head = addressees[recipient], heads(recipient)
        known = alike.get(places)
        if known is None:
            portions = tuple([each[i] for i in places])
            size = sum(
                [len(handling) + len(content) + _FRAMING for _, _, handling, _, _, content in portions]
            )
            commitments = tuple(sorted([envelope.commitments[i] for i in places]))
            known = alike[places] = portions, size, commitments
        portions, size, commitments = known
        certificate = certify(
            recipient,
            manifest.originator,
            manifest.record_id,
            envelope.digest,
            commitments,
            arrangement.digest,
            due.rules,
            at_ms,
            replaced.get(recipient, b""),
            head,
        )
        share = Share(
            lane,
            head.number + 1,
            certificate_digest(arrangement.domains, certificate),
            entry.manifest,
            entry.path,
            seal,
            Digest(addressee.capsule),
            portions,
            size,
            wraps_of(addressee, places),
            certificate,
        )
        shares.append((recipient, share))
    return shares
