"""The matrix: every kind, portion and typical label, each cell as a preview decides it; on a terminal and as a page."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from broker.policy import Engine
from broker.policy.foreseeing import Portion, foresee
from broker.policy.matrix import BY_NAME, PERSONS, Row, matrix
from deploy.arrangements import SHIPPED, read_arrangement
from deploy.arrangements.matrix_page import matrix_page
from deploy.cli import app
from deploy.errors import Refused
from schemas.canonical import Domains
from schemas.codes import Kind
from schemas.gate import barred
from schemas.ids import AgencyId, Digest
from schemas.records import KINDS, bears_persons
from schemas.verdicts import Withheld

G7 = read_arrangement(SHIPPED / "g7")
ENGINE = Engine(Domains("g7"), G7.policy, G7.directory, Digest(bytes(32)))
GB = AgencyId("gb-nca")
AT_MS = 1_780_531_200_000


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return list(matrix(ENGINE, GB, AT_MS))


def test_every_portion_of_every_kind_stands_there_under_each_typical_label(rows: list[Row]) -> None:
    ways = 1 + len(G7.directory.communities)
    for spec in KINDS.values():
        for name, of in spec.portions.items():
            found = [row for row in rows if (row.kind, row.portion) == (spec.kind, name)]
            assert len(found) == ways * (2 * len(PERSONS) if of.bears_persons else 1)
    assert {row.to for row in rows} == {BY_NAME, *(c.id for c in G7.directory.communities)}


def test_a_cell_is_what_a_preview_says(rows: list[Row]) -> None:
    for row in rows[::17]:
        (found,) = foresee(ENGINE, GB, row.kind, (Portion(row.portion, row.label),), AT_MS)
        assert row.cells == found.outcomes
        assert [cell.recipient for cell in row.cells] == [a for a in G7.directory.agency_ids if a != GB]


def test_the_gate_is_seen_where_it_bars(rows: list[Row]) -> None:
    seen = 0
    for row in rows:
        bears = bears_persons(row.kind, row.portion)
        assert (row.person is not None) is bears
        for cell in row.cells:
            shut = barred(bears, row.label.handling, G7.directory.exposed_states(cell.recipient, AT_MS))
            assert (cell.withheld is Withheld.GATE) is shut
            seen += shut
    assert seen


class Cells(HTMLParser):
    """What the page says in its cells, and whatever it would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.titles: list[str] = []
        self.fetched: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if "title" in given:
            self.titles.append(str(given["title"]))
        self.fetched += [
            str(v) for name in ("src", "href") if (v := given.get(name)) and not v.startswith("#")
        ]
        if tag in ("script", "link", "img"):
            self.fetched.append(tag)


def test_the_page_has_every_cell_and_fetches_nothing(rows: list[Row]) -> None:
    page = matrix_page(G7, GB, rows, AT_MS)
    cells = Cells()
    cells.feed(page)
    assert cells.fetched == []
    assert "url(" not in page
    assert "@import" not in page
    assert len(cells.titles) == sum(len(row.cells) for row in rows)
    assert "pf-social: released by platform-referral" in cells.titles
    for rule in {rule for row in rows for cell in row.cells for rule in cell.rules}:
        assert f"<dt>{rule}</dt>" in page


def call(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["policy", "matrix", *map(str, arguments)], env={"COLUMNS": "100"})


def test_the_terminal_has_room_for_sixteen_agencies() -> None:
    result = call("g7", "--kind", "online_advert", "--at", "2026-06-04")
    assert result.exit_code == 0
    lines = result.output.splitlines()
    assert max(map(len, lines)) <= 100
    (referral,) = [line for line in lines if line.startswith("  referral")]
    assert re.findall(r"[RGFP·]", referral).count("P") == 2  # the source states
    assert any(line.startswith(" R released (") for line in lines)


def test_it_can_be_narrowed_and_read_by_machines() -> None:
    result = call("g7", "--kind", "debrief", "--from", "fr-oltim", "--to", "xa-np", "--json")
    found = json.loads(result.output)
    assert found["originator"] == "fr-oltim"
    assert {row["kind"] for row in found["rows"]} == {Kind.DEBRIEF}
    assert {agency for row in found["rows"] for agency in row["cells"]} == {"xa-np"}
    assert not any(row["cells"]["xa-np"]["withheld"] is None for row in found["rows"])


def test_who_does_not_exist_and_where_nothing_can_be_written_is_told(tmp_path: Path) -> None:
    unknown = call("g7", "--from", "xx-nobody")
    assert isinstance(unknown.exception, Refused)
    assert "'xx-nobody' is no agency of 'g7'" in str(unknown.exception)
    nowhere = call("g7-small", "--kind", "debrief", "--html", tmp_path / "no" / "m.html")
    assert isinstance(nowhere.exception, Refused)
    assert "cannot be written" in str(nowhere.exception)


def test_letters_can_be_read_on_their_colours(rows: list[Row]) -> None:
    """At least 4.5 to 1 (WCAG 2.2, 1.4.3)."""
    page = matrix_page(G7, AgencyId("gb-nca"), rows[:1], 0)
    pairs = re.findall(r"background: (#[0-9a-f]{6}); color: (#[0-9a-f]{3});", page)
    assert len(pairs) == 4
    for background, ink in pairs:
        assert contrast(background, "#" + "".join(2 * c for c in ink[1:])) >= 4.5, background


def contrast(one: str, other: str) -> float:
    def luminance(colour: str) -> float:
        channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
        return 0.2126 * r + 0.7152 * g + 0.0722 * b

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)
