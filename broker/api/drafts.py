"""`POST /v1/drafts/..`: what a draft of the rules would mean, beside the version in force; `GET /v1/matrix`.

A draft says what is to be written otherwise; what it leaves out is as in the version that holds. Nothing of it is kept,
and nothing here changes what holds: that takes a version with the members' signatures.

For whoever may preview for an agency. Recorded decisions are those that the caller may see with their labels.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any, Final, TypeVar

from fastapi import APIRouter, Body, Depends, Query
from pydantic import Field

from broker.api import examples
from broker.api.bench import Piece
from broker.api.context import Context, ThisContext, reads_json
from broker.api.previews import originator_of
from broker.policy.arranged import Draft, Written
from broker.policy.documents import (
    CasesDocument,
    LintDocument,
    MatrixDocument,
    MutatedDocument,
    PlanDocument,
    ProvedDocument,
    RecordedDocument,
)
from broker.policy.matrix import Row, matrix
from broker.policy.proof.changes import MOST
from broker.policy.ruling import Engine
from broker.policy.workbench import Document, Task, Tool
from schemas.codes import Kind
from schemas.directory import AgencyField
from schemas.http.problems import ProblemType
from schemas.http.refusals import described
from schemas.ids import AgencyId, Digest
from schemas.ledger import Admitted, LeafEntry, RulingEntry, entry_bytes
from schemas.model import Model

_D = TypeVar("_D", bound=Document)
_F = TypeVar("_F", bound=Callable[..., Any])

router = APIRouter(tags=["drafts"])

_PAGE: Final = 500
"""Leaves of a ledger that are read at once."""


class DraftRequest(Model):
    """A draft, held beside the version in force."""

    draft: Draft


class PlanRequest(DraftRequest):
    """A draft to be compared. `recorded`: over recorded decisions as well. `most`: classes of flow told at most."""

    recorded: bool = False
    most: Annotated[int, Field(ge=1, le=200)] = MOST


_EXAMPLE: Final = Body(openapi_examples={"a rule": {"summary": "one file", "value": examples.DRAFT_REQUEST}})
DraftBody = Annotated[DraftRequest, _EXAMPLE]
PlanBody = Annotated[PlanRequest, _EXAMPLE]


def _tool(tool: Tool, summary: str, example: object) -> Callable[[_F], _F]:
    """The route of a tool."""
    return router.post(
        f"/v1/drafts/{tool}",
        summary=summary,
        responses=described(example, ProblemType.FORBIDDEN, ProblemType.MEDIA_TYPE),
        dependencies=[Depends(reads_json)],
    )


@router.get(
    "/v1/matrix",
    summary="Who would get which portion of a kind of record, under typical labels",
    responses=described(examples.MATRIX, ProblemType.FORBIDDEN, ProblemType.NOT_FOUND),
)
async def matrix_of(
    context: ThisContext,
    kind: Annotated[Kind, Query(description="The kind of record.")],
    originator: Annotated[AgencyField | None, Query(description="One's own agency, if not said.")] = None,
) -> MatrixDocument:
    """Each portion alone in its record, under the rules in force, as of now."""
    context.allow(bool(context.sight.previews_for))
    sender, engine = originator_of(context, originator), context.version.engine
    rows = await asyncio.to_thread(_rows, engine.over(engine.directory), sender, context.now_ms, kind)
    return MatrixDocument.of(sender, rows)


def _rows(engine: Engine, originator: AgencyId, at_ms: int, kind: Kind) -> list[Row]:
    return list(matrix(engine, originator, at_ms, (kind,)))


@_tool(Tool.LINT, "Rules and conditions that never hold, or that others make idle", examples.LINT)
async def lint(context: ThisContext, request: DraftBody) -> LintDocument:
    """A draft that cannot be loaded is refused, with a fault for each error: file, line, rule, what was expected."""
    return await _work(LintDocument, context, Tool.LINT, request)


@_tool(Tool.TEST, "Test cases held against the rules, and the rules of which no case speaks", examples.CASES)
async def test(context: ThisContext, request: DraftBody) -> CasesDocument:
    """The cases are those of the version in force, unless the draft has its own."""
    return await _work(CasesDocument, context, Tool.TEST, request)


@_tool(
    Tool.PROVE,
    "The protection gate and the invariants, for every label and every agency there could be",
    examples.PROVED,
)
async def prove(context: ThisContext, request: DraftBody) -> ProvedDocument:
    """Each promise is proved, or broken by a concrete record."""
    return await _work(ProvedDocument, context, Tool.PROVE, request)


@_tool(
    Tool.PLAN,
    "What exactly would change: in writing, in recorded decisions, in anything that could be decided",
    examples.PLAN,
)
async def plan(context: ThisContext, request: PlanBody) -> PlanDocument:
    """Each class of flow that gains or loses release, with a record that shows it, or the proof that there is none."""
    recorded = _ledgers(context) if request.recorded else None
    return await _work(PlanDocument, context, Tool.PLAN, request, recorded, request.most)


@_tool(Tool.MUTATE, "Slips in the rules that no test case would notice", examples.MUTATED)
async def mutate(context: ThisContext, request: DraftBody) -> MutatedDocument:
    """Each mutant that no case notices is proved equivalent, or shown by the record that is missing as a case."""
    return await _work(MutatedDocument, context, Tool.MUTATE, request)


@_tool(Tool.REPLAY, "Recorded decisions under a draft", examples.RECORDED)
async def replay(context: ThisContext, request: DraftBody) -> RecordedDocument:
    """Each record that the caller may see, decided again as it was sealed, at the time of its admission."""
    return await _work(RecordedDocument, context, Tool.REPLAY, request, _ledgers(context))


async def _work(
    shape: type[_D],
    context: Context,
    tool: Tool,
    request: DraftRequest,
    recorded: AsyncIterator[Piece] | None = None,
    most: int = MOST,
) -> _D:
    context.allow(bool(context.sight.previews_for) and context.sight.labels)
    holds = Written.of(context.version.arrangement.body)
    task = Task(tool=tool, holds=holds, draft=request.draft.over(holds), at_ms=context.now_ms, most=most)
    told = await context.parts.workshop.work(task, recorded)
    assert isinstance(told, shape)
    return told


async def _ledgers(context: Context) -> AsyncIterator[Piece]:
    """The ledgers that the caller may see, each ruling before the first leaf that names it."""
    evidence = context.parts.evidence
    for lane in sorted(context.sight.lanes):
        written: set[Digest] = set()
        first = 0
        while found := await evidence.entries(lane, first, _PAGE):
            entries: list[bytes] = []
            for entry in found:
                if isinstance(entry.leaf, Admitted):
                    for named in {Digest(p.ruling) for p in entry.leaf.portions} - written:
                        ruling = await evidence.ruling_bytes(lane, named)
                        if ruling is not None:
                            entries.append(entry_bytes(RulingEntry(ruling)))
                        written.add(named)
                entries.append(entry_bytes(LeafEntry(entry.data)))
            yield Piece(lane, tuple(entries))
            first = found[-1].leaf.number + 1
