"""500 records while services are killed with SIGKILL in the middle: the result is the one of a quiet run.

A private cluster a run, since it is one of those that are killed. With one shard and one cluster node, with a worker
for each of two shards, and with three cluster nodes, of which one is gone for a while or all are at once.
"""

from pathlib import Path

import pytest
from sqlalchemy import select

from agencies.store.tables import positions
from deploy.stage.director import Director, Sight
from deploy.stage.evidence import read_only
from deploy.stage.run import Run, RunRecord
from deploy.stage.services import Services
from deploy.stage.victims import Kill
from deploy.stage.work import PlanWork
from tests.integration.live import shipped

RECORDS = 500
RATE = 25.0  # records a second: slow, so that the kills fall inside the run


@pytest.mark.parametrize(
    "shards, cluster_nodes, killed",
    [
        (1, 1, "broker"),
        (1, 1, "node"),
        (1, 1, "kafka"),
        (1, 1, "broker,node,kafka"),
        (2, 1, "brokers,node,kafka"),
        (2, 3, "kafka,broker,cluster"),
    ],
)
async def test_kills_change_nothing(shards: int, cluster_nodes: int, killed: str, tmp_path: Path) -> None:
    kills = [Kill(what) for what in killed.split(",")]
    record = RunRecord(arrangement="g7-small", seed=len(kills), records=RECORDS)
    run = Run.create(tmp_path / "run", record)
    source, decided_at = shipped(shards), dict[str, int]()

    def watch(sight: Sight) -> None:
        if sight.note.startswith("SIGKILL "):
            decided_at.setdefault(sight.note.removeprefix("SIGKILL "), sight.decided)

    work = PlanWork(source.directory, len(kills), RECORDS, RATE)
    async with Services(run, source, work, cluster_nodes=cluster_nodes) as services:
        assert len(services.worker_names) == shards
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
    nodes = (run.logs / "nodes.log").read_text()
    assert nodes.count("node runs") == len(services.agencies) * (1 + kills.count(Kill.NODE))
    assert nodes.count(" stopped") == 1
    for turn, name in enumerate(services.worker_names):
        log = (run.logs / f"{name}.log").read_text()
        times = kills.count(Kill.BROKERS) + (kills.count(Kill.BROKER) if turn == 0 else 0)
        assert log.splitlines().count("ready") >= 1 + times
        assert log.count(" stopped") == 1
    # Each agency has read what every shard wrote for it
    for agency in services.agencies:
        with read_only(run.store(agency)) as db:
            places = select(positions.c.partition, positions.c.offset)
            read = {int(row.partition): int(row.offset) for row in db.execute(places)}
        assert sorted(read) == list(range(shards))
        assert all(read.values())
