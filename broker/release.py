"""Release: one recipient's share of a decided record, and its certificate in the recipient's chain.

- A share holds only what was released: no trace of other portions, other recipients or how many there are.
- Its bytes are a function of the decision and of the chain's head; nothing random enters.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from broker.decide import Decision
from schemas.arrangement import Arrangement
from schemas.canonical import Domains
from schemas.certificate import Act, Certificate, DecidedBy, Head, certificate_bytes, certificate_digest
from schemas.envelope import ReleasedPortion, wrap_of
from schemas.ids import AgencyId, Digest, RuleId
from schemas.rulings import Ruling


@dataclass(frozen=True, slots=True)
class Share:
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
    domains = arrangement.domains
    by_recipient: dict[AgencyId, list[int]] = {}
    for i, decided in enumerate(decision.portions):
        for recipient in decided.released_to:
            by_recipient.setdefault(recipient, []).append(i)
    addressees = {a.recipient: a for a in decision.record.envelope.broker_only.audience}
    shares = {}
    for recipient in sorted(by_recipient):
        indexes, addressee = by_recipient[recipient], addressees[recipient]
        portions = []
        for i in indexes:
            slot = decision.portions[i].portion.slot
            released = ReleasedPortion(
                slot.name,
                slot.salt,
                slot.handling,
                decision.record.envelope.routings[i],
                slot.dek_commitment,
                slot.ciphertext,
                wrap_of(addressee, i),
                0,
            )
            portions.append((released, Digest(addressee.capsule)))
        certificate = _certificate(
            domains,
            decision,
            indexes,
            arrangement.digest,
            reasons,
            recipient,
            at_ms,
            heads[recipient],
            replaced,
        )
        envelope = decision.record.envelope
        shares[recipient] = Share(
            lane,
            heads[recipient].number + 1,
            certificate_digest(domains, certificate),
            envelope.entry.manifest,
            envelope.entry.path,
            seal,
            tuple(portions),
            certificate,
        )
    return shares


def _certificate(
    domains: Domains,
    decision: Decision,
    indexes: list[int],
    arrangement: Digest,
    reasons: Mapping[RuleId, str],
    recipient: AgencyId,
    at_ms: int,
    head: Head,
    replaced: Mapping[AgencyId, Digest],
) -> bytes:
    envelope = decision.record.envelope
    return certify(
        recipient,
        envelope.manifest.originator,
        envelope.manifest.record_id,
        envelope.digest,
        [envelope.commitments[i] for i in indexes],
        arrangement,
        [decision.portions[i].ruling for i in indexes],
        reasons,
        at_ms,
        replaced.get(recipient, b""),
        head,
    )


def certify(
    recipient: AgencyId,
    originator: str,
    record_id: bytes,
    manifest: bytes,
    commitments: Iterable[bytes],
    arrangement: Digest,
    rulings: Iterable[Ruling],
    reasons: Mapping[RuleId, str],
    at_ms: int,
    replaced: bytes,
    head: Head,
) -> bytes:
    """A delivery's certificate. `commitments` and `rulings`: of what is released; `head`: of the chain before it."""
    rules = sorted({rule for ruling in rulings for rule in ruling.verdict(recipient).rules})
    return certificate_bytes(
        Certificate(
            Act.DELIVERY,
            recipient,
            originator,
            record_id,
            manifest,
            tuple(sorted(commitments)),
            arrangement,
            tuple(DecidedBy(rule, reasons[rule]) for rule in rules),
            at_ms,
            replaced,
            head.number + 1,
            head.digest,
        )
    )
