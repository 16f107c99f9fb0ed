"""Whether the service lives, and whether it can be believed to be current. Open to whoever watches it.

Ready: the cluster was reached a moment ago, the versions are read, and the projection has what the ledgers have, but
for a bound. It says which of these lacks, and nothing else.
"""

from typing import Literal

from fastapi import APIRouter

from broker.api import examples
from broker.api.context import TheseParts
from schemas.http.problems import ProblemType
from schemas.http.refusals import Refusal, described
from schemas.model import Model

router = APIRouter(tags=["health"])


class AliveBody(Model):
    """The process answers."""

    status: Literal["alive"] = "alive"


class ReadyBody(Model):
    """The service answers, and with what is committed now."""

    status: Literal["ready"] = "ready"


@router.get(
    "/healthz",
    summary="Whether the process lives",
    responses=described(examples.ALIVE),
    openapi_extra={"security": []},
)
async def healthz() -> AliveBody:
    """Answers while the process serves, whatever the cluster does."""
    return AliveBody()


@router.get(
    "/readyz",
    summary="Whether answers are current",
    responses=described(examples.READY),
    openapi_extra={"security": []},
)
async def readyz(parts: TheseParts) -> ReadyBody:
    """Ready, or 503 with what lacks as `reason`: `cluster`, `versions` or `projection`."""
    lacking = await parts.lacking()
    if lacking is not None:
        raise Refusal(ProblemType.NOT_READY, reason=lacking, retry_s=1)
    return ReadyBody()
