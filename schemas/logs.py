"""How every process of Entente logs: one line an event, never payloads, keys, tokens or what labels hold.

- A line is for people, or one JSON object: time, level, logger, event, and fields of a closed list.
- A stranger's text forges no line and hides none: control characters are escaped, and a line has an end.
- Of an error its words are told if they are ours, Kafka's or the system's; of any other (a driver's, a
  validator's: they quote values) only its type and the place in our code. That holds for
  traces, too, and for what nobody catches.
- Other libraries log warnings only, the first line of each: what they say to debug shows whole messages.
- Failures that repeat are told once a second, with how many were held back. An outage gives about 38 errors a second
  for each Kafka client.
"""

import json
import logging
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Any, Final

ROOT: Final = "entente"
_MOST = 1_000  # characters of an event
_BURST = 20
_KINDS = 1_000  # of events that are counted apart


class LogFormat(StrEnum):
    """How a line is written."""

    TEXT = "text"
    JSON = "json"


class LogLevel(StrEnum):
    """The least level of our own events that is written."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Field(StrEnum):
    """What an event may be said to be about, besides its words."""

    AGENCY = "agency"
    SHARD = "shard"
    LANE = "lane"
    OFFSET = "offset"


_about: ContextVar[dict[str, str | int]] = ContextVar("about", default={})  # noqa: B039 - never changed in place


@contextmanager
def about(**fields: str | int) -> Iterator[None]:
    """What is logged meanwhile, in this task and those that it starts, is about these."""
    token = _about.set(_about.get() | {Field(name): value for name, value in fields.items()})
    try:
        yield
    finally:
        _about.reset(token)


def told(error: BaseException) -> str:
    """What may be said of an error in a log: its type, and its words if they cannot be a stranger's."""
    inner = getattr(error, "orig", None)  # SQLAlchemy's own words quote the statement
    if isinstance(inner, BaseException):
        return told(inner)
    name = type(error).__name__
    if isinstance(error, BaseExceptionGroup):
        return f"{name} of " + ", ".join(told(each) for each in error.exceptions)
    if type(error).__module__.partition(".")[0] in _OWN_WORDS or isinstance(error, OSError):
        return f"{name}: {_one_line(str(error))}" if str(error) else name
    state = getattr(error, "sqlstate", None)
    return " ".join(filter(None, (name, state and f"({state})", _place(error))))


#: Packages whose errors quote no content: ours by rule, Kafka's client by reading, SQLite's library by its fixed texts.
_OWN_WORDS: Final = frozenset({"schemas", "broker", "agencies", "aiokafka", "sqlite3"})


def _place(error: BaseException) -> str:
    """The last place in our own code that the error came through."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if _is_ours(f.filename)]
    return f"at {_short(frames[-1].filename)}:{frames[-1].lineno}" if frames else ""


def _is_ours(path: str) -> bool:
    return any(f"/{package}/" in path for package in ("schemas", "broker", "agencies")) and (
        "site-packages" not in path
    )


def _short(path: str) -> str:
    return "/".join(path.split("/")[-2:])


def _trace(error: BaseException) -> Iterator[str]:
    """Every error of a chain or group, with the places that it came through, and no more of it than `told` says."""
    yield told(error)
    yield from (
        f"{_short(f.filename)}:{f.lineno} {f.name}" for f in traceback.extract_tb(error.__traceback__)
    )
    inner = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
    for each in (*inner, error.__cause__ or (None if error.__suppress_context__ else error.__context__)):
        if each is not None:
            yield from _trace(each)


def _one_line(text: str) -> str:
    """Text without a character that could end a line, move on it or turn it round."""
    if not text.isprintable():
        text = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return text if len(text) <= _MOST else f"{text[:_MOST]} (and {len(text) - _MOST} characters more)"


def _event(record: logging.LogRecord) -> str:
    text = record.getMessage()
    if not _ours(record):
        text = text.partition("\n")[0]
    if held := getattr(record, "held", 0):
        text += f" (and {held} more held back)"
    return _one_line(text)


def _ours(record: logging.LogRecord) -> bool:
    return record.name.partition(".")[0] == ROOT


class _Text(logging.Formatter):
    """One line for people."""

    def format(self, record: logging.LogRecord) -> str:
        line = f"{self.formatTime(record)} {record.levelname} {record.name} {_event(record)}"
        fields = "".join(f" {k}={_one_line(str(v))}" for k, v in _fields(record).items())
        trace = f" | {' < '.join(_error(record))}" if record.exc_info else ""
        return line + fields + trace


class _Json(logging.Formatter):
    """One JSON object a line, in ASCII."""

    def format(self, record: logging.LogRecord) -> str:
        at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line: dict[str, Any] = {
            "time": f"{at}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": _event(record),
            **_fields(record),
        }
        if record.exc_info:
            line["trace"] = _error(record)
        return json.dumps(line)


def _fields(record: logging.LogRecord) -> dict[str, str | int]:
    known = {f: getattr(record, f) for f in Field if hasattr(record, f)}
    return {**getattr(record, "about", {}), **known}


def _error(record: logging.LogRecord) -> list[str]:
    error = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
    return [] if error is None else [_one_line(line) for line in _trace(error)][:100]


class Limit(logging.Filter):
    """Adds what an event is about; of failures that repeat lets a burst through, then one a second of each kind."""

    def __init__(self) -> None:
        super().__init__()
        self._kinds: dict[object, tuple[float, float, int]] = {}
        """By kind: how many may pass, as of when, and how many were held back since the last one that did."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.about = fields = dict(_about.get())
        if record.levelno < logging.WARNING:
            return True
        # All that another library says is one kind: its words differ with each connection and request.
        what = (record.name, record.msg, fields.get(Field.AGENCY)) if _ours(record) else None
        kind = what or record.name.partition(".")[0]
        burst = float(_BURST if what else 1)
        now = time.monotonic()
        passing, then, held = self._kinds.pop(kind, (burst, now, 0))
        passing = min(burst, passing + now - then)
        if passing < 1:
            self._kinds[kind] = (passing, now, held + 1)
            return False
        if len(self._kinds) >= _KINDS:
            self._kinds.pop(next(iter(self._kinds)))
        self._kinds[kind] = (passing - 1, now, 0)
        record.held = held
        return True


def set_up_logging(form: LogFormat = LogFormat.TEXT, level: LogLevel = LogLevel.INFO) -> None:
    """Log to standard error from now on, and there also what nobody catches and what Python warns of."""
    handler = _prepared(logging.StreamHandler(sys.stderr), form)
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger(ROOT).setLevel(level.upper())
    logging.captureWarnings(True)
    sys.excepthook = _uncaught
    threading.excepthook = lambda args: _uncaught(
        args.exc_type, args.exc_value or args.exc_type(), args.exc_traceback
    )


@contextmanager
def logged_to(file: Path) -> Iterator[None]:
    """Log to a file meanwhile: of a command whose terminal is for people, and not for what its libraries say."""
    handler = _prepared(logging.FileHandler(file, encoding="utf-8"), LogFormat.TEXT)
    logging.getLogger().addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)
        handler.close()


def _prepared(handler: logging.Handler, form: LogFormat) -> logging.Handler:
    handler.setFormatter(_Json() if form is LogFormat.JSON else _Text())
    handler.addFilter(Limit())
    return handler


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    logging.getLogger(ROOT).critical("ended by an error: %s", told(error), exc_info=(kind, error, trace))
