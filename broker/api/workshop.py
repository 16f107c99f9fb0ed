"""Where drafts are worked on: one child process at a time, with a limit of time, and a few callers who wait their turn.

A draft is text of a caller. Parsing it, and asking a solver about it, is nothing to do beside answering others.
"""

import asyncio
import contextlib
import logging
import os
import sys
from collections.abc import AsyncIterator
from typing import Final

import msgspec

from broker.api.bench import TOO_MUCH, Answer, Piece, framed
from broker.policy.workbench import Document, Task
from schemas.http.problems import Fault, ProblemType
from schemas.http.refusals import Refusal

log = logging.getLogger("entente.broker.api.workshop")

MOST_WAITING: Final = 4

#: Away from where the service was started: nothing there is to be imported.
_COMMAND: Final = ("-P", "-m", "broker.api.bench")


class Workshop:
    """Runs tools on drafts. Safe to cancel: the child ends with the call that waits for it."""

    def __init__(self, limit_s: int) -> None:
        """`limit_s`: processor time of one piece of work, in whole seconds; it is given twice that on the clock."""
        self._limit_s = limit_s
        self._turn = asyncio.Semaphore(1)
        self._waiting = 0

    async def work(self, task: Task, recorded: AsyncIterator[Piece] | None = None) -> Document:
        """What the tool says. `recorded`: ledgers, each from its first leaf on.

        Raises: `Refusal` for a draft that cannot be read, work that takes too long, and more callers than may wait.
        """
        if self._waiting > MOST_WAITING:
            raise Refusal(ProblemType.TOO_MANY, "drafts of others are being worked on", retry_s=5)
        self._waiting += 1
        try:
            async with self._turn:
                answer = await self._done(task, recorded)
        finally:
            self._waiting -= 1
        if answer.told is None:
            raise Refusal(ProblemType.INVALID, "the draft", faults=tuple(map(_fault, answer.wrong)))
        return answer.told

    async def _done(self, task: Task, recorded: AsyncIterator[Piece] | None) -> Answer:
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            *_COMMAND,
            str(os.getpid()),
            str(self._limit_s),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={},  # the service's own may hold a password
        )
        try:
            async with asyncio.timeout(2 * self._limit_s):
                sent = asyncio.create_task(_send(child, task, recorded))
                try:
                    assert child.stdout is not None
                    assert child.stderr is not None
                    told, said = await asyncio.gather(child.stdout.read(), child.stderr.read())
                    await sent
                finally:
                    sent.cancel()
                code = await child.wait()
        except TimeoutError:
            raise _too_long(self._limit_s) from None
        finally:
            with contextlib.suppress(ProcessLookupError):
                child.kill()
            await child.wait()
        if code < 0 or code == TOO_MUCH:  # a signal is its own limit of processor time
            raise _too_long(self._limit_s)
        if code > 0:
            log.error("work on a draft failed (%s): %s", task.tool, said.decode(errors="replace"))
            raise Refusal(ProblemType.INTERNAL)
        return Answer.model_validate_json(told)


async def _send(child: asyncio.subprocess.Process, task: Task, recorded: AsyncIterator[Piece] | None) -> None:
    assert child.stdin is not None
    try:
        child.stdin.write(framed(task.model_dump_json().encode()))
        await child.stdin.drain()
        if recorded is not None:
            async for piece in recorded:
                child.stdin.write(framed(msgspec.msgpack.encode(piece)))
                await child.stdin.drain()
    except ConnectionError:
        pass  # a child that has ended tells why by its code
    finally:
        child.stdin.close()


def _too_long(limit_s: int) -> Refusal:
    return Refusal(
        ProblemType.INVALID,
        f"expected a draft that the tool is through with in {limit_s} s; the command `entente policy` has no limit",
        reason="effort",
    )


def _fault(line: str) -> Fault:
    """A line of the tools, "where: what", told as the services tell a fault."""
    where, _, expected = line.partition(": ")
    return Fault(where=where[:300], expected=(expected or line)[:300])
