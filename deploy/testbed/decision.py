"""What was decided on one record, as its lane's ledger proves it: who got which portion, who did not, and why.

It is said in the shape in which a preview says it (`broker.policy.foreseeing`), so the two can be compared.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from uuid import UUID

from broker.policy.foreseeing import Foreseen
from broker.policy.recorded import outcomes
from deploy.stage.evidence import Ledger
from deploy.stage.reasons import refused_because, withheld_because
from schemas.codes import PortionName
from schemas.ids import AgencyId, Digest
from schemas.ledger import Admitted, Quarantined
from schemas.verdicts import Refused

Outcomes = Mapping[AgencyId, Mapping[PortionName, Foreseen]]


@dataclass(frozen=True, slots=True, repr=False)
class Decision:
    """The decision on a record. `refused`: why it was quarantined at admission, and then there are no outcomes.

    `outcomes`: for every other active agency and each portion, released or the reason why not, and the rules.
    """

    record: UUID
    originator: AgencyId
    portions: tuple[PortionName, ...]
    outcomes: Outcomes
    refused: Refused | None = None

    def released(self, portion: str) -> frozenset[AgencyId]:
        """Who a portion was released to. Raises: `ValueError` for one that the record does not have."""
        return frozenset(o.recipient for o in self._of(portion) if o.withheld is None)

    def expect_released(self, portion: str, to: Iterable[str] = ()) -> None:
        """Raises: `AssertionError`, which tells each agency's outcome, unless exactly `to` were given the portion."""
        __tracebackhide__ = True  # pytest then shows the line of the test
        wanted, found = frozenset(to), frozenset(map(str, self.released(portion)))
        if wanted != found:
            raise AssertionError(
                f"portion '{portion}' of a record of '{self.originator}': expected for {_names(wanted)}, "
                f"released to {_names(found)}\n{self}"
            )

    def __str__(self) -> str:
        """Every outcome in plain words, a line each."""
        if self.refused is not None:
            return f"  quarantined at admission: {refused_because(self.refused)} ({self.refused})"
        return "\n".join(f"  {line}" for portion in self.portions for line in self._told(portion))

    def __repr__(self) -> str:
        return f"<decision on record {self.record} of '{self.originator}'>"

    def _of(self, portion: str) -> list[Foreseen]:
        if self.refused is not None:
            return []
        if portion not in self.portions:
            raise ValueError(f"the record has no portion '{portion}', but {', '.join(self.portions)}")
        return [of[PortionName(portion)] for of in self.outcomes.values()]

    def _told(self, portion: PortionName) -> Iterator[str]:
        for one in self._of(portion):
            what = (
                f"released by {', '.join(one.rules)}"
                if one.withheld is None
                else f"withheld: {withheld_because(one.withheld, one.rules)}"
            )
            yield f"{portion:<12} {one.recipient:<15} {what}"


def find_decision(ledgers: Mapping[AgencyId, Ledger], record: UUID) -> Decision | None:
    """The newest decision on a record, whoever published it; None: there is none yet."""
    for lane, ledger in ledgers.items():
        for leaf in reversed(ledger.leaves):
            if isinstance(leaf, Admitted | Quarantined) and leaf.record_id == record.bytes:
                return _decision(lane, ledger, leaf)
    return None


def _decision(lane: AgencyId, ledger: Ledger, leaf: Admitted | Quarantined) -> Decision:
    record = UUID(bytes=leaf.record_id)
    if isinstance(leaf, Quarantined):
        return Decision(record, lane, (), {}, leaf.reason)
    found: dict[AgencyId, dict[PortionName, Foreseen]] = {AgencyId(a): {} for a in leaf.active}
    for portion in leaf.portions:
        for one in outcomes(leaf, portion, ledger.rulings[Digest(portion.ruling)]):
            found[one.recipient][PortionName(portion.name)] = one
    return Decision(record, lane, tuple(PortionName(p.name) for p in leaf.portions), found)


def _names(agencies: Iterable[str]) -> str:
    return ", ".join(sorted(agencies)) or "nobody"
