"""The Java that runs the cluster: where it is, its flags, and the archive of loaded classes.

- Small heap and the quick compiler only: a node lives minutes, not months (boot 1.2 s, about 200 MB).
- The class-data archive saves 40 % of a boot. It is written by the first clean stop of a single node, never
  by a boot, so the first run does not wait for it; it is named by the jars' hashes and the Java that made it,
  so it never meets other ones.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from pathlib import Path

from deploy.errors import Missing
from deploy.kafka import jars

NEEDED = 17
# The serial collector, since a small heap on a shared machine gains nothing by threads of its own. A server that ran
# out of memory can live on and serve nobody; one that ends is seen and started again.
_FLAGS = (
    "-Xmx256m",
    "-XX:+UseSerialGC",
    "-XX:+ExitOnOutOfMemoryError",
    "-Djava.awt.headless=true",
)
_LOGGING = ("-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-Dorg.slf4j.simpleLogger.showDateTime=true")


def find() -> Path:
    """The Java to use: `JAVA_HOME`, else the one in PATH.

    Raises:
        Missing: there is none.
    """
    home = os.environ.get("JAVA_HOME")
    found = shutil.which(Path(home) / "bin" / "java" if home else "java") or shutil.which("java")
    if found is None:
        raise Missing(
            "Java 17 or newer is missing: install it (Debian: `apt-get install openjdk-17-jre-headless`)"
        )
    return Path(found).resolve()


def major_version(java: Path) -> int:
    """17 for "17.0.15"; 0 if it does not say."""
    said = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=30, check=False).stderr
    match = re.search(r'version "(\d+)', said)
    return int(match.group(1)) if match else 0


def archive_file(java: Path, class_path: str) -> Path:
    """Where the class-data archive for this Java and these jars is, or will be."""
    release = java.parent.parent / "release"
    identity = f"{java}\n{release.read_text() if release.exists() else ''}\n{class_path}\n{jars.expected()}"
    return jars.cache_folder() / "kafka" / f"classes-{hashlib.sha256(identity.encode()).hexdigest()[:16]}.jsa"


def command(
    java: Path, class_path: str, main: str, *arguments: str, archive: tuple[str, ...] = ()
) -> list[str]:
    """The command line of one of Kafka's programs."""
    return [str(java), *_FLAGS, *_LOGGING, *archive, "-cp", class_path, main, *arguments]


def use(archive: Path) -> tuple[str, ...]:
    """Flags to load the archive, if there is one; a stale one is passed over by Java itself."""
    return (f"-XX:SharedArchiveFile={archive}", "-Xshare:auto") if archive.exists() else ()


def make(archive: Path) -> tuple[str, ...]:
    """Flags to write an archive on a clean exit."""
    return (f"-XX:ArchiveClassesAtExit={archive}",)
