"""What `pytest` has where this package is installed, in anyone's own project.

    pytest --entente-arrangement FOLDER

- The fixture `testbed`: a real Kafka, broker and nodes under that arrangement, one for the session (`deploy.testbed`).

It is loaded in every run of pytest there, so whatever is not needed for that is imported where it is used.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from deploy.testbed import PlainTestbed

_OPTION: Final = "--entente-arrangement"
_FOLDER: Final = pytest.StashKey[Path]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.getgroup("entente").addoption(
        _OPTION, metavar="FOLDER", help="The arrangement that the fixture `testbed` runs under."
    )


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
            bed = stack.enter_context(PlainTestbed.start(pytestconfig.invocation_params.dir / given, folder))
        except DeployError as error:
            pytest.fail(f"the testbed cannot be started: {error}", pytrace=False)
        yield bed


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if (folder := config.stash.get(_FOLDER, None)) is not None:
        terminalreporter.write_line(f"entente: logs and databases of the testbed are in {folder}")
