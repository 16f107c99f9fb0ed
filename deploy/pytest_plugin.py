"""A pytest plugin: test cases of sharing rules, collected from anybody's project and held against an arrangement.

    pytest --entente-arrangement FOLDER

- Collected is every `*.yaml` file in a folder named `cases`, each case an item at its line.
- A case that does not hold fails with what it says and what the rules decide, without a trace: there is no code to
  look at.
- Without the option the plugin collects nothing and imports nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from _pytest._code.code import ExceptionInfo, TerminalRepr

    from broker.policy.cases import Case
    from broker.policy.trials import Court
    from deploy.arrangements import ArrangementSource

_OPTION = "--entente-arrangement"
_FOLDER = "cases"
_SOURCE: pytest.StashKey[ArrangementSource] = pytest.StashKey()
_COURT: pytest.StashKey[Court] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.getgroup("entente").addoption(
        _OPTION,
        metavar="FOLDER",
        help="collect test cases of sharing rules, cases/*.yaml, and hold them against this arrangement "
        "(a folder, or the name of a shipped one)",
    )


def pytest_sessionstart(session: pytest.Session) -> None:
    """Reads the arrangement. Raises: `pytest.UsageError` with a line for each thing wrong with it."""
    name = session.config.getoption(_OPTION)
    if name is None:
        return
    from broker.policy.trials import Court
    from deploy.cli.policy.common import read_source
    from deploy.errors import Refused

    try:
        source = read_source(name)
    except Refused as error:
        raise pytest.UsageError(f"{_OPTION}: {error}") from error
    session.config.stash[_SOURCE] = source
    session.config.stash[_COURT] = Court(source.policy)


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> CasesFile | None:
    if parent.config.getoption(_OPTION) is None:
        return None
    if file_path.suffix != ".yaml" or file_path.parent.name != _FOLDER:
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

        source = self.config.stash[_SOURCE]
        try:
            texts = {str(self.path): read_text(self.path)}
            cases = read_cases(texts, source.directory, source.policy.rules)
        except (YamlError, ArrangementError) as error:
            raise self.CollectError(str(error)) from error
        for case in cases:
            yield CaseItem.from_parent(self, name=case.title, case=case)


class CaseItem(pytest.Item):
    """One case."""

    def __init__(self, *, case: Case, **of_item: Any) -> None:
        super().__init__(**of_item)
        self.case = case

    def runtest(self) -> None:
        trial = self.config.stash[_COURT].run(self.case)
        if not trial.holds:
            raise DoesNotHold("\n".join(map(str, trial.mismatches)))

    def repr_failure(self, excinfo: ExceptionInfo[BaseException], style: Any = None) -> str | TerminalRepr:
        if isinstance(excinfo.value, DoesNotHold):
            return f"{excinfo.value}\n\n{self.path}:{self.case.line}"
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, self.case.line - 1, self.name
