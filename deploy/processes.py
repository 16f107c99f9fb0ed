"""A child process that never outlives its parent, however the parent ends.

- The kernel kills it when the parent dies (PR_SET_PDEATHSIG). That promise hangs on the *thread* that forked,
  so children are started from the main thread only, or from a `Keeper`.
- It has a process group of its own: a Ctrl-C in the terminal reaches the parent alone, which then stops its
  children in order.
- Everything it prints goes to one log file, which every error names.
- Waiting is done on a pidfd by the running event loop: no thread, no polling.

It does not restart anything: what a death means is for the caller to say.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from deploy.errors import StartFailed

# Runs in the child before the real program. A program of its own and not a `preexec_fn`, since between fork
# and exec only async-signal-safe code is sound in a parent that has threads. The look at the parent comes
# after the request: a parent that died in between would otherwise leave an orphan (prctl(2)).
_LAUNCHER = """
import ctypes, os, signal, sys
if ctypes.CDLL(None, use_errno=True).prctl(1, signal.SIGKILL, 0, 0, 0) != 0:
    sys.exit("prctl failed")
if os.getppid() != int(sys.argv[1]):
    sys.exit("the parent is gone")
os.execvp(sys.argv[2], sys.argv[2:])
"""


class Keeper(threading.Thread):
    """A thread that may start children. Whoever makes one sees to it that they end before it does."""


class Child:
    """A running child process; made by `start`."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], log: Path, log_start: int) -> None:
        self.name = name
        self.log = log
        self._process = process
        self._log_start = log_start

    @classmethod
    def start(
        cls,
        name: str,
        command: Sequence[str | Path],
        *,
        log: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> Child:
        """Start a program; what it prints is appended to `log`, whose folder must exist.

        Raises:
            RuntimeError: called from a thread that does not outlive the child, which would die with it.
            StartFailed: the launcher itself could not be started.
        """
        thread = threading.current_thread()
        if thread is not threading.main_thread() and not isinstance(thread, Keeper):
            raise RuntimeError(f"'{name}' must be started from the main thread, or from a keeper of children")
        launch = [sys.executable, "-I", "-S", "-c", _LAUNCHER, str(os.getpid()), *map(str, command)]
        try:
            with log.open("ab") as output:
                log_start = output.tell()
                process = subprocess.Popen(
                    launch,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    env=env,
                    cwd=cwd,
                    process_group=0,
                )
        except OSError as error:
            raise StartFailed(f"'{name}' could not be started: {error}") from error
        return cls(name, process, log, log_start)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    @property
    def returncode(self) -> int | None:
        """None while it runs; negative: the number of the signal that ended it."""
        return self._process.poll()

    async def wait(self, timeout: float | None = None) -> int:
        """Wait for its end without holding up the loop; the return code.

        Raises:
            TimeoutError: it still runs after `timeout` seconds.
        """
        async with asyncio.timeout(timeout):
            await self._ended()
        return self._process.wait()

    async def terminate(self, grace: float = 6.0) -> int:
        """Ask it to end (SIGTERM), end it (SIGKILL) after `grace` seconds; the return code."""
        self.signal(signal.SIGTERM)
        try:
            return await self.wait(grace)
        except TimeoutError:
            self.kill()
            return await self.wait()

    def kill(self) -> None:
        """SIGKILL to it and whatever it started; returns at once (`wait` to see it gone)."""
        if self.alive:
            # Not yet waited for, so the number cannot belong to another process.
            os.killpg(self.pid, signal.SIGKILL)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal (SIGSTOP and SIGCONT freeze and thaw it); nothing happens if it has ended."""
        self._process.send_signal(number)

    def said(self) -> str:
        """What it printed since it started; the log may hold more, of earlier starts."""
        try:
            with self.log.open("rb") as file:
                file.seek(self._log_start)
                return file.read().decode("utf-8", "replace")
        except OSError:
            return ""

    def last_words(self, lines: int = 3) -> str:
        """The end of that, on one line, for an error message."""
        return " / ".join(line.strip() for line in self.said().splitlines()[-lines:])

    async def _ended(self) -> None:
        if not self.alive:
            return
        loop = asyncio.get_running_loop()
        over = asyncio.Event()
        descriptor = os.pidfd_open(self.pid)
        try:
            loop.add_reader(descriptor, over.set)
            await over.wait()
        finally:
            loop.remove_reader(descriptor)
            os.close(descriptor)
