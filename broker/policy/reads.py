"""What a policy reads: the ground for the ruling's key, for classes of recipients, and for proofs.

- A comparison with `context.at` is a `Moment`; the key holds its truth, never the instant itself.
- `agencies` are those that rules name; an answer for one of them holds for nobody else.
"""

from dataclasses import dataclass
from functools import reduce
from typing import Literal

Order = Literal["eq", "not_eq", "less", "less_eq", "greater", "greater_eq"]

MIRRORED: dict[Order, Order] = {
    "eq": "eq",
    "not_eq": "not_eq",
    "less": "greater",
    "less_eq": "greater_eq",
    "greater": "less",
    "greater_eq": "less_eq",
}


@dataclass(frozen=True, slots=True, order=True)
class Moment:
    """`context.at <order> X`, X a datetime attribute of the resource or a literal in milliseconds."""

    order: Order
    attribute: str | None
    literal_ms: int

    def truth(self, at_ms: int, value_ms: int) -> bool:
        """Whether the comparison holds at the instant, `value_ms` being what X stands for."""
        match self.order:
            case "eq":
                return at_ms == value_ms
            case "not_eq":
                return at_ms != value_ms
            case "less":
                return at_ms < value_ms
            case "less_eq":
                return at_ms <= value_ms
            case "greater":
                return at_ms > value_ms
            case "greater_eq":
                return at_ms >= value_ms


@dataclass(frozen=True, slots=True)
class Reads:
    """Attributes by variable, comparisons with the instant, and the ids that stand in the rules.

    `plain`: attributes of the resource of which more is read than whether the principal is in them; of all others in
    `resource` that truth is all that counts. `identity`: some rule looks at the principal itself in yet another way.
    `literals`: every (entity type, id) that is written out; `paired`: entity types of which two values that are both
    not written out are held against each other. Of a type that is not paired nothing counts but what is written out.
    """

    principal: frozenset[str] = frozenset()
    resource: frozenset[str] = frozenset()
    plain: frozenset[str] = frozenset()
    identity: bool = False
    literals: frozenset[tuple[str, str]] = frozenset()
    paired: frozenset[str] = frozenset()
    moments: frozenset[Moment] = frozenset()
    agencies: frozenset[str] = frozenset()
    communities: frozenset[str] = frozenset()

    def __or__(self, other: "Reads") -> "Reads":
        return Reads(
            self.principal | other.principal,
            self.resource | other.resource,
            self.plain | other.plain,
            self.identity or other.identity,
            self.literals | other.literals,
            self.paired | other.paired,
            self.moments | other.moments,
            self.agencies | other.agencies,
            self.communities | other.communities,
        )


NOTHING = Reads()


def union(*parts: Reads) -> Reads:
    """All of them together."""
    return reduce(Reads.__or__, parts, NOTHING)
