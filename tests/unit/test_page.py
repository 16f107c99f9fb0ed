"""The page to hand over: well-formed, alone in the world, escaped, and to be read by those who do not see it."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import pytest

from deploy.arrangements import ArrangementSource
from deploy.stage.director import Report
from deploy.stage.drawings import Mark, delay_in_words, latencies, step_in_words, step_of, timeline
from deploy.stage.events import Event
from deploy.stage.expectations import Expectation
from deploy.stage.page import page, write_page
from schemas.directory import Directory, instant_ms
from tests.support.exercise import Exercise
from tests.unit.test_events import busy

START, END = (instant_ms(datetime(2026, 6, day, tzinfo=UTC)) for day in (1, 8))
SVG = "http://www.w3.org/2000/svg"
HOSTILE = """</title><script>alert('x')</script><img src=x onerror="y">&amp; $title ${colophon}"""

_VOID = {"meta", "br", "wbr", "col", "img", "link", "input", "hr", "source", "base"}


class Reader(HTMLParser):
    """Reads a page strictly: every element is closed where it must be, and what stands where is remembered."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str]]] = []
        self.text: list[str] = []
        self.inside: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"{tag} says an attribute twice"
        self.seen.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"{tag} closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)
        if self.open:
            self.inside[self.open[-1]] = self.inside.get(self.open[-1], "") + data

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.seen if name == tag]


def read(text: str) -> Reader:
    reader = Reader()
    reader.feed(text)
    reader.close()
    assert not reader.open
    return reader


@pytest.fixture(scope="module")
def exercise() -> Exercise:
    return busy(4)


@pytest.fixture(scope="module")
def report(exercise: Exercise) -> Report:
    return exercise.report(
        Expectation("both counts agree on every pair of agencies", True, 240),
        Expectation("TLP:RED is held by named recipients only", False, 12),
    )


