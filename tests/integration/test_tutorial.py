"""`docs/tutorial.md`, word by word: files are written as the page shows them, and each command ends as it says.

What needs a federation that runs is tried against one: blocks marked for it, with the folder of its run and the id of
the record that was published put in.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.arrangements import SHIPPED

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(\S+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BIN = Path(sys.executable).parent


def command(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "COLUMNS": "120"}
    return subprocess.run(  # noqa: S602 - the page's own words, as a shell reads them
        line, shell=True, cwd=folder, env=env, capture_output=True, text=True, check=False, timeout=600
    )


def does_as_the_page_says(line: str, folder: Path) -> str:
    expected = re.search(r"# exit code (\d)", line)
    done = command(line, folder)
    assert done.returncode == (int(expected[1]) if expected else 0), (line, done.stdout, done.stderr)
    return done.stdout


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "deploy" / "arrangements").mkdir(parents=True)
    shutil.copytree(SHIPPED / "g7", tmp_path / "deploy" / "arrangements" / "g7")
    return tmp_path


@pytest.fixture
def run(folder: Path) -> Iterator[tuple[Path, str]]:
    """The page's federation, in `.entente` of the folder, and its run as the page would write it."""
    (started,) = (text for kind, _, text in BLOCK.findall(PAGE) if kind == "sh-second-terminal")
    line = started.splitlines()[-1]
    env = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(line.split(), cwd=folder, env=env, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        for said in process.stdout:
            if "All is running" in said:
                break
        (found,) = (folder / ".entente").iterdir()
        yield found, f".entente/{found.name}"
    finally:
        process.terminate()
        process.communicate(timeout=120)


def test_the_day_goes_as_the_page_tells_it(folder: Path, run: tuple[Path, str]) -> None:
    _, written = run
    record = ""
    for kind, file, text in BLOCK.findall(PAGE):
        if file:
            (folder / file).write_text(text)
            continue
        if kind not in ("sh", "sh-with-run"):
            continue
        for line in text.splitlines():
            if line.startswith(("make setup", ". .venv")):  # done already
                continue
            said = does_as_the_page_says(
                line.replace(".entente/<run>", written).replace("<record>", record), folder
            )
            if "agency publish" in line:
                record = said.split()[1]
            if "agency decisions" in line:
                assert re.search(r"xa-np +released +source-state-takedown", said)
            if "agency search" in line:
                assert record in said
            if "policy plan" in line and "one class" in line:
                assert "classes of flow: 1 gain release, 0 lose it" in said
    assert record
