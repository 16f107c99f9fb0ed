"""What `pytest` has where this package is installed, in anyone's own project.

    pytest --entente-arrangement FOLDER

- Every `*.yaml` file in a folder named `cases` is collected: test cases of sharing rules, each an item at its line,
  held against that arrangement. One that does not hold fails with what it says and what the rules decide, without a
  trace: there is no code to look at.
- The fixture `testbed`: a real Kafka, broker and nodes under that arrangement, one for the session (`deploy.testbed`).

It is loaded in every run of pytest there, so whatever is not needed for that is imported where it is used. Without the
option nothing is collected.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from _pytest._code.code import ExceptionInfo, TerminalRepr

    from broker.policy.cases import Case
    from broker.policy.trials import Court
    from deploy.arrangements import ArrangementSource
    from deploy.testbed import PlainTestbed

_OPTION: Final = "--entente-arrangement"
_CASES: Final = "cases"
_FOLDER: Final = pytest.StashKey[Path]()
_TRIED: Final[pytest.StashKey[tuple[ArrangementSource, Court]]] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.getgroup("entente").addoption(
        _OPTION,
        metavar="FOLDER",
        help="The arrangement, a folder or the name of a shipped one: test cases of sharing rules, cases/*.yaml, are "
        "collected and held against it, and the fixture `testbed` runs under it.",
    )


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> CasesFile | None:
    if parent.config.getoption(_OPTION) is None:
        return None
    if file_path.suffix != ".yaml" or file_path.parent.name != _CASES:
        return None
    return CasesFile.from_parent(parent, path=file_path)


class DoesNotHold(Exception):
    """A case of which something comes out otherwise; `str()` has a line for each mismatch."""


class CasesFile(pytest.File):
    """A file of cases."""

    def collect(self) -> Iterator[CaseItem]:
        from broker.policy.cases import read_cases
        from deploy.arrangements import ArrangementError
        from deploy.arrangements.loader import read_text
        from schemas.lined_yaml import YamlError

        try:
            source, court = _tried(self.config)
            cases = read_cases({str(self.path): read_text(self.path)}, source.directory, source.policy.rules)
        except (YamlError, ArrangementError) as error:
            raise self.CollectError(str(error)) from error
        for case in cases:
            yield CaseItem.from_parent(self, name=case.title, case=case, court=court)


class CaseItem(pytest.Item):
    """One case."""

    def __init__(self, *, case: Case, court: Court, **of_item: Any) -> None:
        super().__init__(**of_item)
        self.case = case
        self._court = court

    def runtest(self) -> None:
        trial = self._court.run(self.case)
        if not trial.holds:
            raise DoesNotHold("\n".join(map(str, trial.mismatches)))

    def repr_failure(self, excinfo: ExceptionInfo[BaseException], style: Any = None) -> str | TerminalRepr:
        if isinstance(excinfo.value, DoesNotHold):
            return f"{excinfo.value}\n\n{self.path}:{self.case.line}"
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, self.case.line - 1, self.name


def _tried(config: pytest.Config) -> tuple[ArrangementSource, Court]:
    """The arrangement and who tries cases by its rules, made once. Raises: `ArrangementError`."""
    from broker.policy.trials import Court
    from deploy.arrangements import read_arrangement

    found = config.stash.get(_TRIED, None)
    if found is None:
        source = read_arrangement(_arrangement(config, config.getoption(_OPTION)))
        found = config.stash[_TRIED] = source, Court(source.policy)
    return found


def _arrangement(config: pytest.Config, given: str) -> Path:
    """The folder of a shipped arrangement, or the one that is given, seen from where pytest was started."""
    from deploy.arrangements import SHIPPED, is_shipped

    return SHIPPED / given if is_shipped(given) else config.invocation_params.dir / given


@pytest.fixture(scope="session")
def testbed(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlainTestbed]:
    """A federation that runs for real, for the whole session. Where it cannot, a test that asks for it fails."""
    given = pytestconfig.getoption(_OPTION)
    if given is None:
        pytest.fail(f"the fixture `testbed` needs an arrangement: pass {_OPTION} FOLDER", pytrace=False)
    from deploy.errors import DeployError
    from deploy.testbed import PlainTestbed

    folder = tmp_path_factory.mktemp("testbed")
    pytestconfig.stash[_FOLDER] = folder
    with ExitStack() as stack:
        try:
            bed = stack.enter_context(PlainTestbed.start(_arrangement(pytestconfig, given), folder))
        except DeployError as error:
            pytest.fail(f"the testbed cannot be started: {error}", pytrace=False)
        yield bed


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if (folder := config.stash.get(_FOLDER, None)) is not None:
        terminalreporter.write_line(f"entente: logs and databases of the testbed are in {folder}")