@pytest.fixture(scope="module")
def text(exercise: Exercise, report: Report, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("page")
    screenplay = exercise.screenplay("A week around the Channel", START, END, "third team", "a suspension")
    path = folder / "page.html"
    write_page(path, report, exercise.services(folder / "r"), screenplay)
    return path.read_text(encoding="utf-8")


def test_it_is_well_formed_and_small(text: str) -> None:
    reader = read(text)
    assert text.startswith("<!doctype html>")
    assert reader.all("html") == [{"lang": "en"}]
    assert len(text.encode()) < 1_000_000
    ids = [attributes["id"] for _, attributes in reader.seen if "id" in attributes]
    assert len(ids) == len(set(ids))
    targets = [a["href"].removeprefix("#") for a in reader.all("a")]
    assert targets
    assert set(targets) <= set(ids)


def test_nothing_comes_from_elsewhere(text: str) -> None:
    assert not re.search(r"https?://", text.replace(SVG, ""))
    assert not re.search(r"//[a-z0-9-]+\.[a-z]", text.replace(SVG, ""))
    reader = read(text)
    assert not {tag for tag, _ in reader.seen} & {
        "script",
        "link",
        "img",
        "iframe",
        "object",
        "embed",
        "base",
    }
    for _, attributes in reader.seen:
        assert not [name for name in attributes if name.startswith("on") or name in ("src", "srcset")]
    assert "url(" not in text
    assert "@import" not in text
    policy = next(a["content"] for a in reader.all("meta") if "http-equiv" in a)
    assert policy.startswith("default-src 'none'")


def test_it_can_be_listened_to(text: str) -> None:
    reader = read(text)
    assert len(reader.all("h1")) == 1
    assert len(reader.all("h2")) == len(reader.all("section")) >= 10
    assert all(th.get("scope") in ("col", "row") for th in reader.all("th"))
    assert len(reader.all("caption")) == len(reader.all("table"))
    ids = {attributes["id"] for _, attributes in reader.seen if "id" in attributes}
    drawings = reader.all("svg")
    assert len(drawings) == 3
    for drawing in drawings:
        assert drawing["role"] == "img"
        assert set(drawing["aria-labelledby"].split()) <= ids
    assert len(reader.all("desc")) == 3


def test_it_says_that_all_is_synthetic_and_who_takes_no_part(text: str) -> None:
    said = " ".join(" ".join(read(text).text).split())
    assert "Everything on this page is simulated." in said
    assert "none of them takes part" in said
    assert "XA and XB are no real states." in said


def test_the_matrix_has_every_pair(exercise: Exercise, report: Report, text: str) -> None:
    titles = [a["title"] for a in read(text).all("td") if " to " in a.get("title", "")]
    for originator in exercise.agencies:
        for recipient in exercise.agencies:
            if originator != recipient:
                fates = report.audited.counts.matrix[originator, recipient]
                numbers = (f"{fates[fate]} {fate}" for fate in ("delivered", "withheld", "quarantined"))
                assert f"{originator} to {recipient}: {', '.join(numbers)}" in titles


def test_it_says_what_came_of_the_run(report: Report, text: str) -> None:
    said = " ".join(" ".join(read(text).text).split())
    assert "No. 1 of 2 expectations did not hold" in said
    assert said.index("NOT held TLP:RED") < said.index("held both counts agree")
    assert "broker was killed in the middle (SIGKILL); deliveries went on after 2.1 s" in said
    assert "UN Smuggling Protocol Art. 19, non-refoulement" in said
    assert "third team" in said
    for event in report.events:
        assert event.text.removeprefix("in all, ")[2:] in said


def _hostile(exercise: Exercise) -> ArrangementSource:
    before = exercise.source.directory
    agencies = tuple(a.model_copy(update={"name": HOSTILE}) for a in before.agencies)
    kept = {name: getattr(before, name) for name in Directory.model_fields}
    return replace(exercise.source, directory=Directory(**{**kept, "agencies": agencies}))


def test_everything_is_escaped(exercise: Exercise, report: Report, tmp_path: Path) -> None:
    attacked = replace(
        report,
        expectations=[Expectation(HOSTILE, False, 1)],
        recoveries=[(HOSTILE, 1.0)],
        events=(Event(START, HOSTILE), Event(START, HOSTILE, is_total=True)),
    )
    attacked.reasons[HOSTILE] = 3
    services = exercise.services(tmp_path / "r", _hostile(exercise))
    text = page(attacked, services, exercise.screenplay(HOSTILE, START, END, HOSTILE))
    assert "<script" not in text
    assert "<img" not in text
    reader = read(text)
    assert reader.inside["h1"] == HOSTILE
    assert "".join(reader.text).count(HOSTILE) >= 20
    assert all("onerror" not in attributes for _, attributes in reader.seen)


def test_a_run_without_a_scenario_has_a_page_too(exercise: Exercise, report: Report, tmp_path: Path) -> None:
    text = page(report, exercise.services(tmp_path / "r"), None)
    assert read(text).inside["h1"] == "A run under the arrangement g7"


def test_an_empty_run_has_a_page_too(tmp_path: Path) -> None:
    nothing = Exercise()
    said = "".join(read(page(nothing.report(), nothing.services(tmp_path / "r"), None)).text)
    assert "Nothing was decided." in said
    assert "Nothing was delivered." in said


def test_a_bar_is_three_hours_in_a_week_and_less_in_a_minute() -> None:
    assert step_in_words(step_of(END - START)) == "3 hours"
    assert step_in_words(step_of(60_000)) == "1 second"
    assert step_in_words(step_of(30 * 24 * 3_600_000)) == "12 hours"


def test_drawings_stay_inside_their_frame() -> None:
    marks = [Mark(START, "begin", 1), Mark(END, "end", 2), Mark(START + 5, "a halt")]
    drawn = [timeline({}, 3_600_000, marks), latencies([1]), latencies([7] * 9), latencies([10, 10_000_000])]
    for drawing in drawn:
        width, height = map(float, re.findall(r'viewBox="0 0 (\d+) (\d+)"', drawing)[0])
        for name, bound in (("x", width), ("cx", width), ("y", height)):
            places = [float(value) for value in re.findall(rf' {name}="(-?[\d.]+)"', drawing)]
            assert all(0 <= place <= bound for place in places)
        assert "nan" not in drawing


@pytest.mark.parametrize(
    ("ms", "said"), [(7, "7 ms"), (999, "999 ms"), (1400, "1.4 s"), (90_000, "90 s"), (180_000, "3 min")]
)
def test_delays_in_words(ms: int, said: str) -> None:
    assert delay_in_words(ms) == said
