"""Test cases held against the rules: what a case says, what the rules decide, and which rules no case speaks of.

- The record goes the way of a preview (`foreseeing`), which is that of admission: refused whole, or decided by pairs.
- A case holds if nothing differs. What differs is told in words, with the rules that decide and their reasons.
- A rule is covered by a case that names a pair which the rule decides. To name the rule as well pins it.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from broker.policy.cases import Case, Stated
from broker.policy.foreseeing import Foreseen, foresee, refusal, whole
from broker.policy.loader import Policy
from broker.policy.ruling import Engine
from schemas.canonical import Domains
from schemas.codes import PortionName
from schemas.ids import AgencyId, Digest, RuleId
from schemas.verdicts import Refused, Verdict, Withheld

_WITHHELD: Mapping[Withheld, str] = {
    Withheld.GATE: "the protection gate bars it",
    Withheld.NOT_ADDRESSED: "it is not addressed",
    Withheld.NO_PERMIT: "no rule permits it",
    Withheld.FORBIDDEN: "it is forbidden",
}


@dataclass(frozen=True, slots=True)
class Mismatch:
    """One thing that comes out otherwise than a case says; `portion` and `agency` None: the whole record."""

    portion: PortionName | None
    agency: AgencyId | None
    says: str
    finds: str

    def __str__(self) -> str:
        about = "the record" if self.portion is None else f"{self.portion} to {self.agency}"
        return f"{about}: the case says that {self.says}; {self.finds}"


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of a case. `decided`: for each rule, how many of the pairs that the case names it decides."""

    case: Case
    mismatches: tuple[Mismatch, ...]
    decided: Mapping[RuleId, int]

    @property
    def holds(self) -> bool:
        return not self.mismatches


@dataclass(frozen=True, slots=True)
class Covered:
    """How many stated pairs a rule decides, and in how many of them the case names the rule."""

    pairs: int
    pinned: int


class Court:
    """Runs cases against one policy; an engine for each directory that they suppose is kept."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._engines: dict[int, Engine] = {}

    def run(self, case: Case) -> Trial:
        """Hold one case against the rules."""
        engine = self._engine(case)
        refused = refusal(engine, case.originator, case.kind, case.portions, case.at_ms)
        if refused is not None or case.refused is not None:
            same = refused is case.refused
            found = () if same else (Mismatch(None, None, _admission(case.refused), _found(refused)),)
            return Trial(case, found, {})
        mismatches: list[Mismatch] = []
        decided: dict[RuleId, int] = {}
        stated = {(s.portion, s.agency): s for s in case.stated}
        verdicts = self._verdicts(engine, case)
        for portion in foresee(engine, case.originator, case.kind, case.portions, case.at_ms):
            outcomes = {one.recipient: one for one in portion.outcomes}
            for verdict in verdicts[portion.name]:
                agency = verdict.recipient
                # Who is suspended is no pair of the record, and is not addressed, whatever the label says.
                one = outcomes.get(agency) or Foreseen(agency, Withheld.NOT_ADDRESSED, ())
                said = stated.get((portion.name, agency))
                if said is not None:
                    for rule in one.rules if said.rules is None else verdict.rules:
                        decided[rule] = decided.get(rule, 0) + 1
                says = self._against(said, one, verdict)
                if says is not None:
                    mismatches.append(Mismatch(portion.name, agency, says, self._outcome(one, verdict)))
        return Trial(case, tuple(mismatches), decided)

    def _engine(self, case: Case) -> Engine:
        # By identity, which no other directory can take over: the engine that is kept keeps its directory.
        engine = self._engines.get(id(case.directory))
        if engine is None:
            engine = Engine(Domains("cases"), self._policy, case.directory, Digest(bytes(32)))
            self._engines[id(case.directory)] = engine
        return engine

    @staticmethod
    def _verdicts(engine: Engine, case: Case) -> dict[PortionName, tuple[Verdict, ...]]:
        """What gate and rules say of each portion, the audience aside: the ruling that a preview reads."""
        record, verdicts = whole(case.kind, case.portions), {}
        for portion in case.portions:
            _, _, ruling = engine.rule(
                originator=case.originator,
                kind=case.kind,
                portion=portion.name,
                label=portion.label,
                record=record,
                at_ms=case.at_ms,
            )
            verdicts[portion.name] = ruling.verdicts
        return verdicts

    @staticmethod
    def _against(said: Stated | None, one: Foreseen, verdict: Verdict) -> str | None:
        """What the case says, if the outcome is another."""
        if said is None:
            return "only those in 'gets' get it" if one.withheld is None else None
        if said.withheld is one.withheld and said.rules in (None, verdict.rules):
            return None
        by = _quoted(said.rules or ())
        if said.withheld is None:
            return f"it gets it, by {by}" if by else "it gets it"
        if said.withheld is Withheld.FORBIDDEN:
            return f"it does not get it, forbidden by {by or 'some rule'}"
        if said.rules is None:
            return _WITHHELD[said.withheld]
        return f"{_WITHHELD[said.withheld]}, and {f'the rules decide by {by}' if by else 'no rule decides'}"

    def _outcome(self, one: Foreseen, verdict: Verdict) -> str:
        """How the pair is decided: by what, by which rules, with their reasons."""
        told = " and ".join(
            f"'{rule}' ({self._policy.rules[rule].reason.rstrip('.')})" for rule in verdict.rules
        )
        if one.withheld is None:
            return f"it is permitted by {told}"
        words = _WITHHELD[one.withheld]
        if one.withheld is Withheld.FORBIDDEN:
            return f"{words} by {told}" if told else f"{words}: the rules could not be evaluated"
        if one.withheld is Withheld.NO_PERMIT:
            return words
        if not told:
            return f"{words}, and no rule decides"
        return f"{words}, and the rules {verdict.effect} it by {told}"


def run_cases(policy: Policy, cases: Iterable[Case]) -> Iterator[Trial]:
    """Each case held against the rules, one by one: who wants to know only whether all hold stops at the first."""
    court = Court(policy)
    return (court.run(case) for case in cases)


def coverage(policy: Policy, trials: Iterable[Trial]) -> dict[RuleId, Covered]:
    """Each rule of the policy, by id, with what the cases say of it."""
    pairs = dict.fromkeys(policy.rules, 0)
    pinned = dict.fromkeys(policy.rules, 0)
    for trial in trials:
        for rule, count in trial.decided.items():
            pairs[rule] += count
        for stated in trial.case.stated:
            for rule in stated.rules or ():
                if rule in pinned:
                    pinned[rule] += 1
    return {rule: Covered(pairs[rule], pinned[rule]) for rule in policy.rules}


def _quoted(rules: Iterable[RuleId]) -> str:
    return ", ".join(f"'{rule}'" for rule in rules)


def _admission(refused: Refused | None) -> str:
    return "it is admitted" if refused is None else f"it is refused as '{refused}'"


def _found(refused: Refused | None) -> str:
    return "it would be admitted" if refused is None else f"it is refused as '{refused}'"
