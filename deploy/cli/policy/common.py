"""What the commands of `entente policy` share: which arrangement, which record, and an engine to ask."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from broker.policy.drafted import DraftedRecord
from deploy.arrangements import SHIPPED, ArrangementError, ArrangementSource, is_shipped, read_arrangement
from deploy.arrangements.loader import read_text
from deploy.errors import Refused
from schemas.directory import instant_ms
from schemas.lined_yaml import YamlError, read_lined

ArrangementArgument = Annotated[
    str, typer.Argument(metavar="ARRANGEMENT", help="Folder of an arrangement, or the name of a shipped one.")
]
ArrangementOption = Annotated[
    str, typer.Option("--arrangement", help="Folder of an arrangement, or the name of a shipped one.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="As JSON, for machines.")]

AtOption = Annotated[
    datetime | None,
    typer.Option("--at", metavar="INSTANT", help="As of when the directory is shown; now, if not said. UTC."),
]

#: The arrangement that is meant where none is named.
USUAL = "g7"


def read_source(name: str) -> ArrangementSource:
    """An arrangement by its folder, or by the name of a shipped one. Raises: `Refused` with a line for each error."""
    folder = SHIPPED / name if is_shipped(name) else Path(name)
    if not folder.is_dir():
        shipped = ", ".join(sorted(p.name for p in SHIPPED.iterdir() if is_shipped(p.name)))
        raise Refused(f"'{name}' is neither a folder nor a shipped arrangement ({shipped})")
    try:
        return read_arrangement(folder)
    except ArrangementError as error:
        raise Refused(str(error)) from error


def read_draft(path: Path) -> DraftedRecord:
    """A record's labels from a file, YAML or JSON. Raises: `Refused` with file, line, field and what was expected."""
    try:
        written = read_lined(str(path), read_text(path))
        return written.check(DraftedRecord, written.values)
    except (YamlError, ArrangementError) as error:
        raise Refused(str(error)) from error


def instant_of(at: datetime | None) -> int:
    """Milliseconds since 1970 of `--at`, or of now."""
    return now_ms() if at is None else instant_ms(at.replace(tzinfo=UTC))


def now_ms() -> int:
    """The instant that is meant where a record says none."""
    return time.time_ns() // 1_000_000


@contextmanager
def progress(doing: str, total: int, quiet: bool) -> Iterator[Callable[[str], None]]:
    """A bar on a terminal, gone when the work is done; the function is called with what is being worked on."""
    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield lambda what: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(doing, total=total)
        yield lambda what: bar.update(task, advance=1, description=f"{doing} {what}")
