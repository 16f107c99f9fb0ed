"""However `entente demo` ends, nothing of it stays: killed with SIGKILL, asked by Ctrl-C, or asked to end."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.kafka.state import read_state
from tests.integration.live import until


def parents() -> dict[int, int]:
    """Process -> its parent, of everything that lives (a zombie does not)."""
    found = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
            except OSError:  # it has ended meanwhile
                continue
            if state not in "ZX":
                found[int(folder.name)] = int(parent)
    return found


def descendants(of: int) -> dict[int, str]:
    """Every process below, with its command line."""
    known, found = parents(), {of}
    while more := {pid for pid, parent in known.items() if parent in found} - found:
        found |= more
    return {pid: command(pid) for pid in found - {of}}


def command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


class Demo:
    """`entente demo` in a process of its own; what it starts is known by process id."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        self.log = folder.parent / "demo.log"
        line = [sys.executable, "-P", "-m", "deploy.cli", "demo", "--headless", "--folder", str(folder)]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [*line, *options],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )

    def services(self) -> dict[int, str]:
        """The services among its children, once they are the programs themselves."""
        words = ("kafka.Kafka", "-m broker", "-m agencies")
        return {
            pid: line for pid, line in descendants(self.process.pid).items() if any(w in line for w in words)
        }

    async def in_the_middle(self, services: int) -> dict[int, str]:
        """Wait until deliveries are made; the services."""

        def working() -> bool:
            assert self.process.poll() is None, self.log.read_text()
            stores = list(self.folder.glob("agencies/*/store.sqlite"))
            return "broker and nodes" in self.log.read_text() and len(stores) == 5

        await until(working, "the demo works")
        found = self.services()
        assert len(found) == services, found
        return found

    async def ended(self) -> int:
        return await asyncio.to_thread(self.process.wait, 60)

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


async def all_gone(pids: dict[int, str]) -> None:
    """None of the processes lives; a number that was given away anew is another program."""
    await until(
        lambda: not any(pid in parents() and command(pid) == line for pid, line in pids.items()),
        f"no process is left of {sorted(pids.values())}",
        30,
    )


@pytest.mark.parametrize("isolate", [False, True], ids=["shared", "isolated"])
async def test_sigkill_leaves_nothing(tmp_path: Path, isolate: bool) -> None:
    demo = Demo(tmp_path / "run", "--records", "500", "--rate", "20", *(["--isolate"] if isolate else []))
    try:
        services = await demo.in_the_middle(7 if isolate else 3)
        everything = descendants(demo.process.pid)
    finally:
        demo.kill()
    await all_gone(services | everything)


@pytest.mark.parametrize(
    "number, options",
    [(signal.SIGINT, []), (signal.SIGTERM, []), (signal.SIGINT, ["--keep", "--records", "10"])],
    ids=["ctrl-c", "terminate", "ctrl-c-after-keep"],
)
async def test_asked_to_end(tmp_path: Path, number: signal.Signals, options: list[str]) -> None:
    demo = Demo(tmp_path / "run", "--records", "500", "--rate", "20", *options)
    try:
        services = await demo.in_the_middle(4 if options else 3)  # kept, it has an API
        everything = descendants(demo.process.pid)
        if options:
            await until(lambda: "Ctrl-C stops it" in demo.log.read_text(), "the run is over and kept")
        os.kill(demo.process.pid, number)
        code = await demo.ended()
    finally:
        demo.kill()
    said = demo.log.read_text()
    assert "Traceback" not in said
    assert code == (0 if options else 130), said
    await all_gone(services | everything)
    state = read_state(demo.folder / "cluster")
    assert state is not None
    assert state.nodes[0].pid is None  # the cluster was stopped, not only killed
    if not options:
        assert "nothing is left running" in said


@pytest.mark.parametrize("after", ["keys and genesis", "topics and rights"])
async def test_ctrl_c_while_it_starts(tmp_path: Path, after: str) -> None:
    demo = Demo(tmp_path / "run")
    try:
        await until(lambda: after in demo.log.read_text(), f"'{after}' is done")
        everything = descendants(demo.process.pid)
        os.kill(demo.process.pid, signal.SIGINT)
        code = await demo.ended()
    finally:
        demo.kill()
    assert code == 130
    assert "Traceback" not in demo.log.read_text()
    await all_gone(everything)
