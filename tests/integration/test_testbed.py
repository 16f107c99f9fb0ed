"""The testbed as somebody else has it: a project with an arrangement, a test file and pytest, and nothing of ours.

What it runs is the example of docs/testbed.md, as it stands there.
"""

import asyncio
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.arrangements import SHIPPED
from tests.integration.live import until
from tests.integration.test_orphans import command, parents

PAGE = SHIPPED.parents[1] / "docs" / "testbed.md"

SERVICE = re.compile(r"kafka\.Kafka|-m (broker|broker\.api|agencies) ")

WRONG = """
from shutil import copytree

from test_adverts import ADVERT, ARRANGEMENT

def test_wrong(testbed):
    decision = testbed.decided(testbed.publish(ADVERT))
    decision.expect_released("referral", ["fr-oltim"])

def test_bad_record(testbed):
    testbed.publish({**ADVERT, "originator": "gb-mi7"})

def test_a_version_that_cannot_follow(testbed, tmp_path):
    changed = copytree(ARRANGEMENT, tmp_path / "changed")
    directory = changed / "directory.yaml"
    directory.write_text(directory.read_text().replace("it-pds", "it-gdf"))
    testbed.activate(changed)

def test_a_version_of_somebody_else(testbed, tmp_path):
    changed = copytree(ARRANGEMENT, tmp_path / "changed")
    directory = changed / "directory.yaml"
    directory.write_text(directory.read_text().replace("federation: g7-small", "federation: g8"))
    testbed.activate(changed)
"""

STAYS = """
from pathlib import Path
from time import sleep

def test_stays(testbed):
    testbed.publish({"originator": "gb-nca", "kind": "expertise", "portions": {"base": {"to": ["fr-oltim"]}}})
    Path("working").touch()
    while True:
        sleep(1)
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project of somebody else's, with the page's example for its tests, and an arrangement without cases."""
    ignored = shutil.ignore_patterns("cases")
    shutil.copytree(SHIPPED / "g7-small", tmp_path / "arrangement", ignore=ignored)
    examples = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    assert len(examples) == 1
    (tmp_path / "test_adverts.py").write_text(examples[0])
    return tmp_path


class Pytest:
    """A run of pytest in the project, in a session of its own, with no plugin but the one that this package brings."""

    def __init__(self, project: Path, *arguments: str, java: bool = True) -> None:
        self.log = project / "pytest.log"
        line = [sys.executable, "-P", "-m", "pytest", "-p", "entente", "-p", "no:cacheprovider"]
        own = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_DEBUG_TEMPROOT": str(project)}
        environment = {**os.environ, **own, **({} if java else {"PATH": "/nowhere", "JAVA_HOME": ""})}
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [*line, *arguments],
                cwd=project,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                env=environment,
            )

    def ended(self) -> tuple[int, str]:
        """Wait for it; exit code and all that it said."""
        try:
            code = self.process.wait(400)
        finally:
            self.kill()
        return code, self.log.read_text()

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


def of_session(session: int) -> dict[int, str]:
    """Every process of the session, with its command line."""
    found = {}
    for pid in parents():
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
        except OSError:  # it has ended meanwhile
            continue
        if int(stat.rpartition(")")[2].split()[3]) == session:
            found[pid] = command(pid)
    return found


async def nothing_left(run: Pytest) -> None:
    """Whatever pytest has started is in its session, and what of it was killed is gone a moment later."""
    await until(lambda: not of_session(run.process.pid), "no process is left", 30)


async def test_the_example_of_the_page_and_what_goes_wrong(project: Path) -> None:
    (project / "test_wrong.py").write_text(WRONG)
    run = Pytest(project, "--entente-arrangement", "arrangement", "-W", "error")
    code, said = await asyncio.to_thread(run.ended)
    assert code == pytest.ExitCode.TESTS_FAILED, said
    assert "4 failed, 2 passed" in said, said
    assert said.count("FAILED test_wrong.py::") == 4
    for words in (
        "portion 'referral' of a record of 'gb-nca': expected for fr-oltim, released to pf-social",
        "referral     pf-social       released by platform-referral",
        "persons      xa-np           withheld: the protection gate",
        "record: originator: expected one of fr-oltim, gb-nca",
        "in force: members stay while a federation runs: expected fr-oltim, gb-nca,",
        "this arrangement cannot follow the one in force: it is of 'g8', not of 'g7-small'",
        f"logs and databases of the testbed are in {project}",
    ):
        assert words in said, said
    await nothing_left(run)


async def test_killed_in_the_middle(project: Path) -> None:
    (project / "test_adverts.py").write_text(STAYS)
    run = Pytest(project, "--entente-arrangement", "arrangement")
    try:
        working = project / "working"
        await until(lambda: working.exists() or run.process.poll() is not None, "a record is published", 300)
        services = [line for line in of_session(run.process.pid).values() if SERVICE.search(line)]
        assert len(services) == 4, (
            run.log.read_text()
        )  # a cluster node, a worker, the broker's API, a node host
    finally:
        run.kill()
    await nothing_left(run)


@pytest.mark.parametrize(
    "options, java, sentence",
    [
        ([], True, "the fixture `testbed` needs an arrangement: pass --entente-arrangement FOLDER"),
        (["--entente-arrangement", "arrangement"], False, "cannot be started: Java 17 or newer is missing"),
        (["--entente-arrangement", "nowhere"], True, "nowhere/directory.yaml: cannot be read: No such file"),
    ],
    ids=["no option", "no java", "no arrangement"],
)
def test_what_is_missing_is_told_in_a_sentence(
    project: Path, options: list[str], java: bool, sentence: str
) -> None:
    code, said = Pytest(project, "-k", "who_gets", *options, java=java).ended()
    assert code == pytest.ExitCode.TESTS_FAILED, said
    assert sentence in said
    assert "Traceback" not in said
    assert "1 error" in said
    assert not list(project.glob("pytest-of-*/*/testbed0/*"))  # nothing was begun
