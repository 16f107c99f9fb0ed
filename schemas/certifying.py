"""Certifying: what a leaf and its rulings prove was released, and the certificate that follows from it.

- The broker makes certificates so; whoever has the ledger and the signed versions makes the same ones again.
- Bytes are a function of the decision and of the chain's head; nothing random enters.
- Nothing is decided here: rulings say who may get what, the leaf says who was addressed.
"""

from collections.abc import Iterable, Mapping, Sequence

from schemas.certificate import Act, Certificate, DecidedBy, Head, certificate_bytes
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


def certify_leaf(
    leaf: Admitted,
    rulings: Sequence[Ruling],
    places: Sequence[int],
    recipient: AgencyId,
    originator: AgencyId,
    arrangement: Digest,
    told: Told,
    replaced: bytes,
    head: Head,
) -> bytes:
    """The certificate that a leaf comes to for a recipient of the portions at these places.

    `rulings`: of all portions, in order; `replaced`: manifest digest of the earlier revision that it holds, or empty.
    """
    return certify(
        recipient,
        originator,
        leaf.record_id,
        leaf.manifest,
        tuple(sorted([leaf.portions[i].commitment for i in places])),
        arrangement,
        told.of(recipient, [rulings[i] for i in places]),
        leaf.at_ms,
        replaced,
        head,
    )
