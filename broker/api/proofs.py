"""Proofs over a ledger's tree (RFC 6962 2.1.1, 2.1.2), for whoever may read the ledger.

A proof is worth what the root is worth that it leads to: compare that with a signed checkpoint, never with what this
service says alone. `schemas.proofs` and `entente verify` check one with nothing but hashes.
"""

from typing import Annotated

from fastapi import APIRouter, Query

from broker.api import examples
from broker.api.context import Context, ThisContext
from broker.api.decisions import LAST_NUMBER, HexDigest, LeafNumber
from broker.api.ledger import Originator, lane_of
from schemas.directory import AgencyField
from schemas.http.problems import ProblemType
from schemas.http.refusals import Refusal, described
from schemas.ids import AgencyId
from schemas.model import Model
from schemas.proofs import Node, consistency_proof, inclusion_proof, root_at

router = APIRouter(tags=["ledgers"])

_KINDS = (ProblemType.FORBIDDEN, ProblemType.NOT_FOUND, ProblemType.CONFLICT)
Size = Annotated[int, Query(ge=1, le=LAST_NUMBER, description="A number of leaves.")]


class InclusionBody(Model):
    """That leaf `index` is in the tree of the first `size` leaves. `path`: hashes from the leaf up."""

    originator: AgencyField
    index: LeafNumber
    size: LeafNumber
    leaf_hash: HexDigest
    root: HexDigest
    path: tuple[HexDigest, ...]


class ConsistencyBody(Model):
    """That the tree of the first `first` leaves is the beginning of that of the first `second`."""

    originator: AgencyField
    first: LeafNumber
    second: LeafNumber
    first_root: HexDigest
    second_root: HexDigest
    path: tuple[HexDigest, ...]


@router.get(
    "/v1/ledgers/{originator}/proofs/inclusion",
    summary="That a leaf is in the ledger",
    responses=described(examples.INCLUSION, *_KINDS),
)
async def inclusion(
    context: ThisContext,
    originator: Originator,
    index: Annotated[int, Query(ge=0, le=LAST_NUMBER, description="The leaf's number.")],
    size: Size,
) -> InclusionBody:
    """The audit path of a leaf in the tree of the first `size` leaves."""
    lane = lane_of(context, originator)
    await _check(context, lane, size, index < size)

    def made(node: Node) -> InclusionBody:
        return InclusionBody(
            originator=lane,
            index=index,
            size=size,
            leaf_hash=node(0, index).hex(),
            root=root_at(size, node).hex(),
            path=tuple(step.hex() for step in inclusion_proof(index, size, node)),
        )

    return await context.parts.evidence.prove(lane, made)


@router.get(
    "/v1/ledgers/{originator}/proofs/consistency",
    summary="That the ledger only grew",
    responses=described(examples.CONSISTENCY, *_KINDS),
)
async def consistency(
    context: ThisContext, originator: Originator, first: Size, second: Size
) -> ConsistencyBody:
    """The proof between two sizes of the ledger."""
    lane = lane_of(context, originator)
    await _check(context, lane, second, first <= second)

    def made(node: Node) -> ConsistencyBody:
        return ConsistencyBody(
            originator=lane,
            first=first,
            second=second,
            first_root=root_at(first, node).hex(),
            second_root=root_at(second, node).hex(),
            path=tuple(step.hex() for step in consistency_proof(first, second, node)),
        )

    return await context.parts.evidence.prove(lane, made)


async def _check(context: Context, lane: AgencyId, size: int, in_order: bool) -> None:
    """Raises: `Refusal` for a tree that is not there."""
    there = (await context.parts.evidence.frontier(lane)).size
    if size > there or not in_order:
        raise Refusal(ProblemType.CONFLICT, f"of {there} leaves there is no such proof", reason="tree")
