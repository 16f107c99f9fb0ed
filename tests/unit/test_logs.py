"""Logs: one line an event that nobody can forge or flood, and no content in it, whatever an error says of itself."""

import asyncio
import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel, ValidationError
from sqlalchemy import create_engine, text
from sqlalchemy.exc import IntegrityError, StatementError

from agencies.errors import DraftRefused
from schemas.clock import ClockMap
from schemas.frames import BadFrame
from schemas.logs import Limit, LogFormat, LogLevel, about, logged_to, set_up_logging, told

SECRET = "the boat leaves at dawn"
log = logging.getLogger("entente.test")


@pytest.fixture(params=list(LogFormat))
def form(request: pytest.FixtureRequest) -> LogFormat:
    value: LogFormat = request.param
    return value


class Said:
    """Standard error."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self._text = ""

    def getvalue(self) -> str:
        """All of it so far."""
        self._text += self._capsys.readouterr().err
        return self._text


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Iterator[Said]:
    """Standard error, while a test sets logging up as a service does."""
    root, ours = logging.getLogger(), logging.getLogger("entente")
    handlers, levels = root.handlers[:], (root.level, ours.level)
    hook = sys.excepthook
    root.handlers = []  # those of pytest are not ours to close
    yield Said(capsys)
    root.handlers = handlers
    root.setLevel(levels[0])
    ours.setLevel(levels[1])
    sys.excepthook = hook
    logging.captureWarnings(False)


def lines(said: Said, form: LogFormat) -> list[dict[str, object]]:
    """Each line as an object; of text its words alone."""
    found = said.getvalue().splitlines()
    return [json.loads(line) if form is LogFormat.JSON else {"event": line} for line in found]


def test_a_line_of_json(said: Said) -> None:
    set_up_logging(LogFormat.JSON)
    with about(agency="gb-nca"):
        log.info("stored %d", 3, extra={"lane": "fr-oltim", "offset": 7, "content": SECRET})
    [line] = lines(said, LogFormat.JSON)
    assert {k: v for k, v in line.items() if k != "time"} == {
        "level": "info",
        "logger": "entente.test",
        "event": "stored 3",
        "agency": "gb-nca",
        "lane": "fr-oltim",
        "offset": 7,
    }
    assert str(line["time"]).endswith("Z")


def test_a_line_of_text(said: Said) -> None:
    set_up_logging()
    with about(shard=2):
        log.warning("lane held", extra={"lane": "fr-oltim"})
    assert said.getvalue().endswith(" WARNING entente.test lane held shard=2 lane=fr-oltim\n")


async def test_what_is_meant_goes_along_into_tasks_and_not_beside_them(said: Said) -> None:
    set_up_logging(LogFormat.JSON)

    async def speak(word: str) -> None:
        await asyncio.sleep(0)
        log.info(word)

    with about(agency="gb-nca"):
        inside = asyncio.create_task(speak("in"))
    await asyncio.gather(inside, asyncio.create_task(speak("out")))
    found = {str(line["event"]): line.get("agency") for line in lines(said, LogFormat.JSON)}
    assert found == {"in": "gb-nca", "out": None}


@pytest.mark.parametrize(
    "forged", ["a\nb", "a\r\nb", "a\x1b[2Kb", "a\u2028b", "a\u202eb", "a\x85b", "a\0b", "a\x0bb"]
)
def test_no_text_forges_a_line(said: Said, form: LogFormat, forged: str) -> None:
    set_up_logging(form)
    log.warning("lane '%s' broke", forged, extra={"lane": forged})
    try:
        raise DraftRefused(forged)
    except DraftRefused:
        log.exception("no")
    assert len(said.getvalue().splitlines()) == 2
    assert said.getvalue().replace("\n", "").isprintable()


def test_a_line_has_an_end(said: Said, form: LogFormat) -> None:
    set_up_logging(form)
    log.warning("x" * 1_000_000)
    assert len(said.getvalue()) < 2_000


class _Content(BaseModel):
    text: int


def _pydantic() -> None:
    _Content.model_validate({"text": SECRET})


def _sql() -> None:
    engine = create_engine("sqlite://", hide_parameters=True)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE t (x TEXT PRIMARY KEY)"))
        for _ in range(2):
            connection.execute(text("INSERT INTO t VALUES (:x)"), {"x": SECRET})


def _value() -> None:
    int(SECRET)


def _key() -> None:
    {"": 0}[SECRET]


def _group() -> None:
    try:
        _value()
    except ValueError as error:
        raise ExceptionGroup(SECRET, [error, KeyError(SECRET)]) from RuntimeError(SECRET)


@pytest.mark.parametrize("fail", [_pydantic, _sql, _value, _key, _group])
def test_an_error_brings_no_content(said: Said, form: LogFormat, fail: "object") -> None:
    set_up_logging(form)
    assert callable(fail)
    try:
        fail()
    except Exception as error:
        log.warning("failed (%s)", told(error))
        log.exception("failed")
        sys.excepthook(type(error), error, error.__traceback__)
    assert said.getvalue().count("failed") >= 2
    assert len(said.getvalue().splitlines()) == 3
    assert SECRET not in said.getvalue()


def test_what_is_told_of_an_error() -> None:
    with pytest.raises(IntegrityError) as sql:
        _sql()
    assert told(sql.value) == "IntegrityError: UNIQUE constraint failed: t.x"
    with pytest.raises(ValidationError) as content:
        _pydantic()
    assert told(content.value) == "ValidationError"
    assert told(BadFrame("malformed")) == "BadFrame: malformed"
    assert told(TimeoutError()) == "TimeoutError"
    assert told(FileNotFoundError(2, "No such file", "k")) == "FileNotFoundError: [Errno 2] No such file: 'k'"
    driver = StatementError("m", "INSERT ...", {"x": SECRET}, ValueError(SECRET))
    assert told(driver) == "ValueError"


def test_where_it_happened_is_told() -> None:
    with pytest.raises(AttributeError) as caught:
        ClockMap.to_domain(None, 1)  # type: ignore[arg-type]
    assert told(caught.value).startswith("AttributeError at schemas/clock.py:")


def test_other_libraries_warn_in_one_line(said: Said, form: LogFormat) -> None:
    set_up_logging(form, LogLevel.DEBUG)
    for name in ("aiokafka.conn", "sqlalchemy.engine.Engine", "alembic", "asyncio"):
        logging.getLogger(name).debug("Response: %s", SECRET)
        logging.getLogger(name).info("INSERT %s", SECRET)
    logging.getLogger("asyncio").error("Task exception was never retrieved\nfuture: %s", SECRET)
    log.debug("ours")
    events = [str(line["event"]) for line in lines(said, form)]
    assert len(events) == 2
    assert "Task exception was never retrieved" in events[0]
    assert "ours" in events[1]
    assert SECRET not in said.getvalue()


def test_a_command_may_log_to_a_file_meanwhile(tmp_path: Path) -> None:
    library = logging.getLogger("aiokafka")
    with logged_to(tmp_path / "stage.log"):
        for port in range(50):
            library.error("no leader on port %d", port)
    assert (tmp_path / "stage.log").read_text().count("no leader on port 0") == 1
    assert len((tmp_path / "stage.log").read_text().splitlines()) < 50, "they are held back as everywhere"
    library.error("no leader on port 50")
    assert "50" not in (tmp_path / "stage.log").read_text()


def test_failures_that_repeat_are_counted(said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("schemas.logs.time.monotonic", lambda: now[0])
    set_up_logging()
    for n in range(1_000):
        log.warning("lane %d broke", n)
        log.info("step %d", n)
    first = said.getvalue().splitlines()
    assert sum("broke" in line for line in first) == 20
    assert sum("step" in line for line in first) == 1_000
    now[0] += 1.5
    log.warning("lane %d broke", 1_000)
    log.warning("another kind")
    assert "lane 1000 broke (and 980 more held back)" in said.getvalue()
    assert said.getvalue().splitlines()[-1].endswith("another kind")
    for n in range(1_000):
        logging.getLogger("aiokafka").error("no leader for %d", n)
    assert said.getvalue().count("no leader") == 1


def test_one_agency_silences_no_other(said: Said) -> None:
    set_up_logging()
    with about(agency="gb-nca"):
        for _ in range(100):
            log.warning("resending")
    with about(agency="fr-oltim"):
        log.warning("resending")
    assert said.getvalue().splitlines()[-1].endswith("agency=fr-oltim")


def test_what_is_counted_is_bounded() -> None:
    limit = Limit()
    for n in range(5_000):
        limit.filter(logging.LogRecord("entente.x", logging.WARNING, "f", 1, f"kind {n}", (), None))
    assert len(limit._kinds) <= 1_000


def test_what_nobody_catches_is_logged() -> None:
    """In a process of its own: an error on its way out, and one of a thread."""
    program = f"""
import threading
from schemas.logs import LogFormat, set_up_logging
set_up_logging(LogFormat.JSON)
thread = threading.Thread(target=lambda: int({SECRET!r}))
thread.start()
thread.join()
int({SECRET!r})
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    found = [json.loads(line) for line in done.stderr.splitlines()]
    assert [line["event"] for line in found] == ["ended by an error: ValueError"] * 2
    assert SECRET not in done.stderr + done.stdout
