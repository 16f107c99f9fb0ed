"""A real PostgreSQL for tests: one server a session on a free port of the loopback, a fresh database for whoever asks.

- Debian's package; nothing is skipped where it is missing: that is a failure with one sentence.
- It refuses to run as root, so there it runs as the user `postgres`; it trusts whoever comes from the loopback.
- A guardian ends it and removes its files when the tests are gone, however they ended.
"""

import contextlib
import itertools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psycopg

MISSING = "PostgreSQL is missing (Debian: apt-get install postgresql)"
_LIMIT_S = 60.0

_GUARDIAN = """
import os, shutil, signal, subprocess, sys
sys.stdin.buffer.read()  # ends with whoever holds the other end
stop, folder = sys.argv[1:-1], sys.argv[-1]
subprocess.run(stop, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
shutil.rmtree(folder, ignore_errors=True)
"""


def programs() -> Path:
    """The folder of `initdb` and `pg_ctl`, the newest version first. Raises: `FileNotFoundError`."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: int(p.parent.name), reverse=True)
    on_path = [Path(found).parent for found in [shutil.which("initdb")] if found]
    for folder in [*debian, *on_path]:
        if (folder / "initdb").exists() and (folder / "pg_ctl").exists():
            return folder
    raise FileNotFoundError(MISSING)


class Postgres:
    """A running server. `url` of a fresh database by `database()`."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.port = port
        self._numbers = itertools.count(1)

    def _address(self, name: str) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{name}"

    def database(self) -> str:
        """The URL, as SQLAlchemy writes it, of a database that was made just now."""
        name = f"t{os.getpid()}_{next(self._numbers)}"
        with psycopg.connect(self._address("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/{name}"

    def disconnect_all(self) -> int:
        """End every other connection, as a server that fails does. Returns how many there were."""
        with psycopg.connect(self._address("postgres"), autocommit=True) as connection:
            ended = connection.execute(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                "WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
            ).fetchone()
        assert ended is not None
        return int(ended[0])

    def stop(self) -> None:
        """End the server at once, with whatever is open."""
        _run(_as_server([_pg_ctl(), "stop", "-D", str(self.folder / "data"), "-m", "immediate", "-w"]))

    def start(self) -> None:
        """Start it (again), and return when it answers."""
        options = f"-h 127.0.0.1 -p {self.port} -k {self.folder} -F"
        log = str(self.folder / "log")
        _run(
            _as_server([_pg_ctl(), "start", "-D", str(self.folder / "data"), "-l", log, "-w", "-o", options])
        )
        deadline = time.monotonic() + _LIMIT_S
        while True:
            try:
                psycopg.connect(self._address("postgres"), connect_timeout=5).close()
                return
            except psycopg.OperationalError:
                assert time.monotonic() < deadline, f"PostgreSQL does not answer, see {log}"
                time.sleep(0.05)


@contextmanager
def running() -> Iterator[Postgres]:
    """A server of one's own. Raises: `FileNotFoundError` if the package is missing."""
    bin_folder = programs()
    folder = Path(tempfile.mkdtemp(prefix="entente-pg-"))
    if os.getuid() == 0:
        user = pwd.getpwnam("postgres")
        os.chown(folder, user.pw_uid, user.pw_gid)
    data = folder / "data"
    stop = _as_server([_pg_ctl(), "stop", "-D", str(data), "-m", "immediate"])
    guardian = subprocess.Popen(
        [sys.executable, "-c", _GUARDIAN, *stop, str(folder)], stdin=subprocess.PIPE, start_new_session=True
    )
    try:
        trust = ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]
        _run(_as_server([str(bin_folder / "initdb"), "-D", str(data), *trust]))
        server = Postgres(folder, _free_port())
        server.start()
        yield server
    finally:
        assert guardian.stdin is not None
        guardian.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            guardian.wait(_LIMIT_S)
        if guardian.poll() is None:
            guardian.send_signal(signal.SIGKILL)
            guardian.wait()


def _pg_ctl() -> str:
    return str(programs() / "pg_ctl")


def _as_server(line: Sequence[str]) -> list[str]:
    """The command as the user that the server runs as."""
    if os.getuid() != 0:
        return [*line]
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", *line]


def _run(line: Sequence[str]) -> None:
    # Its output goes to no pipe: the server would inherit it, and reading would never end.
    with tempfile.TemporaryFile() as output:
        done = subprocess.run(line, stdout=output, stderr=output, cwd="/", timeout=_LIMIT_S, check=False)
        output.seek(0)
        assert done.returncode == 0, f"{line}: {output.read().decode()}"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
