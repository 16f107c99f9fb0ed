"""A lane's decisions made again from its ledger alone, for when the submissions are no longer there.

- Each admitted leaf says labels, audience and commitments; rules, gate and directory of the version that was active
  give the rulings, who was addressed no longer, who is released to, and with them every certificate and chain.
- What it cannot do again is admission: that what was refused was bad and what was admitted was signed. Only the
  submissions prove that (`broker.replay`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from broker.policy.deciding import Labelled, Ruled, others, rule_on
from broker.versions import Version, Versions
from schemas.certificate import Head
from schemas.certifying import Told, certificates_of
from schemas.ids import AgencyId, Digest
from schemas.labels import Label, UnknownCode, parse_handling, parse_routing
from schemas.ledger import (
    Activation,
    Admitted,
    CheckpointEntry,
    ControlNoted,
    LedgerEntry,
    Quarantined,
    RulingEntry,
    ledger_leaf_hash,
    parse_leaf,
)
from schemas.merkle import EMPTY_FRONTIER
from schemas.records import bears_persons
from schemas.rulings import ruling_digest


@dataclass(frozen=True, slots=True)
class Place:
    """Where a delivery comes from: the submission's offset, and its number in the recipient's chain."""

    offset: int
    recipient: AgencyId
    number: int


@dataclass(slots=True)
class FromLedger:
    """What the ledger comes to, and where it contradicts its own arrangement."""

    root: Digest
    leaves: int
    certificates: dict[AgencyId, list[bytes]] = field(default_factory=dict)
    heads: dict[AgencyId, Head] = field(default_factory=dict)
    places: list[Place] = field(default_factory=list)
    """Every delivery, in the order of the lane."""
    offsets: dict[int, int] = field(default_factory=dict)
    """The last leaf of each submission that has one."""
    differences: list[str] = field(default_factory=list)


def replay_ledger(lane: AgencyId, entries: Sequence[LedgerEntry], versions: Versions) -> FromLedger:
    """Decide again on all that the ledger says was admitted. `entries`: all of them, in order."""
    return _Replay(lane, versions).run(entries)


class _Replay:
    def __init__(self, lane: AgencyId, versions: Versions) -> None:
        self._lane = lane
        self._versions = versions
        self._active: Version | None = None
        self._written: set[Digest] = set()
        self._held: dict[bytes, dict[AgencyId, Digest]] = {}
        self._frontier = EMPTY_FRONTIER
        self._out = FromLedger(EMPTY_FRONTIER.root(), 0)

    def run(self, entries: Sequence[LedgerEntry]) -> FromLedger:
        domains = next(iter(self._versions.values())).arrangement.domains
        for entry in entries:
            if isinstance(entry, CheckpointEntry):
                continue  # what the leaves come to; `broker.rounds.contradictions` judges it
            if isinstance(entry, RulingEntry):
                self._written.add(ruling_digest(domains, entry.ruling))
                continue
            leaf = parse_leaf(entry.leaf)
            number = self._frontier.size
            if leaf.number != number:
                self._differs(number, f"bears the number {leaf.number}")
            self._frontier = self._frontier.append(ledger_leaf_hash(domains, entry.leaf))
            if isinstance(leaf, Activation):
                self._activate(leaf)
            else:
                self._out.offsets[leaf.offset] = number
            if isinstance(leaf, Admitted):
                self._admitted(leaf)
            elif isinstance(leaf, Quarantined | ControlNoted) and self._active is None:
                self._differs(number, "stands before the first activation")
        self._out.root, self._out.leaves = self._frontier.root(), self._frontier.size
        return self._out

    def _differs(self, number: int, what: str) -> None:
        self._out.differences.append(f"leaf {number} {what}")

    def _activate(self, leaf: Activation) -> None:
        self._active = self._versions.get(Digest(leaf.arrangement))
        if self._active is None:
            self._differs(
                leaf.number, f"activates version {leaf.arrangement.hex()[:16]}, which nobody signed"
            )

    def _admitted(self, leaf: Admitted) -> None:
        version = self._active
        if version is None:
            self._differs(leaf.number, "is decided under no version that was signed")
            return
        active = others(version.engine.directory, self._lane, leaf.at_ms)
        if active != leaf.active:
            self._differs(leaf.number, "names other active agencies than its version")
        try:
            labelled = [
                Labelled(
                    p.name,
                    Label(parse_handling(p.handling), parse_routing(p.routing)),
                    bears_persons(leaf.kind, p.name),
                    frozenset(AgencyId(a) for a in p.audience),
                )
                for p in leaf.portions
            ]
        except (UnknownCode, KeyError, msgspec.MsgspecError):
            self._differs(leaf.number, "has a label, kind or portion that admission refuses")
            return
        ruled = rule_on(leaf.kind, labelled, active, version.engine, self._lane, leaf.at_ms)
        for portion, again in zip(leaf.portions, ruled, strict=True):
            if portion.ruling != again.ruling_digest:
                self._differs(leaf.number, f"names another ruling on '{portion.name}' than the rules give")
            if again.ruling_digest not in self._written:
                self._differs(
                    leaf.number, f"rests on a ruling on '{portion.name}' that was not written before it"
                )
            if portion.departed != again.departed:
                self._differs(leaf.number, f"says otherwise who of '{portion.name}' was addressed no longer")
        self._certify(leaf, ruled, version)

    def _certify(self, leaf: Admitted, ruled: Sequence[Ruled], version: Version) -> None:
        shares = {
            recipient: [i for i, portion in enumerate(ruled) if recipient in portion.released_to]
            for recipient in sorted({r for portion in ruled for r in portion.released_to})
        }
        rulings, told = [portion.ruling for portion in ruled], Told(version.reasons)
        held, heads = self._held.setdefault(leaf.record_id, {}), self._out.heads
        certified = certificates_of(leaf, rulings, shares, self._lane, version.arrangement, told, held, heads)
        for recipient, certificate in certified:
            self._out.certificates.setdefault(recipient, []).append(certificate)
            self._out.places.append(Place(leaf.offset, recipient, heads[recipient].number))
            held[recipient] = Digest(leaf.manifest)
