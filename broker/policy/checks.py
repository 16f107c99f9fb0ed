"""What an arrangement must pass before anybody signs it: rules without a fault, test cases that hold, proofs.

Whoever proposes, signs or publishes a version runs these on the version itself: it carries its invariants and cases.
What holds goes on holding until all of them pass.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from broker.policy.arranged import ArrangementError, ArrangementSource
from broker.policy.cases import read_cases
from broker.policy.proof.lint import lint
from broker.policy.proof.prove import Proof, prove
from broker.policy.proof.words import witness_lines
from broker.policy.trials import run_cases
from schemas.lined_yaml import YamlError


@dataclass(frozen=True, slots=True)
class Step:
    """One check: what was found in a line, and what is wrong, a line or more each; empty: it passed."""

    name: str
    found: str
    wrong: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        return not self.wrong


def checks(
    source: ArrangementSource, at_ms: int, progress: Callable[[str], None] = lambda step: None
) -> Iterator[Step]:
    """The steps, one by one: who only wants to know whether all pass stops at the first that does not.

    `at_ms`: as of when a counterexample shows the directory, and nothing else.
    """
    for name, step in _STEPS.items():
        progress(name)
        yield step(source, at_ms)


def require(source: ArrangementSource, at_ms: int, *steps: str) -> None:
    """Raises: `ArrangementError` with what is wrong in the first of these steps (all, if none is named) that fails."""
    for name in steps or _STEPS:
        step = _STEPS[name](source, at_ms)
        if not step.passed:
            raise ArrangementError((f"{step.name}: {step.found}", *step.wrong))


def _rules(source: ArrangementSource, at_ms: int) -> Step:
    findings = lint(source.policy, source.directory)
    faults = tuple(
        f"{f.rule.file}:{f.rule.line}: rule '{f.rule.id}': {f.message}" for f in findings if f.smell.is_fault
    )
    notes = len(findings) - len(faults)
    return Step("rules", f"{len(source.policy.rules)} rules, {len(faults)} faults, {notes} notes", faults)


def _cases(source: ArrangementSource, at_ms: int) -> Step:
    if not source.cases:
        return Step("cases", "there are none: nothing is tested")
    try:
        cases = read_cases(source.cases, source.directory, source.policy.rules)
    except YamlError as error:
        return Step("cases", "the files have errors", error.errors)
    failed = [trial for trial in run_cases(source.policy, cases) if not trial.holds]
    wrong = tuple(
        f"{trial.case.file}:{trial.case.line}: {trial.case.title}: {mismatch}"
        for trial in failed
        for mismatch in trial.mismatches
    )
    return Step("cases", f"{len(cases) - len(failed)} of {len(cases)} hold", wrong)


def _proofs(source: ArrangementSource, at_ms: int) -> Step:
    proved = prove(source.policy, source.directory, source.invariants, at_ms)
    broken = [proof for proof in proved.proofs if not proof.holds]
    wrong = tuple(line for proof in broken for line in _broken(proof, source))
    held = len(proved.proofs) - len(broken)
    return Step("proofs", f"{held} of {len(proved.proofs)} hold for every label and agency", wrong)


def _broken(proof: Proof, source: ArrangementSource) -> Iterator[str]:
    yield f"{proof.id}: {proof.says}"
    if proof.against is None:
        yield "  nothing is ever released for which this holds"
        return
    for line in witness_lines(proof.against.witness, proof.against.decided, source.policy):
        yield f"  {line}"


_STEPS: Final[Mapping[str, Callable[[ArrangementSource, int], Step]]] = {
    "rules": _rules,
    "cases": _cases,
    "proofs": _proofs,
}
