"""Sharing rules: Cedar text that is checked, loaded, and asked on labels. No I/O; imports `schemas` only.

The way: `lexer` cuts the text, `schema` and `subset` admit what may be said, `loader` puts it together,
`entities` says what rules see, `ruling` asks and remembers.
"""

from broker.policy.faults import Fault, PolicyError
from broker.policy.loader import Policy, Rule, load_policy
from broker.policy.ruling import Engine, Stats

__all__ = ["Engine", "Fault", "Policy", "PolicyError", "Rule", "Stats", "load_policy"]
