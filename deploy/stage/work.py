"""What the agencies of a run publish: a seeded plan, or the acts of a scenario."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from agencies.settings import PlanSettings
from agencies.simulation.player import Script
from agencies.simulation.script import Act
from schemas.clock import ClockMap
from schemas.directory import Directory
from schemas.ids import AgencyId

#: How many of a hundred records each role publishes, relative to the others.
_WEIGHTS = {"source_state": 2, "platform": 1}


def shares(directory: Directory, records: int) -> dict[AgencyId, int]:
    """How many of a run's records each agency publishes; the sum is exact."""
    weights = {a: _WEIGHTS.get(directory.agency(a).role, 6) for a in directory.agency_ids}
    total = sum(weights.values())
    counts = {a: records * w // total for a, w in weights.items()}
    for agency in sorted(weights, key=lambda a: -weights[a])[: records - sum(counts.values())]:
        counts[agency] += 1
    return counts


class Work(Protocol):
    """What is to be published."""

    @property
    def records(self) -> int:
        """How many records in all."""
        ...

    @property
    def clock(self) -> ClockMap | None:
        """Domain time to begin with; None: real time."""
        ...

    def settings(self, agency: AgencyId, folder: Path) -> dict[str, object]:
        """An agency's part, as its node's settings say it; files go to `folder`."""
        ...


@dataclass(frozen=True)
class PlanWork:
    """A seeded plan, shared among the agencies. `per_second`: records in all; None: as fast as it goes."""

    directory: Directory
    seed: int
    records: int
    per_second: float | None = None

    @property
    def clock(self) -> None:
        """Real time: a plan is not held up until a lane has a clock of its own."""
        return None

    def settings(self, agency: AgencyId, folder: Path) -> dict[str, object]:
        share = shares(self.directory, self.records)[agency]
        rate = self.per_second and self.per_second * share / max(1, self.records)
        plan = PlanSettings(seed=self.seed, records=share, per_second=rate or None)
        return {"plan": plan.model_dump()}


@dataclass(frozen=True)
class ScriptWork:
    """A scenario's acts, each agency's own in a file of its own."""

    seed: int
    acts: Mapping[AgencyId, tuple[Act, ...]]
    clock: ClockMap | None

    @property
    def records(self) -> int:
        return sum(map(len, self.acts.values()))

    def settings(self, agency: AgencyId, folder: Path) -> dict[str, object]:
        path = folder / f"script-{agency}.json"
        script = Script(seed=self.seed, acts=self.acts.get(agency, ()))
        path.write_text(script.model_dump_json(exclude_defaults=True) + "\n")
        return {"script": str(path.absolute())}
