"""A page of documentation, read for its tables: what a heading names, and the rows of the tables below it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_HEADING = re.compile(r"#+ (.*)")
_CODE = re.compile(r"`([^`]+)`")


@dataclass
class Section:
    """What stands between one heading and the next. Tables without their headings and rules."""

    title: str
    tables: list[list[list[str]]] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    @property
    def rows(self) -> list[list[str]]:
        """Of the only table."""
        (table,) = self.tables
        return table

    @property
    def listed(self) -> list[str]:
        """The codes of a section that lists nothing else: by a table's first column, by name, or in a block."""
        if self.tables:
            return [code(row[0]) for row in self.rows]
        text = "\n".join(self.lines)
        _, fenced, rest = text.partition("```\n")
        return rest.partition("```")[0].split() if fenced else _CODE.findall(text)


def sections(text: str) -> Iterator[Section]:
    """Every heading with what is below it, whatever the level of either."""
    section, table, fenced = Section(""), list[list[str]](), False
    for line in [*text.splitlines(), "# "]:
        fenced ^= line.startswith("```")
        heading = None if fenced else _HEADING.fullmatch(line)
        if line.startswith("|") and not fenced:
            table.append([cell.strip() for cell in line.strip("|").split("|")])
            continue
        if table:
            section.tables.append(table[2:])
            table = []
        if heading:
            yield section
            section = Section(heading[1])
        else:
            section.lines.append(line)


def code(cell: str) -> str:
    """What a cell says that holds nothing but code. Raises: `ValueError` for any other."""
    found = _CODE.fullmatch(cell)
    if found is None:
        raise ValueError(f"expected code alone, got {cell!r}")
    return found[1]


def codes(cell: str) -> list[str]:
    """All code in a cell."""
    return _CODE.findall(cell)
