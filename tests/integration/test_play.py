"""The commands as people type them: a scenario that is played, and an arrangement that is changed while it runs."""

import json
import os
import shutil
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from uuid import UUID

import pytest
import pytest_asyncio

from deploy.arrangements import SHIPPED
from deploy.processes import Child
from tests.integration.live import until
from tests.integration.test_isolate import entente

LIMIT = 900.0


@pytest.mark.parametrize("scenario", ["small", "channel"])
def test_a_scenario_with_kills_in_the_middle_holds_all_that_it_expects(scenario: str, tmp_path: Path) -> None:
    out, page = tmp_path / "out.json", tmp_path / "page.html"
    result = entente(
        "simulate", "run", scenario, "--headless", "--kill", "broker,node,kafka", "--seed", "5",
        "--folder", tmp_path / "run", "--json", out, "--html", page,
    )  # fmt: skip
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stderr == "", "what libraries say of a cluster that was killed is for the log"
    assert "Connect call failed" not in result.stdout
    report = json.loads(out.read_text())
    assert [r["what"] for r in report["recoveries"]] == ["broker", "node", "kafka"]
    assert report["ledger_roots_equal_on_replay"] is True
    assert all(e["held"] and e["cases"] for e in report["expectations"])
    assert (report["lost"], report["duplicates"], report["out_of_order"], report["in_flight"]) == (0, 0, 0, 0)
    assert report["operational"]["pairs"] == report["pairs"]
    assert page.read_text().startswith("<!doctype html>")


def test_a_scenario_that_cannot_be_read_leaves_nothing_behind(tmp_path: Path) -> None:
    broken = tmp_path / "broken.yaml"
    broken.write_text((SHIPPED.parent / "scenarios" / "small.yaml").read_text().replace("gb-nca", "gb-nsa"))
    result = entente("simulate", "run", broken, "--folder", tmp_path / "run")
    assert result.returncode == 2
    assert "gb-nsa" in result.stderr
    assert f"{broken}:" in result.stderr
    assert not (tmp_path / "run").exists()


@pytest_asyncio.fixture
async def kept(tmp_path: Path) -> AsyncIterator[tuple[Path, Child]]:
    """A plan that was played and is left running."""
    folder = tmp_path / "run"
    line = [sys.executable, "-P", "-m", "deploy.cli", "demo", "--records", "10", "--rate", "0"]
    line += ["--headless", "--keep", "--folder", str(folder)]
    child = Child.start("demo", line, log=tmp_path / "demo.log")
    try:

        def runs() -> bool:
            assert child.alive, child.said()
            return "All is running" in child.said()

        await until(runs, "the demo is left running", LIMIT)
        yield folder, child
    finally:
        await child.terminate(30)


async def test_members_change_what_holds_while_it_runs(kept: tuple[Path, Child], tmp_path: Path) -> None:
    folder, child = kept
    changed = tmp_path / "changed"
    shutil.copytree(SHIPPED / "g7-small", changed)
    text = (changed / "directory.yaml").read_text()
    team = "  - id: jit-new\n    name: A team made while running\n    members:\n"
    team += "      - agency: gb-nca\n      - agency: it-pds\n"
    (changed / "directory.yaml").write_text(text.replace("communities:\n", "communities:\n" + team, 1))
    proposal = tmp_path / "one.bin"

    result = entente("arrangement", "propose", folder, "--from", changed, "--out", proposal)
    assert result.returncode == 0, result.stderr
    assert "new community 'jit-new': gb-nca, it-pds" in result.stdout
    result = entente("arrangement", "sign", proposal, "--run", folder, "--as", "gb-nca", "--as", "it-pds")
    assert "signed by gb-nca, it-pds" in result.stdout
    result = entente("arrangement", "activate", proposal, "--run", folder)
    assert result.returncode == 2
    assert "bears 2 good signatures of 3 needed" in result.stderr
    result = entente("arrangement", "sign", proposal, "--run", folder, "--as", "xx-nobody")
    assert result.returncode == 2
    assert "'xx-nobody' is no member" in result.stderr
    assert entente("arrangement", "sign", proposal, "--run", folder, "--as", "fr-oltim").returncode == 0
    result = entente("arrangement", "activate", proposal, "--run", folder)
    assert result.returncode == 0, result.stderr
    assert "version 1 and its clock hold in every lane" in result.stdout

    pause = tmp_path / "two.bin"
    assert entente("arrangement", "propose", folder, "--speed", "0", "--out", pause).returncode == 0
    for agency in ("gb-nca", "it-pds", "fr-oltim"):
        assert entente("arrangement", "sign", pause, "--run", folder, "--as", agency).returncode == 0
    assert entente("arrangement", "activate", pause, "--run", folder).returncode == 0
    result = entente("arrangement", "activate", pause, "--run", folder)
    assert result.returncode == 2
    assert "does not follow" in result.stderr

    result = entente("arrangement", "show", folder)
    assert result.returncode == 0, result.stderr
    assert "new community 'jit-new'" in result.stdout
    assert result.stdout.count("stands at") == 1 + 5  # said where it was signed, and of each of five lanes
    os.kill(child.pid, signal.SIGINT)
    assert await child.wait(60) == 0
    assert entente("ledger", "audit", folder).returncode == 0
    _verify_alone(folder, tmp_path)


def _verify_alone(folder: Path, out: Path) -> None:
    """What the run left behind is verified with the genesis digest alone, under both versions."""
    pin = ("--genesis", (folder / "genesis.sha256").read_text().strip())
    ledger, delivery = out / "ledger.json", out / "delivery.json"
    result = entente("ledger", "export", folder, "--lane", "gb-nca", "--out", ledger)
    assert result.returncode == 0, result.stderr
    assert "up to its newest checkpoint" in result.stdout
    with closing(sqlite3.connect(folder / "agencies" / "fr-oltim" / "store.sqlite")) as db:
        (record,) = db.execute("SELECT record_id FROM reception_log ORDER BY id").fetchone()
    result = entente(
        "verify",
        "export",
        folder,
        "--agency",
        "fr-oltim",
        "--record",
        str(UUID(bytes=record)),
        "--out",
        delivery,
    )
    assert result.returncode == 0, result.stderr
    for line in (("ledger", ledger), ("certificate", delivery), ("directory", delivery)):
        result = entente("verify", *line, *pin)
        assert result.returncode == 0, result.stdout + result.stderr
        assert "a version, follows and is signed by enough" in result.stdout
        assert entente("verify", *line, "--genesis", "0" * 64).returncode == 1
    told = json.loads(delivery.read_text())
    delivery.write_text(json.dumps({**told, "path": told["path"][4:] + "AAAA"}))
    result = entente("verify", "certificate", delivery, *pin)
    assert result.returncode == 1
    assert "the path leads to another root" in result.stdout
    unknown = entente("verify", "export", folder, "--agency", "fr-oltim", "--record", "1", "--out", delivery)
    assert unknown.returncode == 2


def test_a_run_that_is_over_cannot_be_changed(tmp_path: Path) -> None:
    result = entente("arrangement", "show", tmp_path)
    assert result.returncode == 1
    assert "holds no run" in result.stderr
