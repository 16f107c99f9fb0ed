"""The terminal show: no line wider than 100 columns, every agency in it, what is broken first, all without colour."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console, RenderableType

from deploy.arrangements import SHIPPED, read_arrangement
from deploy.stage.count import Counts
from deploy.stage.director import Report, Sight
from deploy.stage.expectations import Expectation
from deploy.stage.matrices import in_order
from deploy.stage.services import Services
from deploy.stage.show import live_view, show_opening, show_report
from schemas.directory import instant_ms
from schemas.ids import AgencyId, RuleId
from tests.support.exercise import Exercise
from tests.unit.test_events import busy

START, END = (instant_ms(datetime(2026, 6, day, tzinfo=UTC)) for day in (1, 8))
SENTENCE = "A record for the joint team Channel reaches its members and nobody else, " * 3


def console(width: int = 100) -> Console:
    """Neither colour nor a terminal: what is left must be readable."""
    return Console(width=width, file=StringIO(), color_system=None)


def printed(out: Console) -> str:
    assert isinstance(out.file, StringIO)
    return out.file.getvalue()


def drawn(view: RenderableType) -> list[str]:
    out = console()
    out.print(view)
    return printed(out).splitlines()


@pytest.fixture(scope="module")
def exercise() -> Exercise:
    return busy(2)


@pytest.fixture(scope="module")
def report(exercise: Exercise) -> Report:
    return exercise.report(
        Expectation("both counts agree on every pair of agencies", True, 240),
        Expectation(SENTENCE.strip(", "), False, 3),
        Expectation("TLP:RED is held by named recipients only", True, 12),
    )


@pytest.fixture
def services(exercise: Exercise, tmp_path: Path) -> Services:
    return exercise.services(tmp_path / "r")


def shown(report: Report, services: Services, width: int = 100, **more: Any) -> str:
    out = console(width)
    show_report(out, report, services, 61.5, more.get("screenplay"))
    return printed(out)


def test_sixteen_agencies_fit_into_a_hundred_columns(
    exercise: Exercise, report: Report, services: Services
) -> None:
    lines = [line for line in shown(report, services).splitlines() if str(services.run.folder) not in line]
    assert max(map(len, lines)) <= 100
    rows = [line for line in lines if line.startswith("gb-nca ")]
    assert len(rows) == 3  # delivered, withheld, who is who
    for agency in exercise.agencies:
        assert sum(line.startswith(f"{agency} ") or f" {agency} " in line for line in lines) >= 3
        assert not [line for line in lines if f"{agency}…" in line]


def test_the_matrix_says_what_the_count_says(exercise: Exercise, report: Report, services: Services) -> None:
    lines = shown(report, services).splitlines()
    for title, fate in (("who got", "delivered"), ("who did not get", "withheld")):
        start = next(at for at, line in enumerate(lines) if line.startswith(title))
        for agency in exercise.agencies:
            row = next(line for line in lines[start:] if line.startswith(f"{agency} "))
            expected = sum(f[fate] for (o, _), f in report.audited.counts.matrix.items() if o == agency)
            assert row.split()[-1] == str(expected)


def test_shares_are_told_apart_without_colour(report: Report, services: Services) -> None:
    text = shown(report, services)
    assert {"░", "▒", "▓", "█"} <= set(text)
    assert "80 % or more" in text


def test_reasons_with_their_rules_in_words(report: Report, services: Services) -> None:
    text = " ".join(shown(report, services).split())
    assert "not_addressed" in text
    assert "The originator did not name the agency" in text
    rules = services.source.policy.rules
    busiest = max(rules, key=lambda rule: report.reasons[rule])
    assert busiest in text
    for word in rules[busiest].reason.split():
        assert word in text


def test_a_rule_of_a_later_version_is_told_in_words(exercise: Exercise, tmp_path: Path) -> None:
    report = exercise.report()
    report.reasons = Counter({"engine-readings-stay": 7})
    services = exercise.services(tmp_path / "r")
    version = next(iter(services.secretariat.history.ready.values()))
    later = replace(version, reasons={RuleId("engine-readings-stay"): "Readings stay here."})
    services.secretariat.history = type("History", (), {"ready": {b"0": version, b"1": later}})()
    assert "Readings stay here." in shown(report, services)


def test_broken_expectations_come_first_and_in_full(report: Report, services: Services) -> None:
    text = shown(report, services)
    assert " ".join(SENTENCE.strip(", ").split()) in " ".join(text.split()).replace("3 cases ", "")
    assert text.index("NOT held") < text.index("both counts agree")
    assert "what must hold always: 2 of 3 held" in text
    assert "NOT as expected: 2 of 3 expectations held" in text


def test_a_scenario_s_expectations_stand_apart(
    exercise: Exercise, report: Report, services: Services
) -> None:
    screenplay = exercise.screenplay("A week", START, END, "third team")
    own = type("Expected", (), {"name": "TLP:RED is held by named recipients only"})()
    object.__setattr__(screenplay, "expectations", (own,))
    text = shown(report, services, screenplay=screenplay)
    assert "what must hold always: 1 of 2 held" in text
    assert "what the scenario expects: 1 of 1 held" in text


def test_a_narrow_terminal_and_a_big_federation_get_sums(report: Report, services: Services) -> None:
    text = shown(report, services, width=80)
    assert "who gave and who got how many records" in text
    to_copy = (str(services.run.folder), "SELECT", "USING")  # what is copied is not broken
    assert max(len(line) for line in text.splitlines() if not any(t in line for t in to_copy)) <= 80


def test_five_agencies_keep_all_three_numbers(exercise: Exercise, report: Report, tmp_path: Path) -> None:
    services = exercise.services(tmp_path / "r", read_arrangement(SHIPPED / "g7-small"))
    assert len(in_order(services)) == 5
    small = exercise.report()
    small.audited.counts = Counts()
    for fate in ("delivered", "delivered", "withheld", "quarantined"):
        small.audited.counts.add("gb-nca", "fr-oltim", fate)
    text = shown(small, services)
    assert "2 / 1 / 1" in text
    assert max(len(line) for line in text.splitlines() if str(services.run.folder) not in line) <= 100


def test_markup_in_a_scenario_s_title_is_text(exercise: Exercise, report: Report, services: Services) -> None:
    screenplay = exercise.screenplay("A [red]week[/] [/nonsense]", START, END, "third team", "fourth team")
    out = console()
    show_opening(out, services, screenplay)
    show_report(out, report, services, 1.0, screenplay)
    text = printed(out)
    assert text.count("A [red]week[/] [/nonsense]") == 2
    assert "Mon 1 June 00:00 to Mon 8 June 00:00, UTC; 2 changes of the arrangement; 0 expectations" in text


def sight(agencies: Sequence[str], **more: Any) -> Sight:
    delivered = {AgencyId(a): 10 * n for n, a in enumerate(agencies)}
    withheld = {a: 1000 - n for a, n in delivered.items()}
    return Sight(2000, 1204, delivered, withheld=withheld, published=dict.fromkeys(delivered, 75), **more)


def test_the_live_view_is_calm(exercise: Exercise) -> None:
    agencies = list(exercise.agencies)
    lines = drawn(live_view(sight(agencies, domain_ms=START + 3_600_000, note="SIGKILL broker")))
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 100
    assert lines[0].startswith("Mon 1 June 01:00   1,204 of 2,000 records decided")
    row = next(line for line in lines if line.startswith(agencies[-1]))
    assert row.split()[1] == "75"
    assert row.split()[-2:] == ["150", "850"]
    assert (row.count("█"), row.count("░")) == (7, 37)
    assert lines[-1].strip() == "SIGKILL broker"


def test_the_live_view_begins_with_nothing() -> None:
    agencies = [AgencyId("gb-nca"), AgencyId("fr-oltim")]
    lines = drawn(live_view(Sight(0, 0, dict.fromkeys(agencies, 0))))
    assert [line.split()[0] for line in lines if "-" in line] == agencies


def test_the_live_view_of_many_agencies_shows_some() -> None:
    lines = drawn(live_view(sight([f"zz-a{n}" for n in range(200)])))
    assert len(lines) <= 24
    assert any("and 184 more agencies" in line for line in lines)
