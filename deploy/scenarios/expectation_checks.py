"""Checks of a scenario's expectations: acts, portions, agencies and rules that they name, and times that they give."""

from collections.abc import Mapping, Sequence

from deploy.scenarios.acts import Fault, WrittenAct
from deploy.scenarios.expected import NOT_ACTIVE, Expected, Where
from deploy.scenarios.known import Known
from deploy.scenarios.marks import Version, in_force
from deploy.scenarios.model import Scenario
from deploy.scenarios.names import hint
from schemas.directory import instant_ms
from schemas.ids import RuleId
from schemas.lined_yaml import Path
from schemas.records import KINDS
from schemas.verdicts import Withheld


class ExpectationChecks:
    """Checks what a scenario expects. `unsure_ms`: from here on the versions are not to be relied on."""

    def __init__(
        self,
        scenario: Scenario,
        acts: Mapping[str, WrittenAct],
        versions: Sequence[Version],
        unsure_ms: int,
        fault: Fault,
    ) -> None:
        self._scenario = scenario
        self._acts = acts
        self._versions = versions
        self._unsure_ms = unsure_ms
        self._fault = fault
        self._known = Known(scenario, fault)

    def check(self) -> None:
        """All checks, in the order of the file."""
        names: dict[str, int] = {}
        for place, expected in enumerate(self._scenario.expectations):
            first = names.setdefault(expected.name, place)
            if first != place:
                self._fault(("expectations", place, "name"), f"stands twice; first in expectations[{first}]")
            self._expected(("expectations", place), expected)

    def _expected(self, path: Path, expected: Expected) -> None:
        directory = self._versions[0].source.directory
        acts = self._about(path, expected)
        for name in ("has", "has_not", "has_only"):
            self._known.agencies((*path, name), getattr(expected, name) or (), directory)
        for place, name in enumerate(expected.has_not):
            if name in expected.has:
                self._fault((*path, "has_not", place), f"'{name}' stands under has as well")
        for act in acts:
            for field in ("has", "has_only"):
                if act.agency in (getattr(expected, field) or ()):
                    self._fault((*path, field), f"'{act.agency}' publishes '{act.id}' itself")
            self._portions(path, expected, act)
        if expected.where is not None:
            self._where((*path, "where"), expected.where, expected.portion)
        if expected.holds_only is not None:
            self._known.agencies((*path, "holds_only", "agencies"), expected.holds_only.agencies, directory)
        self._rules(path, expected, acts)
        if expected.by is not None and self._known.inside((*path, "by"), expected.by, end=True):
            late = [act for act in acts if act.at_ms > instant_ms(expected.by)]
            if late:
                self._fault((*path, "by"), f"'{late[0].id}' is published only after this")
        if expected.admitted is not None:
            self._known.span((*path, "admitted"), expected.admitted)
        if expected.decided_under is not None and expected.decided_under >= len(self._versions):
            last = len(self._versions) - 1
            self._fault(
                (*path, "decided_under"), f"expected a version from 0 to {last}, as there are {last} changes"
            )

    def _about(self, path: Path, expected: Expected) -> list[WrittenAct]:
        for place, name in enumerate(expected.about):
            if name not in self._acts:
                self._fault((*path, "about", place), f"there is no act '{name}'{hint(name, self._acts)}")
        return [self._acts[name] for name in expected.about if name in self._acts]

    def _portions(self, path: Path, expected: Expected, act: WrittenAct) -> None:
        has = act.portions or KINDS[act.kind].portions
        for place, name in enumerate(expected.portion):
            if name not in has:
                self._fault((*path, "portion", place), f"'{act.id}' has no portion '{name}'{hint(name, has)}")

    def _where(self, path: Path, where: Where, portions: Sequence[str]) -> None:
        directory = self._versions[0].source.directory
        self._known.agencies((*path, "originator"), where.originator, directory)
        if where.admitted is not None:
            self._known.span((*path, "admitted"), where.admitted)
        known = {
            name
            for version in self._versions
            for name in (
                *directory.agency_ids,
                *(c.id for c in version.source.directory.communities),
                *(o.id for o in version.source.directory.officers),
            )
        }
        for place, name in enumerate(where.to):
            if name not in known:
                self._fault(
                    (*path, "to", place),
                    f"there is no agency, community or officer '{name}'{hint(name, known)}",
                )
        kinds = list(where.kind or KINDS)
        for place, name in enumerate(portions):
            if not any(name in KINDS[kind].portions for kind in kinds):
                self._fault((*path[:-1], "portion", place), f"no kind chosen has a portion '{name}'")

    def _rules(self, path: Path, expected: Expected, acts: Sequence[WrittenAct]) -> None:
        """Rules by id, as of the acts; a rule of any version where records are chosen."""
        end_ms = instant_ms(self._scenario.end)
        if self._unsure_ms < end_ms and max((a.at_ms for a in acts), default=end_ms) >= self._unsure_ms:
            return
        sources = [in_force(self._versions, act.at_ms) for act in acts] or [v.source for v in self._versions]
        rules = {str(rule) for source in sources for rule in source.policy.rules}
        reasons = {*map(str, Withheld), NOT_ACTIVE}
        if expected.why is not None and expected.why not in rules | reasons:
            near = hint(expected.why, rules | reasons)
            self._fault((*path, "why"), f"'{expected.why}' is neither a reason nor a rule at this time{near}")
        if expected.fired is not None and RuleId(expected.fired) not in rules:
            self._fault(
                (*path, "fired"),
                f"there is no rule '{expected.fired}' at this time{hint(expected.fired, rules)}",
            )
