"""A run on a cluster that others run: named by a file, reached with identities its operators made, left running."""

import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from deploy.kafka.state import read_state
from deploy.pki import Authority, write_tls
from deploy.processes import Child
from schemas.topics import AUDITOR, BROKER, FEDERATION
from tests.integration.live import shipped, until
from tests.integration.test_isolate import entente

RECORDS = 40

# Its operators: another process, with an authority that the run never sees.
_OPERATORS = """
import asyncio, sys
from pathlib import Path
from deploy.kafka.cluster import Cluster
from deploy.pki import Authority
async def main(folder):
    async with Cluster(folder / "cluster", Authority.load(folder / "authority")) as cluster:
        print("up", flush=True)
        await asyncio.Event().wait()
asyncio.run(main(Path(sys.argv[1])))
"""


@pytest_asyncio.fixture
async def operators(tmp_path: Path) -> AsyncIterator[Path]:
    """The folder of a running cluster's operators, with the file for those who use it."""
    folder = tmp_path / "operators"
    authority = Authority.create()
    authority.save(folder / "authority")
    child = Child.start(
        "operators", [sys.executable, "-c", _OPERATORS, folder], log=tmp_path / "operators.log"
    )
    try:

        def up() -> bool:
            assert child.alive, child.said()
            return "up" in child.said()

        await until(up, "the cluster is up")
        state = read_state(folder / "cluster")
        assert state is not None
        for principal in ("admin", BROKER, FEDERATION, AUDITOR, *shipped().directory.agency_ids):
            write_tls(folder / "identities" / principal, authority.issue(principal))
        settings = {"bootstrap": state.bootstrap, "tls": "identities", "prefix": "trial."}
        (folder / "cluster.json").write_text(json.dumps(settings))
        yield folder
        assert child.alive, "a run has ended a cluster that is not its own"
    finally:
        await child.terminate(30)


def test_a_run_on_a_cluster_of_others(operators: Path, tmp_path: Path) -> None:
    run, out = tmp_path / "run", tmp_path / "out.json"
    line = ["demo", "--headless", "--records", str(RECORDS), "--rate", "0", "--shards", "2"]
    line += ["--cluster", str(operators / "cluster.json")]
    result = entente(*line, "--kill", "brokers", "--folder", run, "--json", out)
    assert result.returncode == 0, result.stdout + result.stderr
    report = json.loads(out.read_text())
    assert (report["published"], report["lost"], report["duplicates"]) == (RECORDS, 0, 0)
    assert not (run / "cluster").exists()
    assert not (run / "authority").exists()
    assert [path.name for path in sorted((run / "logs").glob("broker*"))] == ["broker-0.log", "broker-1.log"]
    result = entente("ledger", "audit", run)  # found again by what the run wrote down
    assert result.returncode == 0, result.stdout + result.stderr

    lacking = operators / "identities" / BROKER
    lacking.rename(operators / "identities" / "somebody")
    result = entente(*line, "--folder", tmp_path / "second")
    assert result.returncode == 2
    assert f"'{lacking}' holds no TLS identity of 'broker'" in result.stderr
    (operators / "identities" / FEDERATION).rename(lacking)
    result = entente(*line, "--folder", tmp_path / "third")
    assert result.returncode == 2
    assert "holds the TLS identity of ['federation'], not of 'broker'" in result.stderr
