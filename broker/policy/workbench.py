"""One piece of work on a draft of an arrangement: which tool, on what, and what it says, as one document.

It is what the broker API does for a caller, in a process of its own: a solver may take any time over rules that a
stranger wrote, and its state is process-wide.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from broker.policy.arranged import ArrangementError, ArrangementSource, Written, checked, engine_of
from broker.policy.cases import Case, read_cases
from broker.policy.differences import rewritten
from broker.policy.documents import (
    CasesDocument,
    LintDocument,
    MutatedDocument,
    PlanDocument,
    ProvedDocument,
    RecordedDocument,
)
from broker.policy.history import against_recorded, between
from broker.policy.proof.changes import MOST, Side, changes
from broker.policy.proof.lint import lint
from broker.policy.proof.mutate import mutate
from broker.policy.proof.prove import prove
from broker.policy.recorded import Recorded
from broker.policy.trials import run_cases
from schemas.lined_yaml import YamlError
from schemas.model import Model


class Tool(StrEnum):
    """What is to be done."""

    LINT = "lint"
    TEST = "test"
    PROVE = "prove"
    PLAN = "plan"
    MUTATE = "mutate"
    REPLAY = "replay"


class Task(Model):
    """A tool, the arrangement that holds, and the draft of one that is to follow it.

    `at_ms`: as of when the directory is shown, in milliseconds since 1970. `most`: classes of flow in a plan.
    """

    tool: Tool
    holds: Written
    draft: Written
    at_ms: int
    most: Annotated[int, Field(ge=1)] = MOST


Document = LintDocument | CasesDocument | ProvedDocument | PlanDocument | MutatedDocument | RecordedDocument


def work(task: Task, recorded: Iterable[Recorded] | None = None) -> Document:
    """What the tool says of the draft. `recorded`: decisions for a plan, which may do without, or for a replay.

    Raises: `ArrangementError` for a draft that cannot be read, or cases that do not hold where they must;
    `broker.policy.recorded.HistoryError`.
    """
    draft = checked(task.draft)
    policy, directory = draft.policy, draft.directory
    match task.tool:
        case Tool.LINT:
            return LintDocument.of(lint(policy, directory))
        case Tool.TEST:
            return CasesDocument.of(list(run_cases(policy, _cases(draft))), policy)
        case Tool.PROVE:
            return ProvedDocument.of(prove(policy, directory, draft.invariants, task.at_ms))
        case Tool.PLAN:
            return _plan(checked(task.holds), draft, task, recorded)
        case Tool.MUTATE:
            try:
                return MutatedDocument.of(mutate(policy, directory, _cases(draft), task.at_ms))
            except ValueError as error:
                raise ArrangementError((f"cases: {error}",)) from error
        case Tool.REPLAY:
            replay = against_recorded(engine_of(draft))
            for record in recorded or ():
                replay.take(record)
            return RecordedDocument.of(replay.changes())


def _plan(
    holds: ArrangementSource, draft: ArrangementSource, task: Task, recorded: Iterable[Recorded] | None
) -> PlanDocument:
    found = changes(
        Side(holds.policy, holds.directory), Side(draft.policy, draft.directory), task.at_ms, task.most
    )
    if recorded is None:
        return PlanDocument.of(rewritten(holds, draft), found, None)
    compared = between(engine_of(holds), engine_of(draft))
    for record in recorded:
        compared.take(record)
    return PlanDocument.of(rewritten(holds, draft), found, compared.changes())


def _cases(draft: ArrangementSource) -> tuple[Case, ...]:
    if not draft.cases:
        raise ArrangementError(("cases: expected test cases, there are none",))
    try:
        return read_cases(draft.cases, draft.directory, draft.policy.rules)
    except YamlError as error:
        raise ArrangementError(error.errors) from error
