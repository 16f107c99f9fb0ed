"""500 records while services are killed with SIGKILL in the middle: the result is the one of a quiet run.

A private cluster a run, since it is one of those that are killed.
"""

from pathlib import Path

import pytest

from deploy.stage.director import Director, Sight
from deploy.stage.run import Run, RunRecord
from deploy.stage.services import Services
from deploy.stage.work import PlanWork
from tests.integration.live import shipped

RECORDS = 500
RATE = 25.0  # records a second: slow, so that the kills fall inside the run


@pytest.mark.parametrize(
    "kills", [["broker"], ["node"], ["kafka"], ["broker", "node", "kafka"]], ids=",".join
)
async def test_kills_change_nothing(kills: list[str], tmp_path: Path) -> None:
    record = RunRecord(arrangement="g7-small", seed=len(kills), records=RECORDS)
    run = Run.create(tmp_path / "run", record)
    source, decided_at = shipped(), dict[str, int]()

    def watch(sight: Sight) -> None:
        if sight.note.startswith("SIGKILL "):
            decided_at.setdefault(sight.note.removeprefix("SIGKILL "), sight.decided)

    async with Services(run, source, PlanWork(source.directory, len(kills), RECORDS, RATE)) as services:
        report = await Director(services, watch).run(kills)
    # The first kill fell into the middle; where later ones fall depends on how fast recovery was.
    assert list(decided_at) == kills
    assert 0 < decided_at[kills[0]] < RECORDS
    audited, known = report.audited, report.operational
    assert [what for what, _ in report.recoveries] == kills
    assert audited.published == RECORDS
    assert (audited.lost, audited.duplicates, audited.out_of_order, audited.leaked) == (0, 0, 0, 0)
    assert report.roots_equal
    for counts in (audited.counts, known):
        assert counts.conserved
        assert counts.pairs == RECORDS * (len(services.agencies) - 1)
        assert counts.in_flight == 0
    assert audited.counts.matrix == known.matrix
    assert audited.counts.quarantined == 0
    assert [e.name for e in report.expectations if not e.held] == []
    assert all(e.cases > 0 for e in report.expectations)
    # Nothing was stopped gently: each service that was killed started once more, the others went on.
    logs = {name: (run.logs / f"{name}.log").read_text() for name in ("broker", "nodes")}
    assert logs["broker"].splitlines().count("ready") >= 1 + kills.count("broker")
    assert logs["nodes"].count("node runs") == len(services.agencies) * (1 + kills.count("node"))
    assert logs["broker"].count(" stopped") == logs["nodes"].count(" stopped") == 1
