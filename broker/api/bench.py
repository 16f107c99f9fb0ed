"""A piece of work on a draft, in a process of its own: `python -m broker.api.bench PARENT SECONDS`.

It reads a task on its standard input, then pieces of ledgers to its end, and writes one answer. Whatever a draft makes
of it, the service that serves others goes on: it has so much processor time and memory, and ends with its parent.

Exit code 0 with an `Answer`, `TOO_MUCH` where the memory did not do; else a failure, told on standard error.
"""

import os
import resource
import sys
import threading
import time
from collections.abc import Iterator
from typing import BinaryIO, Final

import msgspec
import z3

from broker.policy.arranged import ArrangementError
from broker.policy.recorded import LaneHistory, Recorded
from broker.policy.workbench import Document, Task, work
from schemas.canonical import Domains
from schemas.ids import AgencyId
from schemas.logs import told
from schemas.model import Model

MOST_MEMORY: Final = 2 * 1024**3
"""Bytes of address space."""

TOO_MUCH: Final = 3

_LENGTH: Final = 4


class Answer(Model):
    """What the tool says, or what is wrong with the draft, a line each."""

    told: Document | None = None
    wrong: tuple[str, ...] = ()


class Piece(msgspec.Struct, frozen=True, array_like=True):
    """Entries of an originator's ledger that follow on those before, as `schemas.ledger` writes them."""

    lane: str
    entries: tuple[bytes, ...]


def framed(data: bytes) -> bytes:
    """What is sent, with its length before it."""
    return len(data).to_bytes(_LENGTH, "big") + data


def main() -> int:
    """Work, and answer."""
    parent, seconds = int(sys.argv[1]), int(sys.argv[2])
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    source = sys.stdin.buffer
    first = _read(source)
    if first is None:
        return 1
    try:
        task = Task.model_validate_json(first)
        answer = Answer(told=work(task, _recorded(source, Domains(task.holds.federation))))
    except ArrangementError as error:
        answer = Answer(wrong=error.errors)
    except (MemoryError, z3.Z3Exception):
        return TOO_MUCH
    except Exception as error:
        print(told(error), file=sys.stderr)
        return 1
    sys.stdout.buffer.write(answer.model_dump_json().encode())
    return 0


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


def _recorded(source: BinaryIO, domains: Domains) -> Iterator[Recorded] | None:
    """The records of all ledgers that are sent, or None if none is."""
    first = _read(source)
    return None if first is None else _records(first, source, domains)


def _records(first: bytes, source: BinaryIO, domains: Domains) -> Iterator[Recorded]:
    lanes: dict[str, LaneHistory] = {}
    data: bytes | None = first
    while data is not None:
        piece = msgspec.msgpack.decode(data, type=Piece)
        lane = lanes.setdefault(piece.lane, LaneHistory(domains, AgencyId(piece.lane)))
        yield from lane.read_all(piece.entries)
        data = _read(source)


def _read(source: BinaryIO) -> bytes | None:
    """The next that was sent, or None at the end."""
    length = source.read(_LENGTH)
    if not length:
        return None
    size = int.from_bytes(length, "big")
    data = source.read(size)
    if len(length) < _LENGTH or len(data) < size:
        raise EOFError("what was to be worked on ends in its middle")
    return data


if __name__ == "__main__":
    sys.exit(main())
