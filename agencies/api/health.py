"""Whether the node lives, and whether it can answer. Open to whoever watches it; it says nothing else."""

import asyncio
from typing import Final, Literal

from fastapi import APIRouter
from sqlalchemy import select

from agencies.api import examples
from agencies.api.context import TheseParts
from schemas.http.problems import ProblemType
from schemas.http.refusals import Refusal, described
from schemas.model import Model

router = APIRouter(tags=["health"])

_STORE_S: Final = 2.0


class AliveBody(Model):
    """The process answers."""

    status: Literal["alive"] = "alive"


class ReadyBody(Model):
    """The node answers, and its store does."""

    status: Literal["ready"] = "ready"


@router.get(
    "/healthz",
    summary="Whether the process lives",
    responses=described(examples.ALIVE),
    openapi_extra={"security": []},
)
async def healthz() -> AliveBody:
    """Answers while the process serves, whatever cluster and store do."""
    return AliveBody()


@router.get(
    "/readyz",
    summary="Whether the node can answer",
    responses=described(examples.READY),
    openapi_extra={"security": []},
)
async def readyz(parts: TheseParts) -> ReadyBody:
    """Ready, or 503 with what lacks as `reason`: `store`, or `restored_copy` where it answers but publishes nothing."""
    try:
        async with asyncio.timeout(_STORE_S):
            await parts.store.run(lambda c: c.scalar(select(1)))
    except TimeoutError:
        raise Refusal(ProblemType.NOT_READY, reason="store", retry_s=1) from None
    if parts.publisher.stopped:
        raise Refusal(ProblemType.NOT_READY, reason="restored_copy", retry_s=60)
    return ReadyBody()
