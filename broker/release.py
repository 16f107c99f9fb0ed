"""Release: one recipient's share of a decided record, and its certificate in the recipient's chain.

- A share holds only what was released: no trace of other portions, other recipients or how many there are.
- Its bytes are a function of the decision and of the chain's head; nothing random enters.
"""

from collections.abc import Iterable, Mapping

import msgspec

from broker.decide import Decision
from schemas.arrangement import Arrangement
from schemas.certificate import Act, Certificate, DecidedBy, Head, certificate_bytes, certificate_digest
from schemas.envelope import ReleasedPortion, wraps_of
from schemas.ids import AgencyId, Digest, RuleId
from schemas.rulings import Ruling


class Share(msgspec.Struct, frozen=True, gc=False):
    """A delivery before it is packed: capsules by digest, the window's seal by its bytes."""

    lane: AgencyId
    number: int
    head: Digest
    manifest: bytes
    path: bytes
    seal: bytes
    portions: tuple[tuple[ReleasedPortion, Digest], ...]
    """Each with its capsule's digest; the index in the frame is set when the parcel is packed."""
    certificate: bytes


def release(
    decision: Decision,
    seal: bytes,
    arrangement: Arrangement,
    reasons: Mapping[RuleId, str],
    lane: AgencyId,
    at_ms: int,
    heads: Mapping[AgencyId, Head],
    replaced: Mapping[AgencyId, Digest],
) -> dict[AgencyId, Share]:
    """The shares of everyone to whom at least one portion is released, by recipient in order.

    `heads`: the chain heads of (lane, recipient) so far; `replaced`: for each recipient the manifest digest of
    the earlier revision that it holds.
    """
    envelope = decision.record.envelope
    by_recipient: dict[AgencyId, list[int]] = {}
    for i, decided in enumerate(decision.portions):
        for recipient in decided.released_to:
            by_recipient.setdefault(recipient, []).append(i)
    slots = [p.portion.slot for p in decision.portions]
    alike = [  # what a portion is to everyone who gets it
        (s.name, s.salt, s.handling, routing, s.dek_commitment, s.ciphertext)
        for s, routing in zip(slots, envelope.routings, strict=True)
    ]
    addressees = {a.recipient: a for a in envelope.broker_only.audience}
    told = Told(reasons)
    shares = {}
    for recipient in sorted(by_recipient):
        indexes, addressee, head = by_recipient[recipient], addressees[recipient], heads[recipient]
        certificate = certify(
            recipient,
            envelope.manifest.originator,
            envelope.manifest.record_id,
            envelope.digest,
            [envelope.commitments[i] for i in indexes],
            arrangement.digest,
            told.of(recipient, [decision.portions[i].ruling for i in indexes]),
            at_ms,
            replaced.get(recipient, b""),
            head,
        )
        shares[recipient] = Share(
            lane,
            head.number + 1,
            certificate_digest(arrangement.domains, certificate),
            envelope.entry.manifest,
            envelope.entry.path,
            seal,
            tuple(
                [
                    (ReleasedPortion(*alike[i], wrap, 0), Digest(addressee.capsule))
                    for i, wrap in zip(indexes, wraps_of(addressee, indexes), strict=True)
                ]
            ),
            certificate,
        )
    return shares


class Told:
    """The rules that permitted a release, with their reasons, as a certificate tells them."""

    def __init__(self, reasons: Mapping[RuleId, str]) -> None:
        self._reasons = reasons
        self._known: dict[tuple[tuple[RuleId, ...], ...], tuple[DecidedBy, ...]] = {}

    def of(self, recipient: AgencyId, rulings: Iterable[Ruling]) -> tuple[DecidedBy, ...]:
        """Of all that a recipient gets together: each rule once, sorted."""
        rules = tuple([ruling.verdict(recipient).rules for ruling in rulings])
        known = self._known.get(rules)
        if known is None:
            each = sorted({rule for of_portion in rules for rule in of_portion})
            known = self._known[rules] = tuple([DecidedBy(rule, self._reasons[rule]) for rule in each])
        return known


def certify(
    recipient: AgencyId,
    originator: str,
    record_id: bytes,
    manifest: bytes,
    commitments: Iterable[bytes],
    arrangement: Digest,
    rules: tuple[DecidedBy, ...],
    at_ms: int,
    replaced: bytes,
    head: Head,
) -> bytes:
    """A delivery's certificate. `commitments` and `rules`: of what is released; `head`: of the chain before it."""
    return certificate_bytes(
        Certificate(
            Act.DELIVERY,
            recipient,
            originator,
            record_id,
            manifest,
            tuple(sorted(commitments)),
            arrangement,
            rules,
            at_ms,
            replaced,
            head.number + 1,
            head.digest,
        )
    )
