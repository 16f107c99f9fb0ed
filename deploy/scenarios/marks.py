"""Where domain time stands still for a moment, and the changes of the arrangement that are made meanwhile.

- A change that holds from an instant on is made a millisecond before it, when everything earlier is in the log.
- What is to be admitted at its very instant is published while the clock stands there.
- Before a signing key expires, what was due until then is in the log.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, TypeVar

from pydantic import ValidationError

from broker.policy import PolicyError, load_policy
from broker.policy.arranged import SCHEMA_FILE
from deploy.arrangements import ArrangementError, ArrangementSource
from deploy.arrangements.loader import RULES_FOLDER
from deploy.scenarios.acts import WrittenAct
from deploy.scenarios.model import ChangeTerms, Scenario
from schemas.directory import Agency, Community, Directory, Officer, Suspension, instant_ms
from schemas.ids import AgencyId

_T = TypeVar("_T", bound=Community | Officer)

MOST_MARKS: Final = 30
"""A clock map keeps 64 pieces, a mark takes two; one that forgot its beginning could not date what was stored then."""


@dataclass(frozen=True, slots=True)
class Change:
    """A new version of the arrangement: what it changes in plain words, who signs it, what it makes of the last one.

    `apply` raises `deploy.arrangements.ArrangementError`.
    """

    note: str
    signed_by: tuple[AgencyId, ...]
    apply: Callable[[ArrangementSource], ArrangementSource] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Mark:
    """An instant at which the clock stands until all that is due is in the log; then comes the change, if any."""

    at_ms: int
    name: str
    change: Change | None


@dataclass(frozen=True)
class Version:
    """An arrangement as it holds from an instant on."""

    from_ms: int
    source: ArrangementSource


def in_force(versions: Sequence[Version], at_ms: int) -> ArrangementSource:
    """The arrangement that holds at the instant."""
    return next((v.source for v in reversed(versions) if v.from_ms <= at_ms), versions[0].source)


@dataclass(frozen=True)
class Alteration:
    """What the terms of a change, in force from `at` on, make of an arrangement."""

    terms: ChangeTerms
    at: datetime

    def __call__(self, source: ArrangementSource) -> ArrangementSource:
        """Raises: `ArrangementError`."""
        policies = {**source.policies, **{f"{RULES_FOLDER}/{f}": t for f, t in self.terms.rules.items()}}
        try:
            directory = self._directory(source.directory)
        except ValidationError as error:
            told = (e["msg"].removeprefix("Value error, ") for e in error.errors())
            raise ArrangementError(tuple(told)) from error
        try:
            policy = load_policy(policies, source.schema_text, directory, SCHEMA_FILE)
        except PolicyError as error:
            raise ArrangementError(tuple(map(str, error.faults))) from error
        return replace(source, directory=directory, policies=policies, policy=policy)

    def _directory(self, before: Directory) -> Directory:
        terms = self.terms
        # Built anew and not copied: answers that the old one remembers are not true of the new one.
        return Directory(
            agencies=tuple(self._agency(agency) for agency in before.agencies),
            officers=_replaced(before.officers, terms.officers),
            communities=_replaced(before.communities, terms.communities),
            suspensions=(*self._suspensions(before.suspensions), *terms.suspensions),
            lanes=before.lanes,
        )

    def _agency(self, agency: Agency) -> Agency:
        if agency.id not in self.terms.signing_until:
            return agency
        kept = {name: getattr(agency, name) for name in Agency.model_fields}
        return Agency(**{**kept, "signing_until": self.terms.signing_until[agency.id]})

    def _suspensions(self, before: Iterable[Suspension]) -> Iterable[Suspension]:
        at_ms = instant_ms(self.at)
        for suspension in before:
            over = suspension.end_ms is not None and suspension.end_ms <= at_ms
            if suspension.agency not in self.terms.end_suspensions or over:
                yield suspension
            elif suspension.start_ms is None or suspension.start_ms < at_ms:
                yield Suspension(
                    agency=suspension.agency, reason=suspension.reason, start=suspension.start, end=self.at
                )


def marks_of(scenario: Scenario, acts: Iterable[WrittenAct], versions: Sequence[Version]) -> tuple[Mark, ...]:
    """All marks in the order of time; at one instant what is published there comes first."""
    changes = [
        Mark(
            instant_ms(entry.at) - 1,
            entry.change.note,
            Change(
                entry.change.note,
                tuple(map(AgencyId, entry.change.signed_by)),
                Alteration(entry.change, entry.at),
            ),
        )
        for entry in scenario.timeline
        if entry.change is not None
    ]
    taken = {mark.at_ms for mark in changes}
    halts: dict[int, str] = {}
    for act in acts:
        if act.exactly and act.at_ms not in taken:
            halts[act.at_ms] = f"{halts[act.at_ms]}, {act.id}" if act.at_ms in halts else act.id
    for at_ms, agency in _expiries(scenario, versions):
        if at_ms - 1 not in taken:
            halts.setdefault(at_ms - 1, f"the signing key of {agency} expires")
    quiet = [Mark(at_ms, name, None) for at_ms, name in halts.items()]
    return tuple(sorted([*quiet, *changes], key=lambda mark: mark.at_ms))


def _replaced(before: Sequence[_T], changed: Sequence[_T]) -> tuple[_T, ...]:
    """By id: those that were, in their places, and the new ones after them."""
    ids = [item.id for item in before]
    kept = [next((n for n in changed if n.id == item.id), item) for item in before]
    return (*kept, *(item for item in changed if item.id not in ids))


def _expiries(scenario: Scenario, versions: Sequence[Version]) -> Iterable[tuple[int, str]]:
    """Instants of the scenario at which a key expires by the version that holds then."""
    for version in versions:
        for agency in version.source.directory.agencies:
            at_ms = agency.signing_until_ms
            if at_ms is None or not instant_ms(scenario.start) < at_ms < instant_ms(scenario.end):
                continue
            if in_force(versions, at_ms - 1).directory.agency(agency.id).signing_until_ms == at_ms:
                yield at_ms, agency.id
