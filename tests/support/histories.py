"""Ledgers as a broker would write them, made from labels alone: nothing is sealed, and no cluster runs.

What is decided is decided by the broker's own `rule_on`, so a ledger made here differs from a real one in its
commitments and manifests only, which no replay reads.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from msgspec.structs import replace

from agencies.simulation.plan import planned_draft
from broker.policy import Engine
from broker.policy.deciding import Labelled, others, rule_on
from broker.policy.foreseeing import Portion
from deploy.stage.work import shares
from schemas.audience import audience
from schemas.canonical import Domains
from schemas.clock import ManualClock
from schemas.codes import Kind
from schemas.directory import Directory
from schemas.entropy import SystemEntropy
from schemas.ids import AgencyId
from schemas.labels import Label, handling_bytes, routing_bytes
from schemas.ledger import Admitted, LeafEntry, LedgerPortion, RulingEntry, entry_bytes, leaf_bytes
from schemas.records import KINDS
from schemas.rulings import ruling_digest


@dataclass(slots=True)
class Written:
    """One originator's ledger as it grows."""

    lane: AgencyId
    entries: list[bytes] = field(default_factory=list)
    leaves: int = 0
    rulings: set[bytes] = field(default_factory=set)


class Writer:
    """The ledgers of a federation. `sealed`: the directory that records are sealed under, if not the engine's own."""

    def __init__(self, domains: Domains, engine: Engine, sealed: Directory | None = None) -> None:
        self._domains = domains
        self._engine = engine
        self._sealed = sealed or engine.directory
        self.lanes = {agency: Written(agency) for agency in engine.directory.agency_ids}

    def admit(self, lane: AgencyId, kind: Kind, portions: Sequence[Portion], at_ms: int) -> Admitted:
        """Decide on a record and write it, with the rulings that were not written before."""
        written, bears = self.lanes[lane], {n: p.bears_persons for n, p in KINDS[kind].portions.items()}
        labelled = [
            Labelled(
                p.name, p.label, bears[p.name], audience(p.label, bears[p.name], lane, self._sealed, at_ms)
            )
            for p in portions
        ]
        active = others(self._engine.directory, lane, at_ms)
        ruled = rule_on(kind, labelled, active, self._engine, lane, at_ms)
        for one in ruled:
            named = ruling_digest(self._domains, one.ruling_bytes)
            if named not in written.rulings:
                written.rulings.add(named)
                written.entries.append(entry_bytes(RulingEntry(one.ruling_bytes)))
        number = written.leaves
        leaf = Admitted(
            number, at_ms, number, 0, number, 1,
            number.to_bytes(16, "big"), bytes(32), kind, at_ms // 1000,
            tuple(
                LedgerPortion(
                    p.name, bytes(32), handling_bytes(p.label.handling), routing_bytes(p.label.routing),
                    tuple(sorted(p.audience)), r.departed, r.ruling_digest,
                )
                for p, r in zip(labelled, ruled, strict=True)
            ),
            active,
        )  # fmt: skip
        written.leaves += 1
        written.entries.append(entry_bytes(LeafEntry(leaf_bytes(leaf))))
        return leaf


def planned(
    directory: Directory, records: int, now_ms: int
) -> Iterator[tuple[AgencyId, Kind, tuple[Portion, ...]]]:
    """The labels of the demo's planned records, shared among agencies as there."""
    for agency, share in shares(directory, records).items():
        for at in range(share):
            draft = planned_draft(agency, directory, 1, at, ManualClock(now_ms), SystemEntropy())
            yield agency, draft.kind, tuple(Portion(p.name, p.label) for p in draft.portions)


def later(portions: Iterable[Portion], days: int) -> tuple[Portion, ...]:
    """The same labels so many days later: dates of retention move along."""
    moved = []
    for p in portions:
        handling = replace(p.label.handling, retain_until=p.label.handling.retain_until + days)
        moved.append(Portion(p.name, Label(handling, p.label.routing)))
    return tuple(moved)
