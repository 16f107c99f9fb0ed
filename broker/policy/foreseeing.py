"""A preview: what would become of a record with these labels, if it were admitted now. Pure, as deciding is.

- The same questions in the same order as admission and `deciding` ask them, of the same engine: a preview that
  differed from the decision would be worse than none (a test compares them).
- What only sealed bytes can show (signatures, capsules, sequence, revision) is no part of it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from broker.policy.deciding import Labelled, others, rule_on
from broker.policy.ruling import Engine
from schemas.audience import audience
from schemas.codes import Kind, PortionName
from schemas.directory import Directory
from schemas.gate import Surroundings, surroundings
from schemas.ids import AgencyId, RuleId
from schemas.labels import Label
from schemas.records import KINDS, bears_persons
from schemas.verdicts import Effect, Refused, Verdict, Withheld, outcome


@dataclass(frozen=True, slots=True)
class Portion:
    """A portion of which only the label is known yet."""

    name: PortionName
    label: Label


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What one agency would get of a portion: it, or the reason why not. `rules`: those that decide it."""

    recipient: AgencyId
    withheld: Withheld | None
    rules: tuple[RuleId, ...]


@dataclass(frozen=True, slots=True)
class ForeseenPortion:
    """A portion's outcome for every other active agency, in the order of their ids."""

    name: PortionName
    outcomes: tuple[Foreseen, ...]


def refusal(
    engine: Engine, originator: AgencyId, kind: Kind, portions: Sequence[Portion], at_ms: int
) -> Refused | None:
    """Why admission would quarantine the record, as far as labels tell; None: it would not."""
    directory, spec = engine.directory, KINDS[kind]
    if directory.suspended(originator, at_ms):
        return Refused.ORIGINATOR_NOT_ACTIVE
    names = [portion.name for portion in portions]
    if len(set(names)) != len(names) or not spec.portions.keys() >= set(names):
        return Refused.UNKNOWN_PORTION
    if not all(directory.knows(portion.label.routing) for portion in portions):
        return Refused.LABEL_NOT_IN_ARRANGEMENT
    for portion in portions:
        handling = portion.label.handling
        if spec.portions[portion.name].bears_persons and not (handling.subjects and handling.origins):
            return Refused.INCOMPLETE_LABEL
    if any(at_ms // 86_400_000 > portion.label.handling.retain_until for portion in portions):
        return Refused.EXPIRED
    return None


def foresee(
    engine: Engine, originator: AgencyId, kind: Kind, portions: Sequence[Portion], at_ms: int
) -> tuple[ForeseenPortion, ...]:
    """Who would get which portion and why, of a record that admission would not refuse (`refusal` says None)."""
    active = others(engine.directory, originator, at_ms)
    labelled = sealed(engine.directory, originator, kind, portions, at_ms)
    ruled = rule_on(kind, labelled, active, engine, originator, at_ms)
    return tuple(
        ForeseenPortion(
            portion.name,
            tuple(foreseen_by(found.ruling.verdict(a), a in one.audience) for a in active),
        )
        for portion, one, found in zip(portions, labelled, ruled, strict=True)
    )


def whole(kind: Kind, portions: Iterable[Portion]) -> Surroundings:
    """What a record of these portions holds, as rules on each of them read it."""
    return surroundings((bears_persons(kind, p.name), p.label.handling) for p in portions)


def sealed(
    directory: Directory, originator: AgencyId, kind: Kind, portions: Sequence[Portion], at_ms: int
) -> list[Labelled]:
    """The portions with the audience that an honest originator would seal them for."""
    spec, found = KINDS[kind], []
    for portion in portions:
        bears = spec.portions[portion.name].bears_persons
        sealed_for = audience(portion.label, bears, originator, directory, at_ms)
        found.append(Labelled(portion.name, portion.label, bears, sealed_for))
    return found


def foreseen_by(verdict: Verdict, is_addressed: bool) -> Foreseen:
    """One pair's outcome with the rules that decided it: none where the gate or the originator did."""
    withheld = outcome(verdict, is_addressed)
    decided = withheld is None or (withheld is Withheld.FORBIDDEN and verdict.effect is Effect.FORBID)
    return Foreseen(verdict.recipient, withheld, verdict.rules if decided else ())
