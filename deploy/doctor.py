"""What this computer lacks to run Entente: one sentence each, with the way to get it.

Needs the standard library only: `python3 -m deploy.doctor` answers even when nothing has been installed yet.
"""

from __future__ import annotations

import importlib.util
import shutil
import sys
from collections.abc import Iterator

from deploy.errors import DeployError
from deploy.kafka import jars, java
from deploy.kafka.state import pick_ports

_LIBRARIES = (
    "aiokafka",
    "alembic",
    "cedarpy",
    "confluent_kafka",
    "cryptography",
    "msgspec",
    "pydantic",
    "sqlalchemy",
)


def findings() -> Iterator[str]:
    """One sentence for each thing that is missing."""
    if sys.version_info < (3, 11):  # noqa: UP036  (this file is for whoever has just that Python)
        has = ".".join(str(part) for part in sys.version_info[:2])
        yield f"Python is {has}, not 3.11 or newer: install one and run `make PYTHON=python3.11 setup`."
    yield from _environment()
    yield from java_findings()
    yield from _jars()
    try:
        pick_ports(1)
    except DeployError as error:
        yield f"{error}."


def _environment() -> Iterator[str]:
    absent = [name for name in _LIBRARIES if importlib.util.find_spec(name) is None]
    if not absent:
        return
    if importlib.util.find_spec("ensurepip") is None:
        yield "Python's venv module is missing: install it (Debian: `apt-get install python3-venv`)."
    yield f"Libraries are missing here ({', '.join(absent)}): run `make setup`, then `.venv/bin/entente`."


def java_findings() -> Iterator[str]:
    """One sentence if there is no Java that runs the cluster."""
    try:
        found = java.find()
    except DeployError as error:
        yield f"{error}."
        return
    if (version := java.major_version(found)) < java.NEEDED:
        yield (
            f"Java in '{found}' is version {version or 'unknown'}, not {java.NEEDED} or newer: install one "
            "(Debian: `apt-get install openjdk-17-jre-headless`)."
        )


def _jars() -> Iterator[str]:
    if not (wrong := jars.faults(jars.jar_folder())):
        return
    if shutil.which("mvn") is None:
        yield "Maven is missing (it fetches Apache Kafka): install it (Debian: `apt-get install maven`)."
    yield f"The jars of Apache Kafka are not in '{jars.jar_folder()}' ({wrong[0]}): run `{jars.how_to_fetch()}`."


def main() -> int:
    """Print the findings; 2 if there are any, as every command does that lacks something."""
    missing = list(findings())
    for sentence in missing:
        print(sentence)
    if not missing:
        print("Nothing is missing.")
    return 2 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
