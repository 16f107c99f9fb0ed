"""What a node answers, for people: tables that fit 100 columns and can be read without colour.

What comes from a record is printed as text, never as markup: somebody else wrote it.
"""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text


def show_published(console: Console, found: dict[str, Any]) -> None:
    """A record that was sealed."""
    _lines(console, [f"record    {found['record']}", f"manifest  {found['manifest']}"])
    _lines(console, [f"sequence  {found['sequence']}, revision {found['revision']}"])


def show_audience(console: Console, found: dict[str, Any]) -> None:
    """Whom a record would be sealed for."""
    rows = (
        (
            portion["name"],
            one["agency"],
            "sealed for it" if one["withheld"] is None else one["withheld"].replace("_", " "),
            ", ".join(one["officers"]),
        )
        for portion in found["portions"]
        for one in portion["audience"]
    )
    _table(console, ("portion", "agency", "", "for these officers alone"), rows)


def show_hits(console: Console, found: dict[str, Any]) -> None:
    """What a search found."""
    rows = (
        (hit["originator"], hit["record"], hit["kind"], hit["portion"], hit["label"]["tlp"])
        for hit in found["hits"]
    )
    _table(console, ("originator", "record", "kind", "portion", "TLP"), rows)
    _next(console, found, "--after")


def show_inbox(console: Console, found: dict[str, Any]) -> None:
    """What came in."""
    rows = (
        (
            one["originator"],
            one["record"],
            one["kind"],
            one["created"],
            ", ".join(f"{p['name']} {p['label']['tlp']}" for p in one["portions"]),
        )
        for one in found["records"]
    )
    _table(console, ("originator", "record", "kind", "created", "portions"), rows)
    _next(console, found, "--after")


def show_record(console: Console, found: dict[str, Any]) -> None:
    """A record in clear, as far as it may be read."""
    _lines(console, [f"{found['kind']} of {found['originator']}, created {found['created']}"])
    for portion in found["portions"]:
        label = portion["label"]
        codes = " ".join(label["handling_codes"])
        _lines(
            console,
            [f"\n{portion['name']}  TLP:{label['tlp']} {codes} until {label['retain_until']}"],
            style="bold",
        )
        _lines(console, json.dumps(portion["content"], ensure_ascii=False, indent=2).split("\n"))


def show_log(console: Console, found: dict[str, Any]) -> None:
    """Who was shown what, and why."""
    rows = (
        (
            str(one["number"]),
            one["at"][:19],
            one["officer"],
            f"{one['act']} {one['outcome']}",
            one["purpose"] or "",
            one["query"] or f"{one['originator'] or ''} {one['record'] or ''}".strip() or "",
            "; ".join(part for part in (one["justification"], one["reason"]) if part),
        )
        for one in found["disclosures"]
    )
    _table(console, ("", "at", "officer", "act", "purpose", "of", "why"), rows)
    _next(console, found, "--before")


def show_decisions(console: Console, found: dict[str, Any]) -> None:
    """What the broker decided, with its reasons in plain words."""
    for one in found["decisions"]:
        said = one.get("refused") or one["outcome"]
        _lines(console, [f"\n{one['record']}  {one.get('kind') or ''}  {said}"], style="bold")
        reasons = {rule: told["reason"] for rule, told in one.get("rules", {}).items()}
        rows = (
            (
                portion["name"],
                outcome["recipient"],
                "released" if outcome["withheld"] is None else outcome["withheld"].replace("_", " "),
                "; ".join(
                    f"{rule}: {reasons[rule]}" if rule in reasons else rule for rule in outcome["rules"]
                ),
            )
            for portion in one["portions"]
            for outcome in portion["outcomes"]
        )
        _table(console, ("portion", "agency", "", "because"), rows)
    _lines(console, [f"next: --after {found['next']}"], style="dim")


def _table(console: Console, head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    table = Table(box=SIMPLE_HEAD)
    for name in head:  # an id is there to be copied
        table.add_column(name, no_wrap=name == "record", overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    if table.row_count:
        console.print(table)
    else:
        _lines(console, ["nothing"])


def _next(console: Console, found: dict[str, Any], option: str) -> None:
    if found["next"] is not None:
        _lines(console, [f"more: {option} {found['next']}"], style="dim")


def _lines(console: Console, lines: Iterable[str], style: str = "") -> None:
    for line in lines:
        console.print(Text(line, style=style), highlight=False, soft_wrap=True)
