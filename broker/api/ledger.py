"""A ledger as it is: its leaves and rulings by their bytes, so that whoever reads it believes nothing but hashes.

Read by its originator's officers and by auditors, as the topic is. A leaf's hash is SHA-256(0x00, enc(domain, leaf)),
a ruling's digest H(domain, ruling); `schemas.ledger` and `schemas.rulings` say how the bytes are read.
"""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import Base64Bytes

from broker.api import examples
from broker.api.context import Context, ThisContext
from broker.api.decisions import LAST_NUMBER, HexDigest, LeafNumber
from broker.api.evidence import Entry
from schemas.clock import instant
from schemas.directory import AgencyField
from schemas.http.problems import ProblemType
from schemas.http.refusals import described, not_found
from schemas.ids import AGENCY_PATTERN, AgencyId, Digest
from schemas.ledger import Activation, ledger_leaf_hash
from schemas.model import Model

router = APIRouter(tags=["ledgers"])

MOST = 500
_KINDS = (ProblemType.FORBIDDEN, ProblemType.NOT_FOUND)
Originator = Annotated[str, Path(pattern=AGENCY_PATTERN, examples=["gb-nca"])]


class LedgerBody(Model):
    """A ledger's size and its root (RFC 6962 2.1), as far as this service has read."""

    originator: AgencyField
    size: LeafNumber
    root: HexDigest


class EntryBody(Model):
    """A leaf. `leaf`: its bytes in base64; `at`: admission time, null for an activation."""

    number: LeafNumber
    kind: str
    at: datetime | None
    leaf: Base64Bytes
    hash: HexDigest


class EntriesBody(Model):
    """A page of leaves; `next` is the number to go on at."""

    entries: tuple[EntryBody, ...]
    next: LeafNumber


class RulingBody(Model):
    """A ruling. `ruling`: its bytes in base64."""

    digest: HexDigest
    ruling: Base64Bytes


@router.get(
    "/v1/ledgers/{originator}", summary="Size and root", responses=described(examples.LEDGER, *_KINDS)
)
async def head(context: ThisContext, originator: Originator) -> LedgerBody:
    """How many leaves the ledger has, and the root over them."""
    lane = lane_of(context, originator)
    frontier = await context.parts.evidence.frontier(lane)
    return LedgerBody(originator=lane, size=frontier.size, root=frontier.root().hex())


@router.get(
    "/v1/ledgers/{originator}/entries",
    summary="Leaves, page by page",
    responses=described(examples.ENTRIES, *_KINDS),
)
async def entries(
    context: ThisContext,
    originator: Originator,
    first: Annotated[int, Query(ge=0, le=LAST_NUMBER)] = 0,
    limit: Annotated[int, Query(ge=1, le=MOST)] = 100,
) -> EntriesBody:
    """Leaves in order, from a number on."""
    lane = lane_of(context, originator)
    found = await context.parts.evidence.entries(lane, first, limit)
    told = tuple(_entry(context, one) for one in found)
    return EntriesBody(entries=told, next=first + len(told))


@router.get(
    "/v1/ledgers/{originator}/entries/{number}",
    summary="One leaf",
    responses=described(examples.ENTRY, *_KINDS),
)
async def one_entry(
    context: ThisContext, originator: Originator, number: Annotated[int, Path(ge=0, le=LAST_NUMBER)]
) -> EntryBody:
    """A leaf by its number."""
    found = await context.parts.evidence.entries(lane_of(context, originator), number, 1)
    if not found:
        raise not_found()
    return _entry(context, found[0])


@router.get(
    "/v1/ledgers/{originator}/rulings/{digest}",
    summary="One ruling",
    responses=described(examples.RULING, *_KINDS),
)
async def one_ruling(
    context: ThisContext, originator: Originator, digest: Annotated[str, Path(pattern=r"^[0-9a-f]{64}$")]
) -> RulingBody:
    """A ruling that leaves of this ledger name."""
    lane = lane_of(context, originator)
    found = await context.parts.evidence.ruling_bytes(lane, Digest(bytes.fromhex(digest)))
    if found is None:
        raise not_found()
    return RulingBody.model_construct(digest=digest, ruling=found)


def lane_of(context: Context, originator: str) -> AgencyId:
    """A ledger that the caller may read. Raises: `Refusal`."""
    context.allow(context.sight.labels)
    return context.lane(originator)


def _entry(context: Context, entry: Entry) -> EntryBody:
    leaf = entry.leaf
    return EntryBody.model_construct(
        number=leaf.number,
        kind=str(leaf.__struct_config__.tag),
        at=None if isinstance(leaf, Activation) else instant(leaf.at_ms),
        leaf=entry.data,
        hash=ledger_leaf_hash(context.version.arrangement.domains, entry.data).hex(),
    )
