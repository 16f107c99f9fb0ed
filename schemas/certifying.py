"""Certifying: what a leaf and its rulings prove was released, and the certificate that follows from it.

- The broker makes certificates so; whoever has the ledger and the signed versions makes the same ones again.
- Bytes are a function of the decision and of the chain's head; nothing random enters.
- Nothing is decided here: rulings say who may get what, the leaf says who was addressed.
"""

from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence

from schemas.arrangement import Arrangement
from schemas.certificate import (
    Act,
    Certificate,
    DecidedBy,
    Head,
    certificate_bytes,
    certificate_digest,
    chain_start,
)
from schemas.ids import AgencyId, Digest, RuleId
from schemas.ledger import Admitted
from schemas.rulings import Ruling


def shares_of(leaf: Admitted, rulings: Mapping[Digest, Ruling]) -> dict[AgencyId, list[int]]:
    """Places of the portions released to each recipient, as the leaf and its rulings prove it.

    Raises: `KeyError` for a ruling that is not given.
    """
    shares: dict[AgencyId, list[int]] = {}
    for i, portion in enumerate(leaf.portions):
        permitted = rulings[Digest(portion.ruling)].permitted
        for recipient in permitted.intersection(portion.audience, leaf.active).difference(portion.departed):
            shares.setdefault(recipient, []).append(i)
    return dict(sorted(shares.items()))


def released_of(leaf: Admitted, rulings: Mapping[Digest, Ruling]) -> dict[AgencyId, list[str]]:
    """Names of the portions released to each recipient. Raises: as `shares_of`."""
    return {r: [leaf.portions[i].name for i in places] for r, places in shares_of(leaf, rulings).items()}


class Told:
    """The rules that permitted a release, with their reasons, as a certificate tells them."""

    def __init__(self, reasons: Mapping[RuleId, str]) -> None:
        self._reasons = reasons
        self._known: dict[tuple[tuple[RuleId, ...], ...], tuple[DecidedBy, ...]] = {}

    def of(self, recipient: AgencyId, rulings: Iterable[Ruling]) -> tuple[DecidedBy, ...]:
        """Of all that a recipient gets together: each rule once, sorted. Raises: `KeyError` for an unknown rule."""
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
    commitments: tuple[bytes, ...],
    arrangement: Digest,
    rules: tuple[DecidedBy, ...],
    at_ms: int,
    replaced: bytes,
    head: Head,
) -> bytes:
    """A delivery's certificate. `commitments` (sorted) and `rules`: of what is released; `head`: the chain's so far."""
    return certificate_bytes(
        Certificate(
            Act.DELIVERY,
            recipient,
            originator,
            record_id,
            manifest,
            commitments,
            arrangement,
            rules,
            at_ms,
            replaced,
            head.number + 1,
            head.digest,
        )
    )


def certificates_of(
    leaf: Admitted,
    rulings: Sequence[Ruling],
    shares: Mapping[AgencyId, Sequence[int]],
    lane: AgencyId,
    version: Arrangement,
    told: Told,
    held: Mapping[AgencyId, Digest],
    heads: MutableMapping[AgencyId, Head],
) -> Iterator[tuple[AgencyId, bytes]]:
    """The certificates that a leaf comes to, by recipient in the order of the shares; each moves its chain in `heads`.

    `rulings`: of all portions, in order; `shares`: places of the portions released to each recipient; `held`: manifest
    digest of the earlier revision that a recipient holds.
    """
    for recipient, places in shares.items():
        head = heads.get(recipient) or chain_start(version.domains, lane, recipient)
        certificate = certify(
            recipient,
            lane,
            leaf.record_id,
            leaf.manifest,
            tuple(sorted([leaf.portions[i].commitment for i in places])),
            version.digest,
            told.of(recipient, [rulings[i] for i in places]),
            leaf.at_ms,
            held.get(recipient, b""),
            head,
        )
        heads[recipient] = Head(head.number + 1, certificate_digest(version.domains, certificate))
        yield recipient, certificate
