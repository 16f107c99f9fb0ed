"""A scenario's file, read and checked against the arrangement as it holds at each instant of it.

All errors that could be told apart are raised together, each with file, line, field and what was expected.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from deploy.arrangements import SHIPPED as ARRANGEMENTS
from deploy.arrangements import ArrangementError, ArrangementSource, read_arrangement
from deploy.scenarios import SHIPPED
from deploy.scenarios.acts import Fault, WrittenAct, written_acts
from deploy.scenarios.expectation_checks import ExpectationChecks
from deploy.scenarios.marks import Version
from deploy.scenarios.model import Scenario
from deploy.scenarios.names import hint
from deploy.scenarios.timeline_checks import TimelineChecks
from schemas.lined_yaml import LinedYaml, YamlError, read_lined
from schemas.lined_yaml import Path as Place

TEMPLATE = "template"


class ScenarioError(Exception):
    """A scenario that is not played; `str()` has a line for each error: file, line, field, what was expected."""

    retriable = False

    def __init__(self, errors: Iterable[str]) -> None:
        self.errors = tuple(errors)
        super().__init__("\n".join(self.errors))


@dataclass(frozen=True)
class ReadScenario:
    """A scenario that passed every check. `versions`: the arrangement, and what each change makes of it."""

    file: Path
    scenario: Scenario
    acts: dict[str, WrittenAct]
    versions: tuple[Version, ...]


def shipped_scenarios() -> list[str]:
    """Names of the scenarios that are shipped."""
    return sorted(path.stem for path in SHIPPED.glob("*.yaml") if path.stem != TEMPLATE)


def find_scenario(named: str) -> Path:
    """A file, or a shipped scenario by name. Raises: `ScenarioError`."""
    path = Path(named)
    if path.is_file():
        return path
    if named in shipped_scenarios():
        return SHIPPED / f"{named}.yaml"
    raise ScenarioError(
        [f"'{named}' is neither a file nor a shipped scenario{hint(named, shipped_scenarios())}"]
    )


def read_scenario(path: Path) -> ReadScenario:
    """Read and check a scenario. Raises: `ScenarioError`."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ScenarioError([f"{path}:{line}: expected UTF-8 text"]) from error
    except OSError as error:
        raise ScenarioError([f"{path}: cannot be read: {error.strerror}"]) from error
    try:
        written = read_lined(str(path), text)
        scenario = written.check(Scenario, written.values)
    except YamlError as error:
        raise ScenarioError(error.errors) from error
    return _checked(path, written, scenario)


def _checked(path: Path, written: LinedYaml, scenario: Scenario) -> ReadScenario:
    errors: list[str] = []

    def fault(place: Place, message: str) -> None:
        errors.extend(written.error(place, message).errors)

    def line(error: str) -> int:
        return int(error.removeprefix(f"{written.file}:").split(":", 1)[0])

    try:
        source = _arrangement(path, scenario.arrangement, fault)
    except ArrangementError as error:
        fault(("arrangement",), f"'{scenario.arrangement}' cannot be used:")
        raise ScenarioError([*errors, *error.errors]) from error
    if source is None:
        raise ScenarioError(errors)
    acts = written_acts(scenario, fault)
    timeline = TimelineChecks(scenario, acts, source, fault)
    timeline.check()
    versions = tuple(timeline.versions)
    ExpectationChecks(scenario, acts, versions, timeline.unsure_ms, fault).check()
    if errors:
        raise ScenarioError(sorted(dict.fromkeys(errors), key=line))
    return ReadScenario(path, scenario, acts, versions)


def _arrangement(path: Path, named: str, fault: Fault) -> ArrangementSource | None:
    shipped = sorted(found.parent.name for found in ARRANGEMENTS.glob("*/directory.yaml"))
    if named in shipped:
        return read_arrangement(ARRANGEMENTS / named)
    folder = path.parent / named
    if not folder.is_dir():
        fault(("arrangement",), f"'{named}' is neither shipped nor a folder{hint(named, shipped)}")
        return None
    return read_arrangement(folder)
