"""A run's folder: where everything of one simulation lies, so that another process can look at it later.

run.json        what was asked for
cluster/        Kafka's data, logs, TLS of node and admin; absent if others run the cluster
authority/      the certificate authority of the run
agencies/<id>/  keys, offline identity, store.sqlite
broker/         keys, settings, record index
logs/           one file a process
"""

from pathlib import Path
from typing import Self

from deploy.ceremony import agency_folder
from deploy.errors import DeployError
from deploy.kafka.external import ExternalCluster
from schemas.ids import AgencyId
from schemas.model import Model

RUNS = Path(".entente")


class RunRecord(Model):
    """What is needed to open a run again."""

    arrangement: str
    scenario: str = ""
    """Name of the scenario; empty for a plan."""
    seed: int
    records: int
    prefix: str = ""
    store: str = ""
    """URL of the agencies' stores with `{agency}` in it; empty for a SQLite file each."""
    external: ExternalCluster | None = None
    """The cluster that others run; None: a cluster of the run's own."""


class Run:
    """Paths of one run."""

    def __init__(self, folder: Path, record: RunRecord) -> None:
        self.folder = folder
        self.record = record

    @classmethod
    def create(cls, folder: Path, record: RunRecord) -> Self:
        """A new run in an empty or absent folder. Raises: `DeployError`."""
        if folder.exists() and any(folder.iterdir()):
            raise DeployError(f"'{folder}' is not empty: a run wants a folder of its own")
        (folder / "logs").mkdir(parents=True, exist_ok=True)
        (folder / "run.json").write_text(record.model_dump_json(indent=2) + "\n")
        return cls(folder, record)

    @classmethod
    def open(cls, folder: Path) -> Self:
        """A run that was. Raises: `DeployError` if the folder holds none."""
        try:
            record = RunRecord.model_validate_json((folder / "run.json").read_bytes())
        except (OSError, ValueError) as error:
            raise DeployError(f"'{folder}' holds no run: {error}") from error
        return cls(folder, record)

    @property
    def cluster(self) -> Path:
        return self.folder / "cluster"

    @property
    def authority(self) -> Path:
        return self.folder / "authority"

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    @property
    def projection(self) -> str:
        """The URL of the broker's projection, where no other is named."""
        return f"sqlite:///{(self.folder / 'broker' / 'projection.sqlite').absolute()}"

    def store(self, agency: AgencyId) -> str:
        """The URL of an agency's store: a SQLite file in its folder, if the run's record names no other."""
        if self.record.store:
            return self.record.store.replace("{agency}", agency)
        return f"sqlite:///{(agency_folder(self.folder, agency) / 'store.sqlite').absolute()}"
