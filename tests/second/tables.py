"""The page's tables as a reader uses them: shapes of frames, closed lists, domains, limits, kinds."""

import json
import re
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec

from tests.support import page

_DOCS = Path(__file__).parents[2] / "docs"
_SECTIONS = {
    section.title: section
    for section in page.sections((_DOCS / "wire-format.md").read_text(encoding="utf-8"))
}
_SIZED = re.compile(r"(bytes|text)(?:\[(\d*)(?:(\.\.)(\d+))?\])?")
_ARRAY = re.compile(r"array(?:\[(\d*)(?:(\.\.)(\d+))?\])? of (.+)")
_INT = re.compile(r"int\[(\d+)\.\.(\d+|2\^63-1)\]")
_LAST = 2**63 - 1


class Malformed(Exception):
    """Bytes that are no frame of the kind expected."""


class Frame(dict[str, Any]):
    """A frame by its fields' names. `tag`: which kind it is, where several may stand."""

    tag: str | None = None


def chapter(number: int) -> page.Section:
    (found,) = (s for title, s in _SECTIONS.items() if title.startswith(f"{number} "))
    return found


@cache
def codes(name: str) -> tuple[str, ...]:
    """A closed list."""
    return tuple(_SECTIONS[f"Codes `{name}`"].listed)


@cache
def domain(federation: str, name: str) -> bytes:
    """A domain's text, by the name of its constant."""
    kinds = {page.code(row[0]): page.code(row[1]) for row in chapter(2).rows}
    return f"entente/1/{federation}/{kinds[name]}".encode()


@cache
def limit(name: str) -> int:
    (value,) = (row[1] for row in chapter(21).rows if page.code(row[0]) == name)
    return int(value)


@cache
def portions(kind: str) -> tuple[str, ...]:
    """Which portions a kind may have; none for a kind that nobody knows."""
    rows = {page.code(row[0]): row[1] for row in _SECTIONS["Portions of a kind"].rows}
    return tuple(page.codes(rows.get(kind, "")))


@cache
def _fields(name: str) -> tuple[str | None, tuple[tuple[str, str], ...]]:
    rows = [(page.code(row[0]), page.code(row[1])) for row in _SECTIONS[f"`{name}`"].rows]
    tag = rows.pop(0)[1].strip('"') if rows[0][0] == "(tag)" else None
    return tag, tuple(rows)


def parse(data: bytes, *names: str) -> Frame:
    """One frame of the kinds named. Raises: `Malformed`."""
    try:
        return _frame(msgspec.msgpack.decode(data), *names)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, OverflowError) as error:
        raise Malformed from error


def _frame(value: Any, *names: str) -> Frame:
    if type(value) is not list:
        raise Malformed
    for name in names:
        tag, fields = _fields(name)
        if tag is not None and value[:1] != [tag]:
            continue
        values = value if tag is None else value[1:]
        if len(values) != len(fields):
            raise Malformed
        frame = Frame(
            (field, _checked(kind, given)) for (field, kind), given in zip(fields, values, strict=True)
        )
        frame.tag = tag
        return frame
    raise Malformed


def _checked(kind: str, value: Any) -> Any:
    """A value of a type as the page spells it. Raises: `Malformed`."""
    if " or " in kind:
        return None if value is None else _checked(kind.partition(" or ")[0], value)
    if found := _SIZED.fullmatch(kind):
        wanted = bytes if found[1] == "bytes" else str
        if type(value) is not wanted or not _fits(len(value), found[2], found[3], found[4]):
            raise Malformed
        return value
    if found := _ARRAY.fullmatch(kind):
        if type(value) is not list or not _fits(len(value), found[1], found[2], found[3]):
            raise Malformed
        return [_checked(found[4], item) for item in value]
    if bounds := _bounds(kind):
        if type(value) is not int or not bounds[0] <= value <= bounds[1]:
            raise Malformed
        return value
    if kind == "bool":
        if type(value) is not bool:
            raise Malformed
        return value
    if f"Codes `{kind}`" in _SECTIONS:
        if value not in codes(kind):
            raise Malformed
        return value
    return _frame(value, kind)


def _bounds(kind: str) -> tuple[int, int] | None:
    """Least and greatest of a type of integers."""
    if kind in ("u63", "int"):
        return 0, _LAST
    found = _INT.fullmatch(kind)
    return found and (int(found[1]), _LAST if "^" in found[2] else int(found[2]))


def _fits(size: int, least: str | None, dots: str | None, most: str | None) -> bool:
    if least is None:
        return True
    if dots is None:
        return size == int(least)
    return int(least or 0) <= size <= int(most or 0)


_SETS = ("handling_codes", "purposes", "subjects", "special", "caveats", "grounds", "origins")


class UnknownCode(Exception):
    """A label of the right shape with a code that is in no list."""


def parse_handling(data: bytes) -> Frame:
    """A handling label. Raises: `Malformed`, `UnknownCode`."""
    try:
        label = parse(data, "Handling")
    except Malformed:
        if _is_shape(data):
            raise UnknownCode from None
        raise
    if not all(_ascending(label[name]) for name in _SETS):
        raise Malformed
    return label


def parse_routing(data: bytes) -> Frame:
    """A routing label. Raises: `Malformed`."""
    label = parse(data, "Routing")
    if not all(map(_ascending, label.values())):
        raise Malformed
    return label


def _is_shape(data: bytes) -> bool:
    """Whether it is a handling label but for what its codes are: a text of at most 40 characters each."""
    try:
        value = msgspec.msgpack.decode(data)
        _, fields = _fields("Handling")
        if type(value) is not list or len(value) != len(fields):
            return False
        for (_, kind), given in zip(fields, value, strict=True):
            array, _, inner = kind.rpartition(" of ")
            of_codes = f"Codes `{inner or kind}`" in _SECTIONS
            _checked(("array of " if array else "") + "text[..40]" if of_codes else kind, given)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, OverflowError, Malformed):
        return False
    return True


def _ascending(values: list[str]) -> bool:
    return all(a < b for a, b in pairwise(values))


@cache
def body_fields(name: str) -> dict[str, tuple[str, bool]]:
    """Of an object of the arrangement's body: what a field is, and whether it must be there."""
    rows = _SECTIONS[f"Body `{name}`"].rows
    return {page.code(row[0]): (row[1], not row[2]) for row in rows}


@cache
def id_pattern(name: str) -> str:
    (pattern,) = (page.code(row[1]) for row in _SECTIONS["Ids"].rows if page.code(row[0]) == name)
    return pattern


@cache
def contents() -> dict[str, Any]:
    """The schema of contents that section 8 names."""
    found: dict[str, Any] = json.loads((_DOCS / "record-contents.schema.json").read_text(encoding="utf-8"))
    return found
