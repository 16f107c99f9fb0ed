"""What one version of an arrangement changes in another, one plain line each, for those who are to sign it."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from hashlib import sha256
from typing import TypeVar

from broker.policy.arranged import ArrangementSource, source_of
from schemas.arrangement import AgencyKeys, ArrangementBody
from schemas.directory import Agency, Interval, Officer

_T = TypeVar("_T")

#: What each case of a file begins with.
_CASE = "- case:"


def differences(old: ArrangementBody, new: ArrangementBody) -> list[str]:
    """Everything but the order of things and comments, the directory first. Empty: no change.

    Raises: `ArrangementError` for a version whose rules or invariants cannot be used.
    """
    keys = list(_changes("keys of", _by_name(old), _by_name(new), _keys))
    if old.broker != new.broker:
        keys.append("the broker's signing key changes")
    return _differences(source_of(old), source_of(new), keys)


def rewritten(old: ArrangementSource, new: ArrangementSource) -> list[str]:
    """The same of what is written in folders, where no keys are."""
    return _differences(old, new, ())


def _differences(old: ArrangementSource, new: ArrangementSource, keys: Iterable[str]) -> list[str]:
    lines = []
    if old.threshold != new.threshold:
        lines.append(f"signatures needed: {old.threshold} -> {new.threshold}")
    before, after = old.directory, new.directory
    lines += [
        f"lane '{lane}': shard {before.shard_of(lane)} -> {after.shard_of(lane)}"
        for lane in before.agency_ids
        if lane in after.agency_ids and before.shard_of(lane) != after.shard_of(lane)
    ]
    lines += _changes(
        "agency", {a.id: a for a in before.agencies}, {a.id: a for a in after.agencies}, _agency
    )
    lines += _changes(
        "community",
        {c.id: c for c in before.communities},
        {c.id: c for c in after.communities},
        lambda c: f"{', '.join(m.agency for m in c.members)}; {_span(c)}",
    )
    lines += _changes(
        "officer",
        {o.id: o for o in before.officers},
        {o.id: o for o in after.officers},
        _officer,
    )
    lines += _changes(
        "suspension of",
        {f"{s.agency}, {_span(s)}": s for s in before.suspensions},
        {f"{s.agency}, {_span(s)}": s for s in after.suspensions},
        lambda s: s.reason,
    )
    lines += keys
    lines += _changes("rule", _rules(old), _rules(new), lambda rule: rule[0])
    if old.schema_text != new.schema_text:
        lines.append("the schema's text changes")
    lines += _changes("invariant", _invariants(old), _invariants(new), lambda promise: promise[0])
    lines += _changes("file of cases", old.cases, new.cases, lambda text: f"{text.count(_CASE)} cases")
    return lines


def _changes(
    what: str, old: Mapping[str, _T], new: Mapping[str, _T], words: Callable[[_T], str]
) -> Iterable[str]:
    for name in sorted(old.keys() | new.keys()):
        if name not in old:
            yield f"new {what} '{name}': {words(new[name])}"
        elif name not in new:
            yield f"{what} '{name}' ends: {words(old[name])}"
        elif old[name] != new[name]:
            yield f"{what} '{name}' changes: {words(new[name])}"


def _agency(agency: Agency) -> str:
    exposed = "every state" if agency.exposed is None else ", ".join(sorted(agency.exposed - agency.states))
    until = "" if agency.signing_until is None else f"; signing key until {_instant(agency.signing_until)}"
    states = ", ".join(sorted(agency.states)) or "no state"
    return f"{agency.role} of {states}; exposed to {exposed or 'no other'}{until}"


def _officer(officer: Officer) -> str:
    place = f"hosted by {officer.host}" if officer.host else f"posted to {officer.posted_to}"
    cleared = "" if officer.clearance is None else f"; shown there {officer.clearance.said()}"
    return f"{place}{cleared}; {_span(officer)}"


def _by_name(body: ArrangementBody) -> dict[str, AgencyKeys]:
    return {str(agency): keys for agency, keys in body.keys.items()}


def _keys(keys: AgencyKeys) -> str:
    signing, opening = (
        sha256(k.model_dump_json().encode()).hexdigest()[:16] for k in (keys.signing, keys.opening)
    )
    retiring = "" if keys.retiring is None else f"; the one before it until {_instant(keys.retiring.until)}"
    return f"signs by {signing}{retiring}; opens by {opening}"


def _instant(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S")


def _span(interval: Interval) -> str:
    start = "any time" if interval.start is None else _instant(interval.start)
    end = "open" if interval.end is None else _instant(interval.end)
    return f"from {start} to {end}"


def _invariants(source: ArrangementSource) -> dict[str, tuple[str, str, str]]:
    """Of each promise what it says, and the condition; layout does not count."""
    return {i.id: (i.says, str(i.promise), repr(i.condition.expr)) for i in source.invariants.values()}


def _rules(source: ArrangementSource) -> dict[str, tuple[str, str]]:
    """Of each rule its reason, and all that it says as a comparable text; comments and layout do not count."""
    return {str(rule.id): (rule.reason, repr(rule.node)) for rule in source.policy.rules.values()}
