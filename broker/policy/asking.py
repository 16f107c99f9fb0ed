"""Asking Cedar about one portion for many recipients, and reading what it says: whatever goes wrong denies.

- An answer rests on what the rules can see and on nothing else, so it is remembered by that: what they see of the
  portion, what they read of the recipient, and whether the recipient is in each set of agencies or communities that
  they read. Recipients that no rule can tell apart share an answer; whom a rule names has its own.
- A denial for an error reads `forbid` with no rules, which no satisfied rule can give. Cedar itself skips a
  forbid that fails and lets a permit stand.
- Cedar reads the agencies once an epoch and the portion once a ruling, and holds both against the schema there: a
  handle is not held against it again when the rules are asked. Whom a label's named officers expose to more is read
  for that label alone.

Infrastructure is no verdict: `MemoryError` and its like pass through.
"""

import json
import time
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence, Set
from itertools import repeat
from typing import Final, NamedTuple, TypeVar

import cedarpy

from broker.policy.entities import CONTEXT, PORTION, Portion, Provided, attributes, values
from broker.policy.loader import Policy
from broker.policy.memory import Recent
from broker.policy.reads import Reads
from broker.policy.roster import EPOCHS, Recipient, Roster
from broker.policy.schema import PLAIN as _PLAIN_TYPES
from schemas.ids import RuleId
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


_GROUPS: Final = ("Set<Agency>", "Set<Community>")
_F = TypeVar("_F")


class Seen:
    """What rules can see of a value: of a closed list or of ids, only what they write out, and whether there is more.

    Where a rule holds two such values against each other, all of them counts.
    """

    def __init__(self, reads: Reads) -> None:
        self._written: dict[str, frozenset[str]] = {}
        for kind, name in reads.literals:
            self._written[kind] = self._written.get(kind, frozenset()) | {name}
        self._paired = reads.paired

    def of(self, provided: Provided[_F], names: Iterable[str], facts: _F) -> tuple[Hashable, ...]:
        """The named attributes as far as they are seen, in the order of `names`."""
        return tuple([self._value(*provided[name], facts) for name in names])

    def _value(self, kind: str, value: Callable[[_F], Hashable], facts: _F) -> Hashable:
        found, of = value(facts), kind.removeprefix("Set<").removesuffix(">")
        if of in _PLAIN_TYPES or of in self._paired:
            return found
        written = self._written.get(of, frozenset())
        if isinstance(found, Set):
            return (found & written, not found <= written)
        return found if found in written else None


