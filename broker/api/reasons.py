"""An outcome and the rules that decided it, with their reasons, as people read them."""

from collections.abc import Iterable
from typing import Self

from broker.policy.foreseeing import Foreseen
from broker.versions import Version
from schemas.directory import AgencyField
from schemas.ids import RuleId
from schemas.model import Model
from schemas.verdicts import Withheld


class OutcomeBody(Model):
    """What one agency gets of a portion. `withheld`: why not, null when it is released; `rules`: those that decide."""

    recipient: AgencyField
    withheld: Withheld | None
    rules: tuple[RuleId, ...]

    @classmethod
    def of(cls, one: Foreseen) -> Self:
        return cls(recipient=one.recipient, withheld=one.withheld, rules=one.rules)


class RuleBody(Model):
    """A rule's reason in plain words, as it stands in the version that decided."""

    reason: str


def rules_of(version: Version, rules: Iterable[RuleId]) -> dict[RuleId, RuleBody]:
    """Each rule once, in the order of their ids."""
    return {rule: RuleBody(reason=version.reasons[rule]) for rule in sorted(set(rules))}
