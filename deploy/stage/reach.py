"""How a command reaches the cluster of a run: the one that runs, or the run's own, booted again from its data."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from deploy.ceremony import Ceremony, read_ceremony
from deploy.errors import DeployError, Refused
from deploy.kafka.cluster import Cluster
from deploy.kafka.state import read_state
from deploy.stage.run import Run
from schemas.arrangement import ArrangementError


class Reached(NamedTuple):
    """Where the cluster listens, and the TLS folder of its super user."""

    bootstrap: str
    admin_tls: Path


def opened(folder: Path) -> tuple[Run, Ceremony]:
    """A run, finished or going on, and its ceremony. Raises: `Refused` for a folder that holds none."""
    try:
        return Run.open(folder), read_ceremony(folder)
    except (DeployError, OSError, ArrangementError) as error:
        raise Refused(str(error)) from error


def running(run: Run) -> Reached | None:
    """The run's cluster, if it seems to be there; one that others run is taken to be."""
    external = run.record.external
    if external is not None:
        return Reached(external.bootstrap, external.admin_tls)
    state = read_state(run.cluster)
    if state is None or not state.running:
        return None
    return Reached(state.bootstrap, run.cluster / "tls" / "admin")


@asynccontextmanager
async def reached(run: Run) -> AsyncIterator[Reached]:
    """The run's cluster, booted again for this time if it does not run. Raises: `DeployError`."""
    found = running(run)
    if found is not None:
        yield found
        return
    if read_state(run.cluster) is None:
        raise DeployError(f"'{run.folder}' holds no cluster")
    async with Cluster(run.cluster, None) as cluster:
        yield Reached(cluster.bootstrap, cluster.admin_tls)
