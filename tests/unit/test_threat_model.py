"""The threat model names tests: each of them exists, and no promise goes without one."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from schemas.verdicts import Alarm

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "threat-model.md").read_text()
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)))
ACTORS = re.findall(r"^\| \*\*(.+?)\*\* \|", PAGE, re.MULTILINE)
OPERATIONS = (ROOT / "docs" / "operations.md").read_text()


@cache
def collected(path: str) -> frozenset[str]:
    """Names of the tests that pytest would collect from a file."""
    tree = ast.parse((ROOT / path).read_text())
    functions = (n for n in tree.body if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef))
    return frozenset(f.name for f in functions if f.name.startswith("test_"))


@pytest.mark.parametrize("path, name", NAMED, ids=lambda part: str(part).rpartition("/")[2])
def test_a_named_test_exists(path: str, name: str) -> None:
    assert name in collected(path)


def test_every_promise_names_a_test() -> None:
    sections = re.split(r"^### ", PAGE, flags=re.MULTILINE)[1:]
    promises = [section.partition("\n## ")[0] for section in sections]
    assert [int(p.partition(".")[0]) for p in promises] == list(range(1, 11))
    assert [p.splitlines()[0] for p in promises if "::test_" not in p] == []


def test_every_actor_is_spoken_of_again() -> None:
    assert len(ACTORS) == 6
    promises = PAGE.partition("## Promises")[2].lower()
    for actor in ACTORS:
        word = actor.split()[-1].removesuffix("s")
        assert word in promises, actor


def test_every_alarm_and_exit_code_is_in_the_operators_guide() -> None:
    for alarm in Alarm:
        assert f"| `{alarm}` |" in OPERATIONS
    for program in ("broker", "agencies"):
        codes = set(re.findall(r"return (\d)\b", (ROOT / program / "__main__.py").read_text()))
        for code in codes:
            assert f"\n| {code} |" in OPERATIONS