class Asker:
    """Asks one policy, and remembers its answers. Not for use by several threads at once."""

    def __init__(self, policy: Policy, remembered: int) -> None:
        self._policy = policy
        self._plain = tuple(sorted(policy.reads.plain))
        self._groups = tuple(sorted(a for a in policy.reads.resource if PORTION[a][0] in _GROUPS))
        self._seen = Seen(policy.reads)
        self._answers: Recent[Hashable, Answer] = Recent(remembered)
        self._everyone: Recent[Roster, cedarpy.Entities] = Recent(EPOCHS)
        self.asked = 0

    def ask(
        self, roster: Roster, recipients: Sequence[Recipient], portion: Portion, truths: Hashable, at_ms: int
    ) -> list[Answer]:
        """The rules' answers in the order of the recipients, who are of the roster.

        `truths`: what the comparisons with the instant come to; `at_ms` counts in no other way.
        """
        read = (self._seen.of(PORTION, self._plain, portion), truths)
        sets = values(PORTION, self._groups, portion)
        keys = [(self._who(r), read, tuple([_within(r, of) for of in sets])) for r in recipients]
        found: dict[Hashable, Answer | None] = {key: self._answers.get(key) for key in keys}
        pending = {
            key: recipient for key, recipient in zip(keys, recipients, strict=True) if found[key] is None
        }
        for listed in (True, False):
            asked = {key: r for key, r in pending.items() if roster.lists(r) is listed}
            answers = self._asked([*asked.values()], roster if listed else None, portion, at_ms)
            for key, answer in zip(asked, answers, strict=True):
                found[key] = answer
                self._answers.put(key, answer)
        return [found[key] or DENIED for key in keys]

    def _asked(
        self, recipients: Sequence[Recipient], roster: Roster | None, portion: Portion, at_ms: int
    ) -> Iterator[Answer]:
        """Ask the engine for each of them. `roster`: they are as it lists them; None: by themselves."""
        if not recipients:
            return
        try:
            agencies = agencies_of(recipients, self._policy) if roster is None else self._listed(roster)
            text = portion_json(self._policy, portion)
            known = agencies.with_added_json_str(text, self._policy.schema.handle)
        except ValueError:  # the schema refuses one of the agencies, or the portion
            yield from repeat(DENIED, len(recipients))
            return
        for start in range(0, len(recipients), BATCH):
            if start:
                time.sleep(0)  # the engine holds the interpreter during a call; others may run between two
            batch = recipients[start : start + BATCH]
            self.asked += len(batch)
            yield from _batch(self._policy, batch, known, at_ms)

    def _listed(self, roster: Roster) -> cedarpy.Entities:
        known = self._everyone.get(roster)
        if known is None:
            known = agencies_of(roster.everyone.values(), self._policy)
            self._everyone.put(roster, known)
        return known

    def _who(self, recipient: Recipient) -> Hashable:
        reads = self._policy.reads
        alone = reads.identity or recipient.agency in reads.agencies
        return (recipient.agency if alone else None, recipient.likeness)


def _within(recipient: Recipient, of: Hashable) -> bool:
    """What Cedar says of `principal in` a set: the agency is a member, or a community that it is in is one."""
    return isinstance(of, Set) and (
        recipient.agency in of or any(community in of for community in recipient.communities)
    )


def agencies_of(recipients: Iterable[Recipient], policy: Policy) -> cedarpy.Entities:
    """What Cedar knows of agencies. Raises: `ValueError` if the schema refuses one."""
    text = json.dumps([r.entity() for r in recipients])
    return cedarpy.Entities.from_json_str(text, policy.schema.handle)


def portion_json(policy: Policy, portion: Portion) -> str:
    """The portion in Cedar's JSON."""
    declared = policy.schema.attributes["resource"]
    return json.dumps([{"uid": PORTION_UID, "attrs": attributes(PORTION, declared, portion), "parents": []}])


def requests(recipients: Iterable[Recipient], at_ms: int) -> list[dict[str, object]]:
    """Whether each of them may receive the portion, as Cedar is asked."""
    context = json.dumps(attributes(CONTEXT, CONTEXT, at_ms))
    return [
        {
            "principal": {"type": "Agency", "id": r.agency},
            "action": RECEIVE,
            "resource": PORTION_UID,
            "context": context,
        }
        for r in recipients
    ]


def _batch(
    policy: Policy, recipients: Sequence[Recipient], known: cedarpy.Entities, at_ms: int
) -> list[Answer]:
    asked = requests(recipients, at_ms)
    try:
        results = cedarpy.is_authorized_batch(asked, policy.handle, known, policy.schema.handle)
    except ValueError:
        return [DENIED] * len(recipients)
    return [_answer(policy, result) for result in results]


def _answer(policy: Policy, result: cedarpy.AuthzResult) -> Answer:
    """The engine's result as an answer; its reasons come in random order."""
    reasons = tuple(sorted(RuleId(reason) for reason in result.diagnostics.reasons))
    if result.diagnostics.errors or any(reason not in policy.rules for reason in reasons):
        return DENIED
    if result.decision is cedarpy.Decision.Allow:
        return Answer(Effect.PERMIT, reasons)
    if result.decision is cedarpy.Decision.Deny:
        return Answer(Effect.FORBID if reasons else Effect.NONE, reasons)
    return DENIED
