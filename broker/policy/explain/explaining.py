"""Why a recipient gets a portion or does not: the rules that decided, what stands in the way, what would turn it.

- Whole explanations are for the originator and for auditors. A recipient is told what its certificate tells and nothing
  else (`received`): what was not released is to it as if it were not there.
- What would turn a refusal is searched (`turning`), never advised: facts are told apart from markings, and who else
  would get something by a change is said with it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

from broker.policy.explain.edits import Change
from broker.policy.explain.levers import Case
from broker.policy.explain.parts import Parts, parts_of
from broker.policy.explain.turning import Changes, Trials, asked, merged, order
from broker.policy.foreseeing import Portion, foresee, foreseen_by, refusal
from broker.policy.loader import Rule
from broker.policy.ruling import Engine
from schemas.audience import addressed, named_officers
from schemas.codes import UNKNOWN_STATE, Kind, PortionName
from schemas.gate import ALL_STATES
from schemas.ids import AgencyId, RuleId
from schemas.verdicts import Refused, Withheld

MOST_ASKED: Final = 3000
"""How often the engine is asked at most for one portion: a few seconds."""

MOST_TOLD: Final = 8
"""So many answers are told; what is beyond is counted."""

_NEAREST: Final = 3
_FORESEEN: Final = 24


@dataclass(frozen=True, slots=True)
class Lacking:
    """A permit that does not hold, and each part of it that does not, in plain words."""

    rule: Rule
    parts: tuple[str, ...]


@dataclass(frozen=True, slots=True, order=True)
class Share:
    """A portion that an agency gets."""

    portion: PortionName
    agency: AgencyId


@dataclass(frozen=True, slots=True)
class Turn:
    """Changes that together turn the refusal; who would get, or no longer get, something else by them."""

    changes: tuple[Change, ...]
    opens: tuple[Share, ...]
    closes: tuple[Share, ...]


@dataclass(frozen=True, slots=True)
class Turns:
    """The smallest changes. `more`: how many answers are not told. `stopped`: not all were tried, after so many."""

    told: tuple[Turn, ...]
    more: int
    asked: int
    stopped: bool


@dataclass(frozen=True, slots=True)
class ExplainedPortion:
    """What becomes of a portion for the recipient. `withheld` None: released. `rules`: those that decided.

    `why`: what stands in the way that is no rule, in plain words. `nearest`: permits that ask least of what they still
    ask. `turns`: None where nothing was searched.
    """

    name: PortionName
    withheld: Withheld | None
    rules: tuple[Rule, ...]
    why: str
    nearest: tuple[Lacking, ...]
    turns: Turns | None


@dataclass(frozen=True, slots=True)
class Explained:
    """A record as it is decided for one recipient. `refused`: admission would quarantine it, and no portion is told."""

    recipient: AgencyId
    refused: Refused | None
    portions: tuple[ExplainedPortion, ...]


@dataclass(frozen=True, slots=True)
class Received:
    """What a certificate tells its recipient: the portions that came, and the permits that released them."""

    portions: tuple[PortionName, ...]
    rules: tuple[Rule, ...]


def explain(
    engine: Engine,
    originator: AgencyId,
    kind: Kind,
    portions: Sequence[Portion],
    recipient: AgencyId,
    at_ms: int,
    most_asked: int = MOST_ASKED,
    only: PortionName | None = None,
) -> Explained:
    """Explain what becomes of a record's portions for one recipient.

    `most_asked`: how often the engine may be asked for changes, of one portion; 0: none are searched. `only`: explain
    no other portion. Raises: `KeyError` for a recipient that the directory lacks, or the originator.
    """
    if recipient == originator:
        raise KeyError(recipient)
    engine.directory.agency(recipient)
    refused = refusal(engine, originator, kind, portions, at_ms)
    if refused is not None:
        return Explained(recipient, refused, ())
    parts = cache(lambda: parts_of(engine.policy, engine.directory))  # not needed for what is released
    cases = (
        Case(engine.directory, originator, kind, tuple(portions), p.name, recipient, at_ms) for p in portions
    )
    wanted = (case for case in cases if only is None or case.name == only)
    return Explained(recipient, None, tuple(_explained(engine, case, parts, most_asked) for case in wanted))


def received(explained: Explained | None) -> Received:
    """What the recipient is told; nothing of what is not released, and of a record that is not there, alike."""
    came = [p for p in explained.portions if p.withheld is None] if explained is not None else []
    rules = {rule.id: rule for portion in came for rule in portion.rules}
    return Received(tuple(sorted(p.name for p in came)), tuple(rules[rule] for rule in sorted(rules)))


def _explained(engine: Engine, case: Case, parts: Callable[[], Parts], most_asked: int) -> ExplainedPortion:
    verdict = asked(engine, case)
    is_addressed = case.recipient in addressed(
        case.portion.label, case.originator, case.directory, case.at_ms
    )
    found = foreseen_by(verdict, is_addressed)
    nearest: tuple[Lacking, ...] = ()
    if found.withheld is Withheld.NO_PERMIT:
        nearest = _nearest(engine, case, parts())
    turns = None
    if found.withheld is not None and most_asked:
        turns = _turns(engine, case, parts(), most_asked)
    return ExplainedPortion(
        case.name,
        found.withheld,
        tuple(engine.policy.rules[rule] for rule in found.rules),
        _why(case, found.withheld, found.rules),
        nearest,
        turns,
    )


def _why(case: Case, withheld: Withheld | None, rules: tuple[RuleId, ...]) -> str:
    match withheld:
        case Withheld.GATE:
            return _gate(case)
        case Withheld.NOT_ADDRESSED if case.directory.suspended(case.recipient, case.at_ms):
            return f"{case.recipient} is suspended, and nobody who is suspended is addressed"
        case Withheld.NOT_ADDRESSED:
            return "the originator addressed neither the agency, nor a community that it is in, nor an officer of it"
        case Withheld.FORBIDDEN if not rules:
            return "a rule could not be asked, and what cannot be asked is withheld"
        case Withheld.NO_PERMIT:
            return "no rule permits it, and what none permits is withheld"
        case _:
            return ""


def _gate(case: Case) -> str:
    origins = set(case.portion.label.handling.origins)
    officers = named_officers(case.portion.label, case.recipient)
    exposed = case.directory.exposed_states(case.recipient, case.at_ms, officers)
    opening = "it bears a person under protection"
    if not origins or UNKNOWN_STATE in origins:
        return f"{opening} whose origin is not known, which counts as every state"
    if exposed is ALL_STATES:
        return f"{opening}, and it is not stated which states see what {case.recipient} holds"
    meet = ", ".join(sorted(origins & exposed))
    return f"{opening} from {meet}, and what {case.recipient} holds is seen there"


def _nearest(engine: Engine, case: Case, parts: Parts) -> tuple[Lacking, ...]:
    lacking = parts.lacking(asked(engine.over(engine.directory, parts.policy), case))
    least = min((len(one) for one in lacking.values()), default=0)
    return tuple(
        Lacking(engine.policy.rules[rule], tuple(part.words for part in one))
        for rule, one in sorted(lacking.items())
        if len(one) == least
    )[:_NEAREST]


def _turns(engine: Engine, case: Case, parts: Parts, most_asked: int) -> Turns:
    trials = Trials(engine, case, most_asked, parts)
    found = trials.search()
    now = _shares(engine, case)
    told: dict[tuple[tuple[Share, ...], tuple[Share, ...]], list[Changes]] = {}
    for answer in found.answers[:_FORESEEN]:
        then = _shares(*trials.with_changes(answer))
        mine = {Share(case.name, case.recipient)}
        sides = (tuple(sorted(then - now - mine)), tuple(sorted(now - then)))
        told.setdefault(sides, []).append(answer)
    turns = [Turn(changes, *sides) for sides, answers in told.items() for changes in merged(answers)]
    turns.sort(key=lambda turn: order(turn.changes))
    more = len(turns[MOST_TOLD:]) + len(found.answers[_FORESEEN:])
    return Turns(tuple(turns[:MOST_TOLD]), more, found.asked, found.stopped)


def _shares(engine: Engine, case: Case) -> set[Share]:
    foreseen = foresee(engine, case.originator, case.kind, case.portions, case.at_ms)
    return {Share(p.name, o.recipient) for p in foreseen for o in p.outcomes if o.withheld is None}
