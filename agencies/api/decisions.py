"""What became of what we published: decisions with their reasons, as the broker's API tells them, and tokens for it.

- The node asks with a token that it signs for the officer, and passes on what the broker says: it is the broker's word,
  and the ledger's proof of it is had there (`entente verify`).
- For the house's officers: the broker tells decisions to whoever is an officer of the originator.
"""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query
from pydantic import JsonValue

from agencies.api import examples
from agencies.api.broker import BrokerAway, BrokerRefuses
from agencies.api.context import Context, ThisContext
from agencies.roster import StaffRole
from schemas.http.problems import ProblemType
from schemas.http.refusals import Refusal, described, not_found
from schemas.model import Model

router = APIRouter(tags=["decisions"])


class DecisionsBody(Model):
    """Decisions as the broker's API has them (`DecisionBody` there). `next`: where a page goes on."""

    decisions: tuple[dict[str, JsonValue], ...]
    next: str


class BrokerTokenBody(Model):
    """An access token for the broker's API, and where that is, if this node knows."""

    token: str
    expires: datetime
    broker: str | None


@router.get(
    "/v1/decisions",
    summary="What became of what we published",
    responses=described(examples.DECISIONS, ProblemType.FORBIDDEN, ProblemType.CONFLICT),
)
async def decisions(
    context: ThisContext,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    after: Annotated[
        str | None, Query(pattern=r"^[0-9a-f]{8}(\.[0-9]{1,19}){1,4096}$", max_length=1000)
    ] = None,
) -> DecisionsBody:
    """Verdict and reason for each portion and agency, in the order of admission."""
    query: dict[str, str | int] = {"limit": limit, "originator": context.parts.agency}
    return await _asked(context, "/v1/decisions", query | ({} if after is None else {"after": after}))


@router.get(
    "/v1/decisions/{record}",
    summary="What became of one record",
    responses=described(examples.DECISIONS, ProblemType.FORBIDDEN, ProblemType.NOT_FOUND),
)
async def of_record(
    context: ThisContext,
    record: Annotated[UUID, Path(description="The id that publishing answered with.")],
) -> DecisionsBody:
    """The decisions on each revision of a record that we published; none before the broker has decided."""
    return await _asked(context, f"/v1/records/{context.parts.agency}/{record}", {})


@router.post(
    "/v1/broker-tokens",
    summary="A token for the broker's API",
    responses=described(examples.BROKER_TOKEN, ProblemType.FORBIDDEN),
)
async def broker_token(context: ThisContext) -> BrokerTokenBody:
    """Signed with the agency's signing key, for ten minutes: for ledgers, proofs and certificates."""
    context.of_house(StaffRole.OFFICER)
    door = context.parts.broker
    made = door.token(context.reader.officer)
    return BrokerTokenBody(
        token=made.text, expires=datetime.fromtimestamp(made.expires_s, UTC), broker=door.url
    )


async def _asked(context: Context, path: str, query: dict[str, str | int]) -> DecisionsBody:
    context.of_house(StaffRole.OFFICER)
    try:
        found = await context.parts.broker.get(context.reader.officer, path, query)
        return DecisionsBody.model_validate(found)
    except BrokerRefuses as error:
        if error.status == ProblemType.NOT_FOUND.status:
            raise not_found() from error
        if error.status == ProblemType.CONFLICT.status:
            raise Refusal(ProblemType.CONFLICT, "no event id of our lane", reason="event_id") from error
        raise Refusal(ProblemType.NOT_READY, reason="broker", retry_s=5) from error
    except (BrokerAway, ValueError) as error:
        raise Refusal(ProblemType.NOT_READY, reason="broker", retry_s=5) from error
