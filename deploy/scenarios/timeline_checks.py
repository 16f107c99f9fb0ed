"""Checks of a scenario's background and timeline, against the arrangement as it holds at each instant.

Each fault is told with the path of the field that it is about; checking goes on after it where that makes sense.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final

from agencies.simulation.world import POOLS
from deploy.arrangements import ArrangementError, ArrangementSource
from deploy.arrangements.loader import RULES_FOLDER
from deploy.scenarios.acts import Fault, WrittenAct
from deploy.scenarios.background import chosen
from deploy.scenarios.known import Known, utc
from deploy.scenarios.marks import MOST_MARKS, Alteration, Version, in_force, marks_of
from deploy.scenarios.model import ChangeTerms, Scenario
from deploy.scenarios.names import hint
from schemas.directory import Directory, instant_ms
from schemas.lined_yaml import Path
from schemas.records import KINDS

_RULES_FILE: Final = re.compile(r"[a-z0-9][a-z0-9-]*\.cedar")


class TimelineChecks:
    """Checks what a scenario plays, and finds out what each change makes of the arrangement."""

    def __init__(
        self, scenario: Scenario, acts: Mapping[str, WrittenAct], source: ArrangementSource, fault: Fault
    ) -> None:
        self._scenario = scenario
        self._acts = acts
        self._fault = fault
        self._known = Known(scenario, fault)
        self.versions = [Version(instant_ms(scenario.start), source)]
        """The arrangement, and what each change makes of it."""
        self.unsure_ms = instant_ms(scenario.end)
        """From here on nobody can say what the arrangement is, since a change is broken."""

    def check(self) -> None:
        """All checks, in the order of the file."""
        self._background(self.versions[0].source.directory)
        self._timeline()
        self._keys()
        for act in self._acts.values():
            self._act(act)
        marks = marks_of(self._scenario, self._acts.values(), self.versions)
        if len(marks) > MOST_MARKS:
            self._fault(
                ("timeline",),
                f"the clock would have to stand still at {len(marks)} instants (changes, `exactly`, expiring keys); "
                f"expected at most {MOST_MARKS}",
            )

    def _background(self, directory: Directory) -> None:
        for place, entry in enumerate(self._scenario.background):
            path: Path = ("background", place)
            self._known.agencies((*path, "agencies"), entry.agencies, directory)
            self._known.span(path, entry)

    def _timeline(self) -> None:
        before: datetime | None = None
        for place, entry in enumerate(self._scenario.timeline):
            path: Path = ("timeline", place)
            self._known.inside((*path, "at"), entry.at)
            if before is not None and entry.at < before:
                self._fault((*path, "at"), f"stands after {utc(before)}; expected the order of time")
            before = entry.at
            if entry.change is not None:
                self._change((*path, "change"), entry.at, entry.change)
            if entry.surge is not None:
                self._surge((*path, "surge"), entry.at, entry.surge.agencies, entry.surge.until)

    def _surge(self, path: Path, at: datetime, names: Sequence[str], until: datetime) -> None:
        directory = self.versions[0].source.directory
        self._known.agencies((*path, "agencies"), names, directory)
        self._known.inside((*path, "until"), until, end=True)
        if until <= at:
            self._fault((*path, "until"), f"expected an instant after {utc(at)}")
        busy = {a for entry in self._scenario.background for a in chosen(entry.agencies, directory)}
        idle = [a for a in chosen(names, directory) if a not in busy]
        if idle and self._background_known(directory):
            self._fault((*path, "agencies"), f"{idle[0]} publishes nothing in the background to multiply")

    def _change(self, path: Path, at: datetime, terms: ChangeTerms) -> None:
        source = self.versions[-1].source
        directory, sound = source.directory, True
        for place, name in enumerate(terms.signed_by):
            self._known.agency((*path, "signed_by", place), name, directory)
        if len(set(terms.signed_by)) < source.threshold:
            self._fault(
                (*path, "signed_by"),
                f"expected {source.threshold} different agencies or more, found {len(set(terms.signed_by))}",
            )
        for what, ids in (
            ("communities", [c.id for c in terms.communities]),
            ("officers", [o.id for o in terms.officers]),
        ):
            for place, name in enumerate(ids):
                if name in ids[:place]:
                    self._fault((*path, what, place, "id"), f"the id '{name}' stands twice in this change")
                    sound = False
        for where, name in _named_in(terms):
            sound = self._known.agency((*path, *where), name, directory) and sound
        for place, name in enumerate(terms.end_suspensions):
            if not directory.suspended(name, instant_ms(at)):
                self._fault((*path, "end_suspensions", place), f"'{name}' is not suspended at this time")
        for file in terms.rules:
            if not _RULES_FILE.fullmatch(file):
                self._fault((*path, "rules", file), "expected the name of a file such as 'winter.cedar'")
                sound = False
        try:
            changed = Alteration(terms, at)(source) if sound else source
        except ArrangementError as error:
            sound, changed = False, source
            for message in error.errors:
                of = [file for file in terms.rules if message.startswith(f"{RULES_FOLDER}/{file}:")]
                self._fault((*path, "rules", of[0]) if of else path, message)
        if not sound:
            self.unsure_ms = min(self.unsure_ms, instant_ms(at))
        self.versions.append(Version(instant_ms(at), changed))

    def _keys(self) -> None:
        """What an agency holds back for want of a key must go out before the end, or the run would wait for ever."""
        last = self.versions[-1].source.directory
        for agency in last.agency_ids:
            if last.signs(agency, instant_ms(self._scenario.end) - 1):
                continue
            named = [
                place
                for place, entry in enumerate(self._scenario.timeline)
                if entry.change is not None and agency in entry.change.signing_until
            ]
            path: Path = ("timeline", named[-1], "change", "signing_until", agency) if named else ("end",)
            self._fault(path, f"the key of {agency} is not good at the end; expected a change that renews it")

    def _background_known(self, directory: Directory) -> bool:
        """Whether every entry of the background names somebody."""
        return all(chosen(entry.agencies, directory) for entry in self._scenario.background)

    def _act(self, act: WrittenAct) -> None:
        directory = in_force(self.versions, act.at_ms).directory
        self._known.agency((*act.path, "agency"), act.agency, directory)
        if act.exactly and act.agency in directory.agency_ids and not directory.signs(act.agency, act.at_ms):
            self._fault(
                (*act.path, "exactly"), f"the key of {act.agency} is not good then; it holds the act back"
            )
        known = KINDS[act.kind].portions
        for name, terms in act.portions.items():
            place = act.places[name]
            if place[: len(act.path)] != act.path:
                continue  # what a correction keeps was checked where it stands
            if name not in known:
                self._fault(
                    (*act.path, "portions", name),
                    f"a record of kind {act.kind} has no portion '{name}'{hint(name, known)}",
                )
            if not terms.to:
                self._fault(place, "expected somebody to whom it is addressed")
            for number, addressee in enumerate(terms.to):
                if act.at_ms < self.unsure_ms:
                    self._known.addressee((*place, number), addressee, directory)
                if addressee == act.agency:
                    self._fault((*place, number), f"'{addressee}' is the agency that publishes it")
        if act.corrects is None:
            for sort in act.links:
                if sort not in POOLS:
                    self._fault(
                        (*act.path, "links", sort), f"there is no sort of thing '{sort}'{hint(sort, POOLS)}"
                    )


def _named_in(terms: ChangeTerms) -> Iterable[tuple[Path, str]]:
    """Every agency that a change names, with where it stands in it."""
    for place, community in enumerate(terms.communities):
        if community.lead is not None:
            yield ("communities", place, "lead"), community.lead
        for number, member in enumerate(community.members):
            yield ("communities", place, "members", number, "agency"), member.agency
    for place, officer in enumerate(terms.officers):
        yield ("officers", place, "id"), officer.home
        if officer.host is not None:
            yield ("officers", place, "host"), officer.host
    for place, suspension in enumerate(terms.suspensions):
        yield ("suspensions", place, "agency"), suspension.agency
    for place, name in enumerate(terms.end_suspensions):
        yield ("end_suspensions", place), name
    for name in terms.signing_until:
        yield ("signing_until", name), name
