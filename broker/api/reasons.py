"""The rules that decided something, with their reasons, as people read them."""

from collections.abc import Iterable

from broker.versions import Version
from schemas.ids import RuleId
from schemas.model import Model


class RuleBody(Model):
    """A rule's reason in plain words, as it stands in the version that decided."""

    reason: str


def rules_of(version: Version, rules: Iterable[RuleId]) -> dict[RuleId, RuleBody]:
    """Each rule once, in the order of their ids."""
    return {rule: RuleBody(reason=version.reasons[rule]) for rule in sorted(set(rules))}
