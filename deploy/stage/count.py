"""The conservation law, counted twice: what a broker may know, and what everybody's databases say.

- A pair is a published record and another agency active at its admission. Its fate is exactly one of
  delivered, withheld, quarantined, in flight.
- Operational: from ledgers alone, receipts being leaves of the recipients' ledgers.
- Audit: from ledgers, outboxes, reception logs and quarantines.
- `lost`, `duplicates` and `out_of_order` have no counter anywhere else; they are found here or nowhere.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from broker.index import outcomes
from deploy.stage.evidence import Ledger, StoreEvidence
from schemas.certifying import released_of
from schemas.controls import ControlCode, Receipt, parse_receipt
from schemas.ids import AgencyId, Digest
from schemas.ledger import Admitted, ControlNoted, Quarantined
from schemas.verdicts import Verdict, Withheld


@dataclass(slots=True)
class Counts:
    """Pairs by fate, in all and by (originator, recipient)."""

    pairs: int = 0
    delivered: int = 0
    withheld: int = 0
    quarantined: int = 0
    in_flight: int = 0
    matrix: dict[tuple[str, str], Counter[str]] = field(default_factory=dict)

    def add(self, originator: str, recipient: str, fate: str) -> None:
        self.pairs += 1
        setattr(self, fate, getattr(self, fate) + 1)
        self.matrix.setdefault((originator, recipient), Counter())[fate] += 1

    @property
    def conserved(self) -> bool:
        """Whether the law holds."""
        return self.pairs == self.delivered + self.withheld + self.quarantined + self.in_flight

    def totals(self) -> dict[str, int]:
        return {k: getattr(self, k) for k in ("pairs", "delivered", "withheld", "quarantined", "in_flight")}


@dataclass(slots=True)
class Audited:
    """The audit count with all that only it can see."""

    counts: Counts = field(default_factory=Counts)
    published: int = 0
    lost: int = 0
    duplicates: int = 0
    out_of_order: int = 0
    leaked: int = 0
    """Stored portions that the ledger does not prove released: must be none."""
    latencies_ms: list[int] = field(default_factory=list)
    first_ms: int = 0
    last_ms: int = 0


def _released(ledger: Ledger, leaf: Admitted) -> dict[AgencyId, list[str]]:
    return released_of(leaf, {Digest(p.ruling): ledger.rulings[Digest(p.ruling)] for p in leaf.portions})


def operational(ledgers: Mapping[AgencyId, Ledger]) -> Counts:
    """From ledgers alone: releases by chain number, receipts by interval."""
    receipts: dict[tuple[str, str], list[Receipt]] = {}
    for recipient, ledger in ledgers.items():
        for leaf in ledger.leaves:
            # Also one that went nowhere, since the originator is suspended now: it was stored all the same.
            if isinstance(leaf, ControlNoted) and leaf.code == ControlCode.RECEIPT:
                receipt = parse_receipt(leaf.body)
                receipts.setdefault((receipt.lane, recipient), []).append(receipt)
    counts = Counts()
    for lane, ledger in ledgers.items():
        numbers: Counter[str] = Counter()
        # A record that was refused without using its number (its signer's key was over) may come again and is then
        # decided: one record, one fate.
        decided = {
            leaf.manifest
            for leaf in ledger.leaves
            if isinstance(leaf, Admitted) or (isinstance(leaf, Quarantined) and leaf.sequence is not None)
        }
        for leaf in ledger.leaves:
            if isinstance(leaf, Quarantined):
                if leaf.sequence is None and leaf.manifest:
                    if leaf.manifest in decided:
                        continue
                    decided.add(leaf.manifest)
                for name in leaf.active:
                    counts.add(lane, name, "quarantined")
            elif isinstance(leaf, Admitted):
                released = _released(ledger, leaf)
                for name in leaf.active:
                    recipient = AgencyId(name)
                    if recipient not in released:
                        counts.add(lane, recipient, "withheld")
                        continue
                    numbers[recipient] += 1
                    fate = _receipted(receipts.get((lane, recipient), []), numbers[recipient])
                    counts.add(lane, recipient, fate)
    return counts


def _receipted(receipts: list[Receipt], number: int) -> str:
    for receipt in receipts:
        if receipt.after < number <= receipt.upto:
            excepted = any(e.number == number for e in receipt.exceptions)
            return "quarantined" if excepted else "delivered"
    return "in_flight"


def audit(
    ledgers: Mapping[AgencyId, Ledger], stores: Mapping[AgencyId, StoreEvidence], active: tuple[AgencyId, ...]
) -> Audited:
    """From everything. `active`: the agencies of the active version, for records without a leaf yet."""
    out = Audited()
    received = {a: _by_pair(s) for a, s in stores.items()}
    refused = {a: {(q.lane, q.manifest) for q in s.quarantined} for a, s in stores.items()}
    sealed_first, stored_last = [], [0]
    for lane, store in stores.items():
        by_manifest, by_place = _leaves(ledgers[lane])
        for record in store.published:
            out.published += 1
            sealed_first.append(record.sealed_at_ms)
            leaf = by_manifest.get(record.manifest) or by_place.get((record.offset, record.entry))
            if leaf is None:
                for recipient in active:
                    if recipient != lane:
                        out.counts.add(lane, recipient, "in_flight")
                continue
            if isinstance(leaf, Quarantined):
                for name in leaf.active:
                    out.counts.add(lane, name, "quarantined")
                continue
            released = _released(ledgers[lane], leaf)
            for name in leaf.active:
                recipient = AgencyId(name)
                lines = received[recipient].get((lane, record.manifest), [])
                may = set(released.get(recipient, ()))
                out.leaked += sum(bool(set(portions) - may) for portions, _ in lines)
                out.duplicates += max(0, len(lines) - 1)
                if lines:
                    out.counts.add(lane, recipient, "delivered")
                    out.latencies_ms.append(lines[0][1] - record.sealed_at_ms)
                    stored_last.append(lines[0][1])
                elif not may:
                    out.counts.add(lane, recipient, "withheld")
                elif (lane, record.manifest) in refused[recipient]:
                    out.counts.add(lane, recipient, "quarantined")
                else:
                    out.counts.add(lane, recipient, "in_flight")
                    out.lost += 1
    out.out_of_order = sum(_breaks(s) for s in stores.values())
    out.first_ms, out.last_ms = min(sealed_first, default=0), max(stored_last)
    return out


def _by_pair(store: StoreEvidence) -> dict[tuple[str, bytes], list[tuple[tuple[str, ...], int]]]:
    pairs: dict[tuple[str, bytes], list[tuple[tuple[str, ...], int]]] = {}
    for line in store.received:
        pairs.setdefault((line.lane, line.manifest), []).append((line.portions, line.received_at_ms))
    return pairs


def _leaves(
    ledger: Ledger,
) -> tuple[dict[bytes, Admitted | Quarantined], dict[tuple[int | None, int | None], Quarantined]]:
    by_manifest: dict[bytes, Admitted | Quarantined] = {}
    by_place: dict[tuple[int | None, int | None], Quarantined] = {}
    for leaf in ledger.leaves:
        if isinstance(leaf, Admitted):
            by_manifest[leaf.manifest] = leaf
        elif isinstance(leaf, Quarantined):
            by_place[leaf.offset, leaf.entry] = leaf
            if leaf.manifest:
                by_manifest.setdefault(leaf.manifest, leaf)
    return by_manifest, by_place


def _breaks(store: StoreEvidence) -> int:
    """Chain numbers in a reception log that are not the last + 1; quarantined numbers do not count as missing."""
    last: Counter[str] = Counter()
    refused = {(q.lane, q.number) for q in store.quarantined}
    breaks = 0
    for line in store.received:
        expected = last[line.lane] + 1
        while (line.lane, expected) in refused:
            expected += 1
        breaks += line.number != expected
        last[line.lane] = line.number or expected
    return breaks


Fate = tuple[AgencyId, Admitted, str, Verdict, Withheld | None]


def fates(ledgers: Mapping[AgencyId, Ledger]) -> Iterator[Fate]:
    """Every decision: lane, leaf, portion, the rules' verdict, and why it was withheld (None: released)."""
    for lane, ledger in ledgers.items():
        for leaf in ledger.leaves:
            if not isinstance(leaf, Admitted):
                continue
            active = set(leaf.active)
            for portion in leaf.portions:
                for verdict, why in outcomes(portion, ledger.rulings[Digest(portion.ruling)]):
                    if verdict.recipient in active:
                        yield lane, leaf, portion.name, verdict, why


def reasons_of(ledgers: Mapping[AgencyId, Ledger]) -> Counter[str]:
    """Why portions were withheld, with the rule that forbade where one did, and why entries were refused."""
    reasons: Counter[str] = Counter()
    for _, _, _, verdict, why in fates(ledgers):
        if why is Withheld.FORBIDDEN:
            reasons.update(verdict.rules or ["the rules could not be evaluated, so nothing is released"])
        elif why is not None:
            reasons[why] += 1
    for ledger in ledgers.values():
        reasons.update(
            f"quarantined: {leaf.reason}" for leaf in ledger.leaves if isinstance(leaf, Quarantined)
        )
    return reasons
