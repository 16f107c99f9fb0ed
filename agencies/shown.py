"""Shown: how far our own ledger shows each recipient's chain to go, certificate by certificate.

- Pure: rulings and leaves in, heads and digests out. The broker's own word of what it delivered, from which every
  certificate follows; that it decided by the rules is an audit's question, not this one's.
- Taken in by number: a leaf that was taken in already is dropped.
- What the ledger lacks was not shown: by a ruling that was never written nothing is released, and a rule that the
  version does not have has no reason. Receipts of what was delivered all the same then contradict it.
- An id that is no agency of the active version has no chain, whatever leaf and ruling say: there are no more chains
  than agencies.
- What it learns is `news` until somebody has kept it; what it needs of what was kept, it names before (`lacks`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from schemas.arrangement import Arrangement
from schemas.canonical import Domains
from schemas.certificate import Head
from schemas.certifying import Told, certificates_of, shares_of
from schemas.frames import BadFrame
from schemas.ids import AgencyId, Digest, RuleId
from schemas.ledger import Activation, Admitted, Leaf, RulingEntry
from schemas.reasons import reasons_of
from schemas.rulings import Ruling, parse_ruling, ruling_digest

#: Rulings that are remembered as they are asked of; the others are kept.
MOST_RULINGS: Final = 1_024

_NO_NUMBER: Final = 2**63 - 1
"""Of a leaf after which none could be numbered, nor be counted in SQL."""

#: Manifest digest of the revision that each recipient of a record holds.
Holders = Mapping[AgencyId, Digest]

_NO_RULING = Ruling(bytes(32), ())


@dataclass(slots=True)
class News:
    """What was learnt and is not kept yet."""

    digests: dict[AgencyId, list[Digest]] = field(default_factory=dict)
    """Of each recipient's next certificates, in order."""
    rulings: dict[Digest, bytes] = field(default_factory=dict)
    holders: dict[bytes, Holders] = field(default_factory=dict)

    def __len__(self) -> int:
        return sum(map(len, self.digests.values())) + len(self.rulings) + len(self.holders)


class Kept(NamedTuple):
    """What was kept of that which `lacks` named."""

    rulings: Mapping[Digest, bytes]
    holders: Mapping[bytes, Holders]


class Lacks(NamedTuple):
    """Rulings and records that are asked for, and are not in memory."""

    rulings: set[Digest]
    records: set[bytes]


NOTHING_KEPT: Final = Kept({}, {})


class _Reasons(dict[RuleId, str]):
    """Of a version's rules; a rule that it does not have has none, so that no certificate of it can be right."""

    def __missing__(self, rule: RuleId) -> str:
        return ""


class Shown:
    """Our lane's chains. `heads`: where each stands; `leaves`: how many were taken in; `version`: active there."""

    def __init__(
        self,
        lane: AgencyId,
        domains: Domains,
        heads: Mapping[AgencyId, Head],
        leaves: int,
        version: Arrangement | None,
    ) -> None:
        self._lane = lane
        self._domains = domains
        self.version = version
        self._agencies = _agencies_of(version)
        self._reasons = _Reasons({} if version is None else reasons_of(version.body.policies))
        self._rulings: dict[Digest, Ruling] = {}
        self.heads = dict(heads)
        self.leaves = leaves
        self.news = News()

    def lacks(self, items: Iterable[RulingEntry | Leaf]) -> Lacks:
        """What `take` must be given of what was kept, to take these in."""
        admitted = [item for item in items if isinstance(item, Admitted) and item.number >= self.leaves]
        named = {Digest(p.ruling) for leaf in admitted for p in leaf.portions}
        corrected = {leaf.record_id for leaf in admitted if leaf.revision > 1}
        return Lacks(
            named - self._rulings.keys() - self.news.rulings.keys(), corrected - self.news.holders.keys()
        )

    def take(
        self,
        items: Sequence[RulingEntry | Leaf],
        versions: Mapping[Digest, Arrangement],
        kept: Kept = NOTHING_KEPT,
    ) -> None:
        """Take in what follows in the ledger. Raises: `KeyError` for an activation of a version that is not given."""
        told = Told(self._reasons)
        for item in items:
            if isinstance(item, RulingEntry):
                self.news.rulings[ruling_digest(self._domains, item.ruling)] = item.ruling
                continue
            if not self.leaves <= item.number < _NO_NUMBER:
                continue
            self.leaves = item.number + 1
            if isinstance(item, Activation):
                self.version = versions[Digest(item.arrangement)]
                self._agencies = _agencies_of(self.version)
                self._reasons = _Reasons(reasons_of(self.version.body.policies))
                told = Told(self._reasons)
            elif isinstance(item, Admitted) and self.version is not None:
                self._admitted(item, self.version, told, kept)
        # Not before: `lacks` said of each that it is here
        while len(self._rulings) > MOST_RULINGS:
            self._rulings.pop(next(iter(self._rulings)))

    def _admitted(self, leaf: Admitted, version: Arrangement, told: Told, kept: Kept) -> None:
        rulings = [self._ruling(Digest(p.ruling), kept) for p in leaf.portions]
        named = {Digest(p.ruling): ruling for p, ruling in zip(leaf.portions, rulings, strict=True)}
        before = {} if leaf.revision == 1 else self._holders(leaf.record_id, kept)
        shares = {r: places for r, places in shares_of(leaf, named).items() if r in self._agencies}
        certified = certificates_of(leaf, rulings, shares, self._lane, version, told, before, self.heads)
        for recipient, _ in certified:
            self.news.digests.setdefault(recipient, []).append(Digest(self.heads[recipient].digest))
        if shares:
            self.news.holders[leaf.record_id] = {**before, **dict.fromkeys(shares, Digest(leaf.manifest))}

    def _ruling(self, digest: Digest, kept: Kept) -> Ruling:
        known = self._rulings.get(digest)
        if known is None:
            data = self.news.rulings.get(digest) or kept.rulings.get(digest)
            if data is None:
                return _NO_RULING
            known = self._rulings[digest] = _parsed(data)
        return known

    def _holders(self, record_id: bytes, kept: Kept) -> Holders:
        return self.news.holders.get(record_id) or kept.holders.get(record_id, {})


def _agencies_of(version: Arrangement | None) -> frozenset[AgencyId]:
    return frozenset(() if version is None else version.directory.agency_ids)


def _parsed(data: bytes) -> Ruling:
    try:
        return parse_ruling(data)
    except BadFrame:
        return _NO_RULING
