"""Asking Cedar about one portion for many recipients, and reading what it says: whatever goes wrong denies.

- Recipients that no rule can tell apart but by name are asked about once; those that rules or the label
  name are asked about one by one.
- A denial for an error reads `forbid` with no rules, which no satisfied rule can give. Cedar itself skips a
  forbid that fails and lets a permit stand.
- The entities go in as text: a handle parsed before would not be held against the schema (tried).

Infrastructure is no verdict: `MemoryError` and its like pass through.
"""

import json
import time
from collections.abc import Hashable, Sequence
from typing import Final, NamedTuple

import cedarpy

from broker.policy.entities import CONTEXT, PORTION, Portion, attributes
from broker.policy.loader import Policy
from broker.policy.roster import Recipient
from schemas.ids import RuleId
from schemas.labels import home_of
from schemas.verdicts import Effect

BATCH: Final = 64
"""Requests in one call of the engine, which holds the interpreter for some 60 us each."""

PORTION_UID: Final = {"type": "Portion", "id": "portion"}
RECEIVE: Final = {"type": "Action", "id": "receive"}


class Answer(NamedTuple):
    """What the rules say for one recipient, before the gate."""

    effect: Effect
    rules: tuple[RuleId, ...]


DENIED: Final = Answer(Effect.FORBID, ())
"""The answer when the rules could not be asked, or one of them failed."""


def ask(policy: Policy, recipients: Sequence[Recipient], portion: Portion, at_ms: int) -> list[Answer]:
    """The rules' answers in the order of the recipients, each class of equals asked once."""
    named = {*policy.reads.agencies, *portion.routing.agencies}
    named.update(home_of(officer) for officer in portion.routing.officers)
    classes: list[Hashable] = [r.agency if r.agency in named else r.likeness for r in recipients]
    asked: dict[Hashable, Recipient] = {}
    for of_class, recipient in zip(classes, recipients, strict=True):
        asked.setdefault(of_class, recipient)
    answers: dict[Hashable, Answer] = {}
    pending = list(asked.items())
    for start in range(0, len(pending), BATCH):
        if start:
            time.sleep(0)  # the engine holds the interpreter during a call; others may run between two
        batch = pending[start : start + BATCH]
        found = _batch(policy, [r for _, r in batch], portion, at_ms)
        answers.update(zip((of_class for of_class, _ in batch), found, strict=True))
    return [answers[of_class] for of_class in classes]


def _batch(policy: Policy, recipients: list[Recipient], portion: Portion, at_ms: int) -> list[Answer]:
    declared = policy.schema.attributes["resource"]
    resource = {"uid": PORTION_UID, "attrs": attributes(PORTION, declared, portion), "parents": []}
    entities = json.dumps([resource, *(r.entity() for r in recipients)])
    context = json.dumps(attributes(CONTEXT, CONTEXT, at_ms))
    requests = [
        {
            "principal": {"type": "Agency", "id": r.agency},
            "action": RECEIVE,
            "resource": PORTION_UID,
            "context": context,
        }
        for r in recipients
    ]
    try:
        results = cedarpy.is_authorized_batch(requests, policy.handle, entities, policy.schema.handle)
    except ValueError:
        return [DENIED] * len(recipients)
    return [_read(policy, result) for result in results]


def _read(policy: Policy, result: cedarpy.AuthzResult) -> Answer:
    """The engine's result as an answer; its reasons come in random order."""
    reasons = tuple(sorted(RuleId(reason) for reason in result.diagnostics.reasons))
    if result.diagnostics.errors or any(reason not in policy.rules for reason in reasons):
        return DENIED
    if result.decision is cedarpy.Decision.Allow:
        return Answer(Effect.PERMIT, reasons)
    if result.decision is cedarpy.Decision.Deny:
        return Answer(Effect.FORBID if reasons else Effect.NONE, reasons)
    return DENIED
