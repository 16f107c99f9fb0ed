"""An agency's own overlay: it may withhold anything, and open only what it originated itself.

A permit of an overlay must say `resource.originator == Agency::"me"` as a part of a `when` that has to hold
whatever else does. Nothing weaker is looked for: what is not seen at once by a reader is refused.
"""

from collections.abc import Iterator

from cedarpy import pst

from broker.policy.faults import Fault, PolicyError
from broker.policy.loader import Policy
from schemas.ids import AgencyId
from schemas.verdicts import Effect


def check_overlay(overlay: Policy, agency: AgencyId) -> None:
    """Raises: `PolicyError` for each permit that reaches beyond what the agency originated."""
    own = {
        pst.BinaryOp("eq", left, right)
        for me in [pst.EntityLit(pst.EntityUid(pst.EntityType("Agency"), agency))]
        for originator in [pst.GetAttr(pst.Var("resource"), "originator")]
        for left, right in ((originator, me), (me, originator))
    }
    faults = [
        Fault(
            rule.file, rule.line, None, rule.id, f"a permit of {agency} must be on what it originated itself"
        )
        for rule in overlay.rules.values()
        if rule.effect is Effect.PERMIT and own.isdisjoint(_required(rule.node))
    ]
    if faults:
        raise PolicyError(faults)


def _required(node: pst.Template) -> Iterator[pst.Expr]:
    """The conditions that all have to hold."""
    pending = [clause.expr for clause in node.clauses if isinstance(clause, pst.When)]
    while pending:
        expr = pending.pop()
        if isinstance(expr, pst.BinaryOp) and expr.op == "and":
            pending += [expr.left, expr.right]
        else:
            yield expr
