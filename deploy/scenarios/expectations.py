"""Whether a scenario's expectations held, checked on what was stored and what was decided.

- An expectation that was never tried does not hold: nobody is to be calmed by what did not happen.
- Of each that does not hold it is said in a plain sentence why, with the first few cases.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import repeat

from deploy.scenarios.expected import NOT_ACTIVE, Expected, Holdings
from deploy.scenarios.facts import Facts, Subject
from deploy.scenarios.fields import Span
from deploy.scenarios.screenplay import Screenplay
from deploy.stage.evidence import Ledger, StoreEvidence
from deploy.stage.expectations import Expectation
from schemas.clock import ClockMap
from schemas.directory import instant_ms
from schemas.ids import AgencyId
from schemas.ledger import Admitted, Quarantined
from schemas.verdicts import Withheld

_TOLD = 3


@dataclass(frozen=True, slots=True)
class ScenarioExpectation(Expectation):
    """An expectation of a scenario. `because`: why it does not hold, in a sentence; empty if it does."""

    because: str = ""


def check_screenplay(
    screenplay: Screenplay,
    ledgers: Mapping[AgencyId, Ledger],
    stores: Mapping[AgencyId, StoreEvidence],
    clock: ClockMap,
) -> list[Expectation]:
    """Each expectation of the screenplay. `clock`: the map at the end, which dates what was stored."""
    facts = Facts(screenplay, ledgers, stores, clock)
    return [_checked(facts, expected) for expected in screenplay.expectations]


def _checked(facts: Facts, expected: Expected) -> ScenarioExpectation:
    cases, faults = 0, []
    for fault in _cases(facts, expected):
        cases += 1
        if fault is not None:
            faults.append(fault)
    because = "; ".join(faults[:_TOLD])
    if len(faults) > _TOLD:
        because += f"; and {len(faults) - _TOLD} more"
    if not cases:
        because = "nothing came up that it is about"
    return ScenarioExpectation(expected.name, not because, cases, because)


def _cases(facts: Facts, expected: Expected) -> Iterator[str | None]:
    """One for each thing that is tried: None if it is right, else what is wrong."""
    if expected.holds_only is not None:
        yield from _holdings(facts, expected.holds_only)
        return
    if expected.where is not None:
        subjects = facts.admitted(expected.where, expected.portion)
    else:
        subjects = facts.acts(expected.about, expected.portion)
    for subject in subjects:
        yield from _recipients(facts, expected, subject)
        if expected.admitted is not None:
            yield _admitted(subject, expected.admitted)
        if expected.quarantined is not None:
            yield _quarantined(subject, expected.quarantined)
        if expected.decided_under is not None:
            yield _decided_under(facts, subject, expected.decided_under)
    if expected.same:
        yield _same(facts, expected.about, expected.same)
    if expected.fired is not None and not _named(expected):
        yield from _fired(facts, subjects, expected.fired)


def _named(expected: Expected) -> bool:
    """Whether it names agencies, so that its rule is meant to decide on them."""
    return bool(expected.has or expected.has_not or expected.has_only)


def _holdings(facts: Facts, allowed: Holdings) -> Iterator[str | None]:
    for holder in facts.agencies(allowed.agencies):
        for lane, kind, portion in facts.holdings(holder):
            right = kind in allowed.kinds and portion in allowed.portions
            yield None if right else f"{holder} holds {portion} of {kind} from {lane}"


def _recipients(facts: Facts, expected: Expected, subject: Subject) -> Iterator[str | None]:
    has, rule = facts.agencies((*expected.has, *(expected.has_only or ()))), expected.fired
    for agency in has:
        if agency != subject.lane:
            yield _has(facts, expected, agency, subject) or _decided_by(facts, rule, agency, subject)
    for agency in facts.agencies(expected.has_not):
        if agency != subject.lane:
            yield _has_not(facts, expected, agency, subject) or _decided_by(facts, rule, agency, subject)
    if expected.has_only is not None:
        for agency in facts.screenplay.source.directory.agency_ids:
            if agency != subject.lane and agency not in has:
                yield _has_not(facts, expected, agency, subject)


def _has(facts: Facts, expected: Expected, agency: AgencyId, subject: Subject) -> str | None:
    stored = facts.stored(agency, subject)
    if not stored:
        return f"{agency} does not have {subject.what} ({_standing(facts, subject, agency)})"
    if expected.by is not None and min(stored) > instant_ms(expected.by):
        return f"{agency} stored {subject.what} only at {_instant(min(stored))}"
    return None


def _has_not(facts: Facts, expected: Expected, agency: AgencyId, subject: Subject) -> str | None:
    if facts.stored(agency, subject):
        return f"{agency} has {subject.what}"
    if expected.why is not None and not _withheld_for(facts, expected.why, agency, subject):
        told = _standing(facts, subject, agency)
        return f"{subject.what} is withheld from {agency} for another reason ({told})"
    return None


def _withheld_for(facts: Facts, why: str, agency: AgencyId, subject: Subject) -> bool:
    if not isinstance(subject.leaf, Admitted):
        return False
    if agency not in subject.leaf.active:
        return why == NOT_ACTIVE
    found = list(facts.verdicts(subject, {agency}))
    return bool(found) and all(
        reason == why or (reason is Withheld.FORBIDDEN and why in verdict.rules)
        for _, verdict, reason in found
    )


def _decided_by(facts: Facts, rule: str | None, agency: AgencyId, subject: Subject) -> str | None:
    if rule is None or any(rule in verdict.rules for _, verdict, _ in facts.verdicts(subject, {agency})):
        return None
    return f"rule {rule} says nothing of {subject.what} for {agency}"


def _fired(facts: Facts, subjects: Collection[Subject], rule: str) -> Iterator[str | None]:
    """One that it decided on is enough."""
    everybody = facts.screenplay.source.directory.agency_ids
    times = sum(
        rule in verdict.rules for subject in subjects for _, verdict, _ in facts.verdicts(subject, everybody)
    )
    if times:
        yield from repeat(None, times)
    else:
        yield f"rule {rule} decided on none of it"


def _admitted(subject: Subject, span: Span) -> str | None:
    leaf = subject.leaf
    if not isinstance(leaf, Admitted):
        return f"{subject.what} was not admitted ({_fate(subject)})"
    early = span.start is not None and leaf.at_ms < instant_ms(span.start)
    late = span.until is not None and leaf.at_ms >= instant_ms(span.until)
    return f"{subject.what} was admitted at {_instant(leaf.at_ms)}" if early or late else None


def _quarantined(subject: Subject, reason: str) -> str | None:
    leaf = subject.leaf
    if isinstance(leaf, Quarantined) and leaf.reason == reason:
        return None
    return f"{subject.what} was not refused for {reason} ({_fate(subject)})"


def _decided_under(facts: Facts, subject: Subject, number: int) -> str | None:
    if not isinstance(subject.leaf, Admitted):
        return f"{subject.what} was not decided on ({_fate(subject)})"
    version = facts.version(subject)
    return None if version == number else f"{subject.what} was decided on under version {version}"


def _same(facts: Facts, acts: Collection[str], fields: Collection[str]) -> str | None:
    values: list[set[str]] = [facts.values(act, fields) for act in acts]
    if set.intersection(*values):
        return None
    return f"{' and '.join(repr(act) for act in acts)} have no {' or '.join(fields)} in common"


def _fate(subject: Subject) -> str:
    match subject.leaf:
        case Admitted(at_ms=at_ms):
            return f"admitted at {_instant(at_ms)}"
        case Quarantined(reason=reason):
            return f"refused: {reason}"
        case _:
            return "its agency has not published it" if subject.manifest is None else "no ledger knows it"


def _standing(facts: Facts, subject: Subject, agency: AgencyId) -> str:
    """What the ledger says of the subject for an agency."""
    leaf = subject.leaf
    if not isinstance(leaf, Admitted):
        return _fate(subject)
    if agency not in leaf.active:
        return NOT_ACTIVE
    told = []
    for portion, verdict, why in facts.verdicts(subject, {agency}):
        rules = f" by {', '.join(verdict.rules) or 'an error'}" if why is Withheld.FORBIDDEN else ""
        said = "released" if why is None else f"{why}{rules}"
        told.append(said if subject.portion else f"{portion}: {said}")
    return ", ".join(told) or "it has no such portion"


def _instant(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds")
