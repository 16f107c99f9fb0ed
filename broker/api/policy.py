"""`GET /v1/rules`, `POST /v1/explanations`: what the rules in force say, and why one agency would get what or not.

Rules are part of the arrangement, which each member reads anyway. An explanation is for whoever may preview for the
originator: it tells of other portions and of changes that would turn a refusal, which no recipient is told.
"""

import asyncio
from typing import Annotated, Final

from fastapi import APIRouter, Body, Depends
from pydantic import Field

from broker.api import examples
from broker.api.context import ThisContext, reads_json
from broker.api.previews import PreviewRequest, labelled, originator_of
from broker.policy.explain.edits import Change, Nature, Verb
from broker.policy.explain.explaining import ExplainedPortion, Share, Turn, Turns, explain
from broker.policy.explain.words import changes_in_words
from broker.policy.loader import Rule
from broker.policy.words import conditions, said
from schemas.codes import PortionName
from schemas.directory import AgencyField
from schemas.http.problems import ProblemType
from schemas.http.refusals import described, not_found
from schemas.ids import AgencyId, RuleId
from schemas.model import Model
from schemas.verdicts import Effect, Refused, Withheld

router = APIRouter(tags=["policy"])

MOST_ASKED: Final = 300
"""How often the engine is asked at most for what would turn the refusal of one portion: some tenths of a second."""


class RuleText(Model):
    """A rule in plain words. It holds where all of `when` do and none of `unless`."""

    id: RuleId
    effect: Effect
    reason: str
    legal_basis: str
    obligation: str | None
    when: tuple[str, ...]
    unless: tuple[str, ...]

    @classmethod
    def of(cls, rule: Rule) -> "RuleText":
        when, unless = conditions(rule.node)
        return cls(
            id=rule.id,
            effect=rule.effect,
            reason=rule.reason,
            legal_basis=rule.legal_basis,
            obligation=rule.obligation,
            when=tuple(map(said, when)),
            unless=tuple(map(said, unless)),
        )


class RulesBody(Model):
    """The rules of the version in force, by id."""

    arrangement: int
    rules: tuple[RuleText, ...]


class ExplanationRequest(PreviewRequest):
    """A record's labels, and the one agency that it is about."""

    recipient: AgencyField


class ChangeBody(Model):
    """One change: of a label's marking, of a fact that a label states, or of the directory."""

    nature: Nature
    portion: PortionName | None
    field: str
    verb: Verb
    values: tuple[str, ...]

    @classmethod
    def of(cls, change: Change) -> "ChangeBody":
        return cls(
            nature=change.nature,
            portion=change.portion,
            field=change.field,
            verb=change.verb,
            values=change.values,
        )


class ShareBody(Model):
    """A portion that an agency gets."""

    portion: PortionName
    agency: AgencyField

    @classmethod
    def of(cls, share: Share) -> "ShareBody":
        return cls(portion=share.portion, agency=share.agency)


class TurnBody(Model):
    """Changes that together would turn the refusal; who else would get or lose something by them."""

    words: str
    changes: tuple[ChangeBody, ...]
    opens: tuple[ShareBody, ...]
    closes: tuple[ShareBody, ...]

    @classmethod
    def of(cls, turn: Turn, about: PortionName, recipient: AgencyId) -> "TurnBody":
        return cls(
            words=changes_in_words(turn.changes, about, recipient),
            changes=tuple(map(ChangeBody.of, turn.changes)),
            opens=tuple(map(ShareBody.of, turn.opens)),
            closes=tuple(map(ShareBody.of, turn.closes)),
        )


class TurnsBody(Model):
    """The smallest changes that were found. `more`: not told here. `stopped`: some were not tried."""

    told: tuple[TurnBody, ...]
    more: Annotated[int, Field(ge=0)]
    stopped: bool

    @classmethod
    def of(cls, turns: Turns, about: PortionName, recipient: AgencyId) -> "TurnsBody":
        told = tuple(TurnBody.of(turn, about, recipient) for turn in turns.told)
        return cls(told=told, more=turns.more, stopped=turns.stopped)


class ExplainedBody(Model):
    """A portion's outcome for the agency, with what decided it. `turns`: null where it is released."""

    name: PortionName
    withheld: Withheld | None
    why: str
    rules: tuple[RuleText, ...]
    turns: TurnsBody | None

    @classmethod
    def of(cls, one: ExplainedPortion, recipient: AgencyId) -> "ExplainedBody":
        return cls(
            name=one.name,
            withheld=one.withheld,
            why=one.why,
            rules=tuple(map(RuleText.of, one.rules)),
            turns=None if one.turns is None else TurnsBody.of(one.turns, one.name, recipient),
        )


class ExplanationBody(Model):
    """Why the agency would get each portion or not, as of now under the version in force."""

    originator: AgencyField
    recipient: AgencyField
    arrangement: int
    refused: Refused | None
    portions: tuple[ExplainedBody, ...]


@router.get(
    "/v1/rules",
    summary="The rules in force, in plain words",
    responses=described(examples.RULES, ProblemType.FORBIDDEN),
)
async def rules(context: ThisContext) -> RulesBody:
    """For everybody who may read the arrangement."""
    context.allow(context.sight.directory)
    policy = context.version.engine.policy
    return RulesBody(
        arrangement=context.version.arrangement.body.number,
        rules=tuple(RuleText.of(rule) for _, rule in sorted(policy.rules.items())),
    )


@router.post(
    "/v1/explanations",
    summary="Why one agency would get what, and what would turn a refusal",
    responses=described(
        examples.EXPLANATION, ProblemType.FORBIDDEN, ProblemType.NOT_FOUND, ProblemType.MEDIA_TYPE
    ),
    dependencies=[Depends(reads_json)],
)
async def explanation(
    context: ThisContext,
    request: Annotated[
        ExplanationRequest,
        Body(openapi_examples={"why not": {"summary": "one portion", "value": examples.EXPLANATION_REQUEST}}),
    ],
) -> ExplanationBody:
    """As a preview, for one agency, with the smallest changes of labels or directory that would turn a refusal."""
    context.allow(bool(context.sight.previews_for))
    originator = originator_of(context, request.originator)
    engine = context.version.engine
    if request.recipient == originator or request.recipient not in engine.directory.agency_ids:
        raise not_found()
    # An engine of its own: the search takes long for a loop that serves others, and engines are not shared.
    found = await asyncio.to_thread(
        explain,
        engine.over(engine.directory),
        originator,
        request.kind,
        labelled(request),
        request.recipient,
        context.now_ms,
        MOST_ASKED,
    )
    return ExplanationBody(
        originator=originator,
        recipient=request.recipient,
        arrangement=context.version.arrangement.body.number,
        refused=found.refused,
        portions=tuple(ExplainedBody.of(one, request.recipient) for one in found.portions),
    )
