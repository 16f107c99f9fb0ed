"""Checkpoints: what the broker has signed of a ledger, as C2SP signed notes with a hybrid seal.

They are given as they stand in the ledger and are not judged here: whoever reads one verifies it with the broker's key
from the arrangement (`schemas.checkpoint`, `entente verify`), and holds proofs and leaves against its root.
"""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Base64Bytes

from broker.api import examples
from broker.api.context import Context, ThisContext
from broker.api.decisions import LAST_NUMBER, HexDigest, LeafNumber
from broker.api.ledger import MOST, Originator, lane_of
from schemas.checkpoint import BadCheckpoint, origin_of, parse_checkpoint, parse_note, verifier_key
from schemas.clock import instant
from schemas.directory import AgencyField
from schemas.http.problems import ProblemType
from schemas.http.refusals import described, not_found
from schemas.ids import AgencyId
from schemas.ledger import CheckpointEntry
from schemas.model import Model

router = APIRouter(tags=["ledgers"])

_KINDS = (ProblemType.FORBIDDEN, ProblemType.NOT_FOUND)


class CheckpointBody(Model):
    """One checkpoint. `note`: the signed note's text; `path` and `seal`, in base64: the hybrid seal over the same text.

    `size`, `root` and `signed_at` (real time) are read from the note, for convenience; null where it cannot be read.
    """

    originator: AgencyField
    size: LeafNumber | None
    root: HexDigest | None
    signed_at: datetime | None
    note: str
    path: Base64Bytes
    seal: Base64Bytes


class CheckpointsBody(Model):
    """A page in the order of signing. `key`: the verifier key of the notes, in the line that other tools take.

    `earlier_keys`, the oldest first: those that the broker has signed by before, so that its older notes verify too.
    """

    key: str
    earlier_keys: tuple[str, ...]
    checkpoints: tuple[CheckpointBody, ...]
    next: LeafNumber


@router.get(
    "/v1/ledgers/{originator}/checkpoints",
    summary="Checkpoints, page by page",
    responses=described(examples.CHECKPOINTS, *_KINDS),
)
async def checkpoints(
    context: ThisContext,
    originator: Originator,
    first: Annotated[int, Query(ge=0, le=LAST_NUMBER, description="How many to pass over.")] = 0,
    limit: Annotated[int, Query(ge=1, le=MOST)] = 100,
) -> CheckpointsBody:
    """What was signed of the ledger so far."""
    lane = lane_of(context, originator)
    found = await context.parts.evidence.checkpoints(lane, first, limit)
    told = tuple(_body(lane, entry) for entry in found)
    *earlier, key = _keys(context, lane)
    return CheckpointsBody(key=key, earlier_keys=tuple(earlier), checkpoints=told, next=first + len(told))


@router.get(
    "/v1/ledgers/{originator}/checkpoints/latest",
    summary="The newest checkpoint",
    responses=described(examples.CHECKPOINT, *_KINDS),
)
async def latest(context: ThisContext, originator: Originator) -> CheckpointBody:
    """The last one that was signed; not found while none was."""
    lane, evidence = lane_of(context, originator), context.parts.evidence
    found = await evidence.checkpoints(lane, max(0, await evidence.signed(lane) - 1), 1)
    if not found:
        raise not_found()
    return _body(lane, found[0])


def _keys(context: Context, lane: AgencyId) -> list[str]:
    """The verifier keys of all versions, the one that holds last."""
    bodies = [version.arrangement.body for version in context.parts.signed.versions.values()]
    lines = [verifier_key(origin_of(body.federation, lane), body.broker.ed25519) for body in bodies]
    return [*(line for line in dict.fromkeys(lines) if line != lines[-1]), lines[-1]]


def _body(lane: AgencyId, entry: CheckpointEntry) -> CheckpointBody:
    try:
        read = parse_checkpoint(parse_note(entry.note).text)
    except BadCheckpoint:
        read = None
    return CheckpointBody.model_construct(
        originator=lane,
        size=None if read is None else read.size,
        root=None if read is None else read.root.hex(),
        signed_at=None if read is None else instant(read.at_ms),
        note=entry.note.decode("utf-8", "replace"),
        path=entry.path,
        seal=entry.seal,
    )
