"""Nodes and brokers that must not simply start: a restored older store, foreign keys, settings with errors."""

import json
import shutil
import sqlite3
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from deploy.processes import Child
from schemas.certifying import released_of
from schemas.ids import AgencyId
from schemas.keys import SigningPair
from schemas.ledger import Admitted
from schemas.topics import submit_topic
from tests.integration.live import NCA, OLTIM, PDS, Live, until


async def published(live: Live, agency: AgencyId, records: int) -> None:
    async def admitted() -> bool:
        return sum(isinstance(leaf, Admitted) for leaf in await live.leaves(agency)) >= records

    await until(admitted, f"{records} records of {agency} are decided")


def copy_store(source: Path, target: Path) -> None:
    """A consistent copy, as a backup makes it; what was beside the target is gone."""
    for old in target.parent.glob(target.name + "*"):
        old.unlink()
    with closing(sqlite3.connect(source)) as db, closing(sqlite3.connect(target)) as copy:
        db.backup(copy)


async def test_a_restored_store(live: Live, tmp_path: Path) -> None:
    """From an older copy of its store a node publishes nothing and says so loudly; it receives all the same."""
    await live.start_broker()
    backup = tmp_path / "backup.sqlite"
    node = await live.start_nodes([live.node(NCA, 10)], "nca-1")
    await published(live, NCA, 10)
    assert await node.terminate() == 0
    copy_store(live.store(NCA), backup)

    # The newest store: it goes on where it was.
    node = await live.start_nodes([live.node(NCA, 20)], "nca-2")
    await published(live, NCA, 20)
    assert await node.terminate() == 0
    sequences = [leaf.sequence for leaf in await live.leaves(NCA) if isinstance(leaf, Admitted)]
    assert sequences == list(range(1, 21))

    copy_store(backup, live.store(NCA))
    lane = await live.read(submit_topic(NCA, live.prefix))
    settings = live.settings("nca-3", {"nodes": [live.node(NCA, 30)]})
    restored = live.start("nca-3", "agencies", settings)
    await live.said(restored, "publishes nothing")
    critical = [line for line in restored.said().splitlines() if " CRITICAL " in line]
    assert len(critical) == 1
    assert "sequence 20 was published, this store knows 10" in critical[0]
    alarms = "SELECT alarm FROM alarms"
    await until(lambda: live.rows(NCA, alarms) == [("restored_copy",)], "what it says is kept as well")

    others = await live.start_nodes([live.node(OLTIM, 12)], "oltim")
    await published(live, OLTIM, 12)
    due = Counter[AgencyId]()
    ledger = await live.ledger(OLTIM)
    for leaf in ledger.leaves:
        if isinstance(leaf, Admitted):
            due.update(released_of(leaf, ledger.rulings).keys())
    assert due[NCA] > 0

    def stored() -> bool:
        return len(live.rows(NCA, "SELECT 1 FROM reception_log WHERE lane = 'fr-oltim'")) == due[NCA]

    await until(stored, "the restored node receives")
    assert await live.read(submit_topic(NCA, live.prefix)) == lane
    assert live.rows(NCA, "SELECT max(sequence) FROM published") == [(10,)]
    assert restored.alive
    assert await restored.terminate() == 0
    assert await others.terminate() == 0


async def refused(live: Live, name: str, module: str, settings: Path, code: int) -> list[str]:
    """Start what must not run; what it complained of before it ended with the code."""
    child: Child = live.start(name, module, settings)
    assert await child.wait(60) == code, child.said()
    assert "Traceback" not in child.said()
    return [line for line in child.said().splitlines() if " INFO " not in line]


def foreign_keys(live: Live, folder: Path, which: str) -> Path:
    """NCA's key folder with one key that is not the one of the arrangement."""
    keys = folder / which
    shutil.copytree(live.tls(NCA), keys)
    if which == "signing.key":
        (keys / which).write_bytes(SigningPair.generate().seeds())
    else:
        shutil.copy(live.tls(PDS) / which, keys / which)
    return keys


@pytest.mark.parametrize("which", ["signing.key", "opening.key"])
async def test_keys_that_are_not_those_of_the_arrangement(live: Live, tmp_path: Path, which: str) -> None:
    node = live.node(NCA) | {"keys": str(foreign_keys(live, tmp_path, which))}
    said = await refused(live, "nca", "agencies", live.settings("nca", {"nodes": [node]}), 6)
    assert len(said) == 1
    assert "CRITICAL" in said[0]
    key = which.removesuffix(".key")
    assert f"the arrangement's {key} key for 'gb-nca' is not in its keystore" in said[0]


