"""Child processes: they end when told, when killed, and when their parent is gone."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from deploy.errors import StartFailed
from deploy.processes import Child, Keeper

# Says on its log when it is up, so that no test has to guess when to send a signal.
STUBBORN = "trap '' TERM; echo up; while :; do sleep 0.05; done"
PLAIN = "echo up; exec sleep 60"


async def start(script: str, log: Path) -> Child:
    child = Child.start("test child", ["sh", "-c", script], log=log)
    async with asyncio.timeout(10):
        while "up" not in child.said():
            await asyncio.sleep(0.01)
    return child


async def test_ends_when_asked(tmp_path: Path) -> None:
    child = await start(PLAIN, tmp_path / "log")
    assert child.alive
    assert await child.terminate(grace=10) == -signal.SIGTERM
    assert child.returncode == -signal.SIGTERM
    assert await child.terminate() == -signal.SIGTERM  # a second time does no harm


async def test_is_made_to_end_when_asking_does_not_help(tmp_path: Path) -> None:
    child = await start(STUBBORN, tmp_path / "log")
    assert await child.terminate(grace=0.2) == -signal.SIGKILL


async def test_kill_takes_what_it_started_with_it(tmp_path: Path) -> None:
    child = await start("sleep 60 & echo $!; echo up; wait", tmp_path / "log")
    grandchild = os.pidfd_open(int(child.said().split()[0]))
    try:
        child.kill()
        assert await child.wait(10) == -signal.SIGKILL
        assert await ended(grandchild)
    finally:
        os.close(grandchild)


async def test_waiting_holds_up_nobody_and_has_a_limit(tmp_path: Path) -> None:
    child = await start(PLAIN, tmp_path / "log")
    waiting = asyncio.create_task(child.wait())
    with pytest.raises(TimeoutError):
        await child.wait(0.05)
    assert not waiting.done()
    child.kill()
    assert await waiting == -signal.SIGKILL
    assert child.returncode == -signal.SIGKILL


async def test_says_only_what_it_said_itself(tmp_path: Path) -> None:
    log = tmp_path / "log"
    first = Child.start("first", ["sh", "-c", "echo one; exit 3"], log=log)
    assert await first.wait(10) == 3
    second = Child.start("second", ["sh", "-c", "echo two; echo three"], log=log)
    assert await second.wait(10) == 0
    assert second.last_words() == "two / three"
    assert log.read_text() == "one\ntwo\nthree\n"


async def test_a_program_that_is_not_there_shows_in_code_and_log(tmp_path: Path) -> None:
    child = Child.start("nothing", [tmp_path / "absent"], log=tmp_path / "log")
    assert await child.wait(10) != 0
    assert "absent" in child.said() or "No such file" in child.said()
    with pytest.raises(StartFailed):
        Child.start("nowhere", ["true"], log=tmp_path / "log", cwd=tmp_path / "no folder")


async def test_a_thread_may_not_start_one(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="main thread"):
        await asyncio.to_thread(Child.start, "child", ["true"], log=tmp_path / "log")


async def test_a_keeper_may_start_one_that_then_dies_with_it(tmp_path: Path) -> None:
    started: list[Child] = []
    told = threading.Event()

    class Starting(Keeper):
        def run(self) -> None:
            started.append(Child.start("child", ["sh", "-c", PLAIN], log=tmp_path / "log"))
            told.wait()

    keeper = Starting()
    keeper.start()
    async with asyncio.timeout(30):
        while not started or "up" not in started[0].said():
            await asyncio.sleep(0.01)
        assert started[0].alive
        told.set()
        assert await started[0].wait() == -signal.SIGKILL
    keeper.join()


PARENT = """
import sys, time
from pathlib import Path
from deploy.processes import Child
child = Child.start("orphan to be", ["sh", "-c", "echo up; exec sleep 60"], log=Path(sys.argv[1]))
while "up" not in child.said():
    time.sleep(0.01)
print(child.pid, flush=True)
time.sleep(60)
"""


async def test_a_killed_parent_leaves_no_orphan(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, tmp_path / "log"], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        descriptor = os.pidfd_open(int(parent.stdout.readline()))
        try:
            parent.kill()
            begin = time.monotonic()
            assert await ended(descriptor)
            assert time.monotonic() - begin < 5
        finally:
            os.close(descriptor)


async def ended(descriptor: int, limit: float = 10.0) -> bool:
    """Whether the process behind a pidfd ends in time."""
    over = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(descriptor, over.set)
    try:
        async with asyncio.timeout(limit):
            await over.wait()
    except TimeoutError:
        return False
    finally:
        loop.remove_reader(descriptor)
    return True
