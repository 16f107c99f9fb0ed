"""Whether a name is known and a time lies within the scenario; if not, it is told where, and what was meant."""

from collections.abc import Iterable
from datetime import UTC, datetime

from deploy.scenarios.acts import Fault
from deploy.scenarios.fields import Span
from deploy.scenarios.model import Scenario
from deploy.scenarios.names import hint
from schemas.codes import AgencyRole
from schemas.directory import Directory
from schemas.lined_yaml import Path


def utc(at: datetime) -> str:
    """An instant as scenarios write it."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


class Known:
    """Tells `fault` of what is not known. `directory`: as of the instant at which the name is used."""

    def __init__(self, scenario: Scenario, fault: Fault) -> None:
        self._scenario = scenario
        self._fault = fault

    def inside(self, path: Path, at: datetime, *, end: bool = False) -> bool:
        """Whether the instant lies in the scenario; an end may be the scenario's end."""
        if self._scenario.holds(at) or (end and at == self._scenario.end):
            return True
        span = f"{utc(self._scenario.start)} to {utc(self._scenario.end)}"
        self._fault(path, f"{utc(at)} is outside the scenario, {span}")
        return False

    def span(self, path: Path, span: Span) -> None:
        for name, at in (("from", span.start), ("until", span.until)):
            if at is not None:
                self.inside((*path, name), at, end=True)

    def agency(self, path: Path, name: str, directory: Directory) -> bool:
        if name in directory.agency_ids:
            return True
        self._fault(path, f"no agency '{name}' is in the arrangement{hint(name, directory.agency_ids)}")
        return False

    def agencies(self, path: Path, names: Iterable[str], directory: Directory) -> None:
        """Agencies by id or by role."""
        roles = {str(directory.agency(a).role) for a in directory.agency_ids}
        for place, name in enumerate(names):
            if name in directory.agency_ids or name in roles:
                continue
            if name in list(AgencyRole):
                self._fault((*path, place), f"no agency of the arrangement has the role '{name}'")
            else:
                near = hint(name, (*directory.agency_ids, *roles))
                self._fault((*path, place), f"'{name}' is neither an agency nor a role{near}")

    def addressee(self, path: Path, name: str, directory: Directory) -> None:
        known: list[str] = [*directory.agency_ids, *(c.id for c in directory.communities)]
        what = "agency or community"
        if "/" in name:
            known, what = [o.id for o in directory.officers], "officer"
        if name not in known:
            self._fault(path, f"there is no {what} '{name}' at this time{hint(name, known)}")
