"""What the tools for policies cost: history under a draft, and proof, plan, lint and mutation as rules grow in number.

- *Replay*: a ledger of the simulation's planned labels, day after day, compared with a draft that has one rule more.
  The history is made before the clock runs. Without memory a small part of it is compared, for the ratio.
- The tools run once over the shipped `g7`, and over `g7` with synthetic rules beside its own. Of the mutants of these
  hardly any case speaks: most are asked of the solver, and shown by a record that Cedar decides twice.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import cycle, islice
from typing import Any

from broker.policy import Engine, load_policy
from broker.policy.cases import Case, read_cases
from broker.policy.entities import DAY_MS
from broker.policy.fates import AsRecorded, Under
from broker.policy.history import Replay, against_recorded
from broker.policy.proof.changes import Side, changes
from broker.policy.proof.lint import lint
from broker.policy.proof.mutate import mutate
from broker.policy.proof.prove import prove
from broker.policy.recorded import LaneHistory, Recorded
from broker.policy.trials import run_cases
from deploy.arrangements import SHIPPED, ArrangementSource, read_arrangement
from schemas.canonical import Domains
from schemas.ids import Digest
from tests.bench.federations import rules
from tests.bench.members import NOW_MS
from tests.support.histories import Writer, later, planned

_DOMAINS = Domains("bench")
_MORE = """
@id("one-rule-more")
@reason("Technical information reaches no source state.")
@legal_basis("none; a rule of the benchmark")
forbid (principal is Agency, action == Action::"receive", resource is Portion)
when {
  principal.role == AgencyRole::"source_state" && resource.kind == Kind::"technical_information"
};
"""


@dataclass(slots=True)
class Tools:
    """Seconds of processor that each tool took over one set of rules."""

    rules: int
    seconds: dict[str, float] = field(default_factory=dict)
    mutants: int = 0
    classes: int = 0

    def as_json(self) -> dict[str, Any]:
        return {
            "rules": self.rules,
            "seconds": {name: round(s, 2) for name, s in self.seconds.items()},
            "mutants": self.mutants,
            "classes": self.classes,
        }


@dataclass(slots=True)
class Policies:
    """Decisions replayed and how fast, with memory and without; the tools over few rules and many."""

    decisions: int = 0
    seconds: float = 0.0
    flows: int = 0
    decisions_without: int = 0
    seconds_without: float = 0.0
    tools: list[Tools] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        """How many times as many decisions a second with memory."""
        return (self.decisions / self.seconds) / (self.decisions_without / self.seconds_without)

    def as_json(self) -> dict[str, Any]:
        return {
            "replay": {
                "decisions": self.decisions,
                "seconds": round(self.seconds, 2),
                "per_s": round(self.decisions / self.seconds),
                "flows_changed": self.flows,
                "memory_over_none": round(self.ratio, 1),
            },
            "tools": [one.as_json() for one in self.tools],
        }


def run_policies(decisions: int, grown: int, *, quick: bool) -> Policies:
    """`decisions`: pairs to replay; `grown`: how many rules the larger arrangement has."""
    source = read_arrangement(SHIPPED / "g7")
    draft = _with(source, {"sharing/more.cedar": _MORE})
    out = Policies()
    _replay(out, source, draft, decisions)
    few = _tools(source, draft, mutated=True)
    out.tools.append(few)
    larger = _with(source, dict(rules(grown - len(source.policy.rules), source.directory)))
    out.tools.append(_tools(larger, _with(larger, {"sharing/more.cedar": _MORE}), mutated=not quick))
    return out


def _with(source: ArrangementSource, more: dict[str, str]) -> ArrangementSource:
    policies = {**source.policies, **more}
    policy = load_policy(policies, source.schema_text, source.directory)
    return replace(source, policies=policies, policy=policy)


def _engine(source: ArrangementSource) -> Engine:
    return Engine(_DOMAINS, source.policy, source.directory, Digest(bytes(32)))


def _history(source: ArrangementSource, decisions: int) -> Iterator[Recorded]:
    """Recorded records of so many decisions in all, each day the same labels."""
    writer, pairs = Writer(_DOMAINS, _engine(source)), 0
    lanes = {agency: LaneHistory(_DOMAINS, agency) for agency in source.directory.agency_ids}
    drafts = list(planned(source.directory, 1000, NOW_MS))
    for n, (lane, kind, portions) in enumerate(cycle(drafts)):
        day = n // len(drafts)
        leaf = writer.admit(lane, kind, later(portions, day), NOW_MS + day * DAY_MS)
        yield from lanes[lane].read_all(writer.lanes[lane].entries)
        writer.lanes[lane].entries.clear()
        pairs += len(leaf.portions) * len(leaf.active)
        if pairs >= decisions:
            return


def _replay(out: Policies, source: ArrangementSource, draft: ArrangementSource, decisions: int) -> None:
    history = list(_history(source, decisions))
    compared = against_recorded(_engine(draft))
    out.seconds = _spent(lambda: _take(compared, history))
    found = compared.changes()
    out.decisions, out.flows = found.pairs_before, len(found.flows)
    without = Replay(AsRecorded(), Under(_engine(draft)), remembered=0)
    part = list(islice(history, max(1, len(history) // 20)))
    out.seconds_without = _spent(lambda: _take(without, part))
    out.decisions_without = without.changes().pairs_before


def _take(replay: Replay, history: list[Recorded]) -> None:
    for record in history:
        replay.take(record)


def _tools(source: ArrangementSource, draft: ArrangementSource, *, mutated: bool) -> Tools:
    out = Tools(len(source.policy.rules))
    policy, directory = source.policy, source.directory

    def planned_changes() -> None:
        found = changes(Side(policy, directory), Side(draft.policy, directory), NOW_MS)
        out.classes = len(found.flows)

    out.seconds["prove"] = _spent(lambda: prove(policy, directory, source.invariants, NOW_MS))
    out.seconds["plan"] = _spent(planned_changes)
    out.seconds["lint"] = _spent(lambda: lint(policy, directory))
    if mutated:
        cases = _holding(source)

        def run() -> None:
            out.mutants = mutate(policy, directory, cases, NOW_MS).total

        out.seconds["mutate"] = _spent(run)
    return out


def _holding(source: ArrangementSource) -> tuple[Case, ...]:
    """The cases that hold: rules that were grown beside those of the cases make some fail."""
    cases = read_cases(source.cases, source.directory, source.policy.rules)
    return tuple(trial.case for trial in run_cases(source.policy, cases) if trial.holds)


def _spent(work: Callable[[], object]) -> float:
    begun = time.process_time()
    work()
    return time.process_time() - begun
