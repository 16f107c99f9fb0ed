"""Which slips in the rules no test case would notice: each mutant of each rule, against the cases, then against z3.

- A mutant changes one rule, so everything else that decides a pair is worked out once. Of the changed rule Cedar says
  where it is satisfied; from there on the outcome is the sum of what is known.
- A mutant that no case notices is asked of the solver: is there any question at all on which it releases otherwise?
  If not, it is proved equivalent. If so, the question is shown: it is the test case that is missing.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

import cedarpy
import z3

from broker.policy.asking import agencies_of, portion_json, requests
from broker.policy.cases import Case, Stated
from broker.policy.entities import Portion, expressible
from broker.policy.foreseeing import Foreseen, whole
from broker.policy.loader import Policy, Rule, policy_set
from broker.policy.proof.mutants import Mutant, mutants
from broker.policy.proof.solver import Literal, Named, Solver
from broker.policy.proof.witness import Disagreement, Witness, Witnesses
from broker.policy.proof.world import World
from broker.policy.roster import Recipient, Roster
from schemas.audience import audience
from schemas.directory import Directory
from schemas.gate import barred
from schemas.ids import RuleId
from schemas.records import bears_persons
from schemas.verdicts import Effect, Verdict, outcome

MOST_SHOWN: Final = 50
"""So many unnoticed mutants are shown by a record: whoever has more has no cases to speak of."""

_RULE: Final = "mutant"


class Fate(StrEnum):
    """What becomes of a mutant that no case notices."""

    EQUIVALENT = "equivalent"
    UNNOTICED = "unnoticed"


@dataclass(frozen=True, slots=True)
class Survivor:
    """A mutant that no case notices. `witness`: a question that it decides otherwise.

    None where it is equivalent, and beyond the first `MOST_SHOWN`.
    """

    mutant: Mutant
    fate: Fate
    witness: Witness | None = None
    before: Foreseen | None = None
    after: Foreseen | None = None


@dataclass(frozen=True, slots=True)
class Mutated:
    """What came of all mutants. `survivors`: those that no case notices, in the order of the rules."""

    total: int
    survivors: tuple[Survivor, ...]

    @property
    def unnoticed(self) -> tuple[Survivor, ...]:
        return tuple(one for one in self.survivors if one.fate is Fate.UNNOTICED)


def mutate(
    policy: Policy,
    directory: Directory,
    cases: Iterable[Case],
    at_ms: int,
    progress: Callable[[str], None] = lambda rule: None,
) -> Mutated:
    """Try every mutant. The cases must hold as the rules are.

    Raises: `ValueError` if one does not; `Disagreement` if Cedar decides otherwise than the solver.
    """
    bench = _Bench(policy, cases)
    judge = _Judge(policy, directory, at_ms)
    total, unnoticed, survivors = 0, 0, list[Survivor]()
    for rule in sorted(policy.rules.values(), key=lambda r: (r.file, r.line)):
        progress(rule.id)
        for mutant in mutants(rule):
            total += 1
            if not bench.notices(mutant):
                survivors.append(judge.judged(mutant, shown=unnoticed < MOST_SHOWN))
                unnoticed += survivors[-1].fate is Fate.UNNOTICED
    return Mutated(total, tuple(survivors))


# -- the cases -------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Pair:
    """One pair of one case. `rules`: those satisfied, by effect, as the policy is."""

    recipient: Recipient
    said: Stated | None
    addressed: bool
    barred: bool
    permits: frozenset[RuleId]
    forbids: frozenset[RuleId]

    def noticed(self, permits: frozenset[RuleId], forbids: frozenset[RuleId]) -> bool:
        """Whether the case would fail if these rules were satisfied."""
        effect = Effect.FORBID if forbids else Effect.PERMIT if permits else Effect.NONE
        rules = tuple(sorted(forbids or permits))
        withheld = outcome(Verdict(self.recipient.agency, self.barred, effect, rules), self.addressed)
        if self.said is None:
            return withheld is None
        return withheld != self.said.withheld or self.said.rules not in (None, rules)


@dataclass(slots=True)
class _Group:
    """The pairs of one portion of one case, with what Cedar needs to answer for them."""

    pairs: list[_Pair]
    requests: list[dict[str, Any]]
    entities: cedarpy.Entities


class _Bench:
    def __init__(self, policy: Policy, cases: Iterable[Case]) -> None:
        self._policy = policy
        self._groups = [group for case in cases if case.refused is None for group in self._of_case(case)]
        for effect in Effect.PERMIT, Effect.FORBID:
            self._learn(effect)
        for group in self._groups:
            for pair in group.pairs:
                if pair.noticed(pair.permits, pair.forbids):
                    raise ValueError("a case fails as the rules are; `entente policy test` says which")

    def notices(self, mutant: Mutant) -> bool:
        """Whether some case fails under the mutant."""
        rule, was = mutant.rule.id, mutant.rule.effect
        # Where the rule holds as it is, a mutant is noticed most often.
        nearest = sorted(self._groups, key=lambda group: not any(_has(pair, rule) for pair in group.pairs))
        handle = None if mutant.node is None else policy_set({_RULE: replace(mutant.node, effect="permit")})
        for group in nearest:
            held = [False] * len(group.pairs) if handle is None else self._satisfied(handle, group)
            for pair, holds in zip(group.pairs, held, strict=True):
                if holds is _has(pair, rule) and mutant.effect is was:
                    continue
                permits, forbids = pair.permits - {rule}, pair.forbids - {rule}
                if holds and mutant.effect is Effect.PERMIT:
                    permits |= {rule}
                elif holds:
                    forbids |= {rule}
                if pair.noticed(permits, forbids):
                    return True
        return False

    def _satisfied(self, handle: cedarpy.PolicySet, group: _Group) -> list[bool]:
        results = cedarpy.is_authorized_batch(
            group.requests, handle, group.entities, self._policy.schema.handle
        )
        return [result.decision is cedarpy.Decision.Allow for result in results]

    def _learn(self, effect: Effect) -> None:
        """Which rules of an effect are satisfied: where only they are asked, Cedar names every one."""
        nodes = {
            str(rule.id): replace(rule.node, effect="permit")
            for rule in self._policy.rules.values()
            if rule.effect is effect
        }
        handle = policy_set(nodes)
        for group in self._groups:
            results = cedarpy.is_authorized_batch(
                group.requests, handle, group.entities, self._policy.schema.handle
            )
            for pair, result in zip(group.pairs, results, strict=True):
                rules = frozenset(RuleId(reason) for reason in result.diagnostics.reasons)
                if effect is Effect.PERMIT:
                    pair.permits = rules
                else:
                    pair.forbids = rules

    def _of_case(self, case: Case) -> Iterator[_Group]:
        roster = Roster(
            case.directory,
            case.at_ms,
            frozenset(self._policy.schema.attributes["principal"]),
            self._policy.reads.principal,
        )
        stated = {(s.portion, s.agency): s for s in case.stated}
        record = whole(case.kind, case.portions)
        for portion in case.portions:
            bears = bears_persons(case.kind, portion.name)
            handling, routing = portion.label.handling, portion.label.routing
            entry = case.directory.agency(case.originator)
            facts = Portion(entry, case.kind, portion.name, bears, handling, routing, record)
            assert expressible(facts), "a day of a label is within the years that Cedar can say"
            to = audience(portion.label, bears, case.originator, case.directory, case.at_ms)
            recipients = roster.recipients(case.originator, portion.label)
            active = case.directory.active(case.at_ms)
            pairs = [
                _Pair(
                    r,
                    stated.get((portion.name, r.agency)),
                    r.agency in to,
                    # Who is suspended is no pair of the record: not addressed, and nothing else.
                    r.agency in active and barred(bears, handling, r.exposed),
                    frozenset(),
                    frozenset(),
                )
                for r in recipients
            ]
            # No rule can make a difference to a pair that is not addressed or barred, unless the case names its rules.
            pairs = [
                p
                for p in pairs
                if (p.addressed and not p.barred) or (p.said is not None and p.said.rules is not None)
            ]
            if pairs:
                recipients = [pair.recipient for pair in pairs]
                known = agencies_of(recipients, self._policy).with_added_json_str(
                    portion_json(self._policy, facts), self._policy.schema.handle
                )
                yield _Group(pairs, requests(recipients, case.at_ms), known)


def _has(pair: _Pair, rule: RuleId) -> bool:
    return rule in pair.permits or rule in pair.forbids


# -- the solver ------------------------------------------------------------------------------------------------


class _Judge:
    """Says of a mutant whether it releases anything otherwise, and shows what."""

    def __init__(self, policy: Policy, directory: Directory, at_ms: int) -> None:
        self._policy, self._directory = policy, directory
        self._world = World.of(directory, policy.reads)
        self._solver = Solver(self._world)
        self._witnesses = Witnesses(self._solver, directory, at_ms)
        self._named = Named.of(policy, self._solver)

    def judged(self, mutant: Mutant, *, shown: bool) -> Survivor:
        rule = str(mutant.rule.id)
        permits = [literal for name, literal in self._named.permits.items() if name != rule]
        forbids = [literal for name, literal in self._named.forbids.items() if name != rule]
        if mutant.node is not None:
            holds = self._world.logic().satisfied(mutant.node)
            (permits if mutant.effect is Effect.PERMIT else forbids).append(holds)
        now = z3.And(self._named.open, z3.Or(*permits), z3.Not(z3.Or(*forbids)))
        changed: Literal = self._solver.name(self._named.released != now)
        if not shown:
            same = self._solver.possible(changed) is None
            return Survivor(mutant, Fate.EQUIVALENT if same else Fate.UNNOTICED)
        witness = self._witnesses.witness(changed)
        if witness is None:
            return Survivor(mutant, Fate.EQUIVALENT)
        before = witness.decided(self._policy, self._directory)
        after = witness.decided(_with(self._policy, mutant), self._directory)
        if (before.withheld is None) is (after.withheld is None):
            raise Disagreement(
                f"the formulas say that a mutant differs, Cedar does not: {witness.document()}"
            )
        return Survivor(mutant, Fate.UNNOTICED, witness, before, after)


def _with(policy: Policy, mutant: Mutant) -> Policy:
    """The policy with the mutant in the place of its rule."""
    rules: dict[RuleId, Rule] = {name: rule for name, rule in policy.rules.items() if name != mutant.rule.id}
    if mutant.node is not None and mutant.effect is not None:
        rules[mutant.rule.id] = replace(mutant.rule, node=mutant.node, effect=mutant.effect)
    return replace(
        policy, rules=rules, handle=policy_set({str(rule.id): rule.node for rule in rules.values()})
    )