async def test_a_broker_with_another_key(live: Live, tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    shutil.copytree(live.broker_tls, keys)
    (keys / "signing.key").write_bytes(SigningPair.generate().seeds())
    settings = live.settings("broker", {"keys": str(keys), "state": str(tmp_path / "state")})
    said = await refused(live, "broker", "broker", settings, 6)
    assert len(said) == 1
    assert "the arrangement's key for the broker in version 0 is not in its key folder" in said[0]


async def test_another_genesis(live: Live, tmp_path: Path) -> None:
    """Who pins another genesis believes nothing that the topic holds."""
    for module, content in (
        ("broker", {"keys": str(live.broker_tls), "state": str(tmp_path / "state"), "genesis": "00" * 32}),
        ("agencies", {"nodes": [live.node(NCA)], "genesis": "00" * 32}),
    ):
        said = await refused(live, module, module, live.settings(module, content), 6)
        assert len(said) == 1
        assert "CRITICAL" in said[0]
        assert "genesis" in said[0]


@pytest.mark.parametrize("missing", ["ca.pem", "tls.pem", "signing.key", "opening.key"])
async def test_a_missing_key(live: Live, tmp_path: Path, missing: str) -> None:
    for module, folder in (("agencies", live.tls(NCA)), ("broker", live.broker_tls)):
        if not (folder / missing).exists():
            continue
        keys = tmp_path / module
        shutil.copytree(folder, keys)
        (keys / missing).unlink()
        content: dict[str, object] = {"nodes": [live.node(NCA) | {"keys": str(keys)}]}
        if module == "broker":
            content = {"keys": str(keys), "state": str(tmp_path / "state")}
        said = await refused(live, module, module, live.settings(module, content), 2)
        assert len(said) == 1
        assert str(keys) in said[0]
        assert "No such file" in said[0] or f"no '{missing}'" in said[0]


Settings = dict[str, object]
_BROKER: Settings = {"bootstrap": "127.0.0.1:1", "keys": "k", "state": "s", "genesis": "00" * 32}
_HOST: Settings = {
    "bootstrap": "127.0.0.1:1",
    "genesis": "00" * 32,
    "nodes": [{"agency": "gb-nca", "keys": "k", "store": "sqlite://"}],
}


def nodes(**changes: object) -> Settings:
    return {"nodes": [{"agency": "gb-nca", "keys": "k", "store": "sqlite://"} | changes]}


@pytest.mark.parametrize(
    "module, good, change, field, expected",
    [
        ("broker", _BROKER, {"genesis": "abc"}, "genesis", "^[0-9a-f]{64}$"),
        ("broker", _BROKER, {"bootstrap": "nowhere"}, "bootstrap", "match pattern"),
        ("broker", _BROKER, {"shard": -1}, "shard", "greater than or equal to 0"),
        ("broker", _BROKER, {"opening_key": "x"}, "opening_key", "Extra inputs"),
        ("broker", _BROKER, {"keys": None}, "keys", "path"),
        ("agencies", _HOST, {"nodes": []}, "nodes", "at least 1 item"),
        ("agencies", _HOST, nodes(agency="GB NCA"), "nodes.0.agency", "match pattern"),
        ("agencies", _HOST, nodes(plan={"seed": 1, "records": -1}), "nodes.0.plan.records", "greater than"),
        ("agencies", _HOST, nodes(plan={"seed": "x", "records": 1}), "nodes.0.plan.seed", "integer"),
        ("agencies", _HOST, nodes(extra=1), "nodes.0.extra", "Extra inputs"),
    ],
)
async def test_settings_with_an_error(
    tmp_path: Path, module: str, good: Settings, change: Settings, field: str, expected: str
) -> None:
    said = await settings_refused(tmp_path, module, json.dumps(good | change))
    assert len(said) == 1
    assert said[0].startswith(f"{tmp_path / 'settings.json'}: {field}: ")
    assert expected in said[0]


@pytest.mark.parametrize("module", ["broker", "agencies"])
async def test_settings_that_cannot_be_read(tmp_path: Path, module: str) -> None:
    said = await settings_refused(tmp_path, module, '{\n  "bootstrap": \n}')
    assert len(said) == 1
    assert "settings.json: file: Invalid JSON" in said[0]
    assert "line 3" in said[0]
    said = await settings_refused(tmp_path, module, "{}")
    assert len(said) >= 3  # one line a field that is missing
    assert all("Field required" in line for line in said)
    said = await settings_refused(tmp_path, module, None)
    assert len(said) == 1
    assert "No such file" in said[0]


async def settings_refused(folder: Path, module: str, text: str | None) -> list[str]:
    """What the service says of the settings, one line a fault; it must end with code 2."""
    settings = folder / "settings.json"
    settings.unlink(missing_ok=True)
    if text is not None:
        settings.write_text(text)
    child = Child.start(module, [sys.executable, "-P", "-m", module, settings], log=folder / f"{module}.log")
    assert await child.wait(60) == 2
    return child.said().splitlines()
