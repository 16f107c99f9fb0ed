"""The cluster's jars: fetched once by Maven, believed only by their SHA-256.

- `jars.sha256` is the whole truth: the class path holds exactly the files it lists, in its order, and no
  other file of the folder.
- They are checked at every start (43 MB, under 0.1 s), not only when they are fetched.
- In a source tree, jars and Maven's own repository live in its git-ignored `.cache/`, and nothing is written to the
  home folder. An installed package has no tree of its own: there they live in the user's cache, or in `ENTENTE_CACHE`.

Needs the standard library only, since `make setup` runs it beside the installation of everything else.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from deploy.errors import DeployError, Missing

VERSION = "4.1.1"
_HERE = Path(__file__).parent
_MAVEN_LIMIT = 900.0  # seconds; a slow line, not a wait for ever


def cache_folder() -> Path:
    """Where fetched and derived files live: `.cache/` of the source tree, or `ENTENTE_CACHE`."""
    if set_by_user := os.environ.get("ENTENTE_CACHE"):
        return Path(set_by_user).absolute()
    if (root := _source_tree()) is not None:
        return root / ".cache"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "entente"


def _source_tree() -> Path | None:
    """The folder of the Makefile; None where the package is installed."""
    root = _HERE.parents[1]
    return root if (root / "pyproject.toml").exists() and (root / "Makefile").exists() else None


def how_to_fetch() -> str:
    """The command that fetches them, for messages."""
    return "python -m deploy.kafka.jars" if _source_tree() is None else "make setup"


def jar_folder() -> Path:
    """Where the jars are, or will be."""
    return cache_folder() / "kafka" / VERSION


def expected() -> dict[str, str]:
    """File name -> SHA-256 in hex, in the order of the class path."""
    lines = (_HERE / "jars.sha256").read_text(encoding="ascii").splitlines()
    return {name: digest for digest, name in (line.split("  ", 1) for line in lines)}


def faults(folder: Path) -> list[str]:
    """What is wrong with the jars in a folder, one short phrase a jar; empty if they are all as listed."""
    found = []
    for name, digest in expected().items():
        try:
            with (folder / name).open("rb") as jar:
                actual = hashlib.file_digest(jar, "sha256").hexdigest()
        except FileNotFoundError:
            found.append(f"{name} is missing")
        else:
            if actual != digest:
                found.append(f"{name} is not the file that jars.sha256 lists")
    return found


def class_path() -> str:
    """The checked class path.

    Raises:
        Missing: the jars are not there, or one of them is not what was listed.
    """
    folder = jar_folder()
    if wrong := faults(folder):
        raise Missing(
            f"the jars of Apache Kafka in '{folder}' are not usable ({wrong[0]}): run `{how_to_fetch()}`"
        )
    return ":".join(str(folder / name) for name in expected())


def ensure() -> bool:
    """Fetch the jars unless they are there and right; true if they had to be fetched.

    Of several processes that want them one fetches, and the others wait for it.

    Raises:
        Missing: Maven is not installed.
        DeployError: Maven failed, or what it brought is not what `jars.sha256` lists; nothing is left in the
            folder.
    """
    folder = jar_folder()
    if not faults(folder):
        return False
    if shutil.which("mvn") is None:
        raise Missing(
            "Maven is missing (it fetches Apache Kafka): install it (Debian: `apt-get install maven`) and run "
            f"`{how_to_fetch()}`"
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / "fetching.lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not faults(folder):
            return False
        _renew(folder)
    return True


def _renew(folder: Path) -> None:
    # Fetched aside and renamed when they are right: an interrupted run leaves no half-filled folder.
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="fetching-") as aside:
        _fetch(Path(aside))
        if wrong := faults(Path(aside)):
            raise DeployError(
                f"Maven brought other jars than deploy/kafka/jars.sha256 lists: {'; '.join(wrong[:3])}"
            )
        shutil.rmtree(folder, ignore_errors=True)
        Path(aside).rename(folder)
        Path(aside).mkdir()  # for the context manager to remove
    folder.chmod(0o755)


def _fetch(aside: Path) -> None:
    command = [
        "mvn", "--batch-mode", "--quiet", "--file", str(_HERE / "pom.xml"),
        f"-Dmaven.repo.local={cache_folder() / 'maven'}",
        "dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={aside}",
    ]  # fmt: skip
    log = cache_folder() / "maven.log"
    try:
        with log.open("wb") as output:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                timeout=_MAVEN_LIMIT,
                check=False,
            )
    except subprocess.TimeoutExpired as error:
        raise DeployError(f"Maven did not end within {_MAVEN_LIMIT:.0f} s, see '{log}'") from error
    if done.returncode != 0:
        raise DeployError(
            f"Maven could not fetch the jars of Apache Kafka (is there a network?), see '{log}'"
        )


def main() -> int:
    """`python -m deploy.kafka.jars`: fetch and check, say how long it took; 2 if something is missing."""
    started = time.monotonic()
    try:
        fetched = ensure()
    except DeployError as error:
        print(error, file=sys.stderr)
        return 2 if isinstance(error, Missing) else 1
    if fetched:
        print(f"setup: the jars of Apache Kafka {VERSION}, checked ({time.monotonic() - started:.1f} s)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
