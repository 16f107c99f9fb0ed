"""A run with a process for each node, and the audit of a run that is over: from its data alone, and of a forged one."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio

from broker.kafka import Connection
from broker.step import claim, restore
from deploy.ceremony import Ceremony, read_ceremony
from deploy.kafka.cluster import Cluster
from deploy.stage.evidence import read_ledger
from deploy.stage.run import Run
from schemas.envelope import DeliveryEntry, parse_deliver_entry
from schemas.frames import Parcel, pack_parcel, parse_parcel
from schemas.ledger import LeafEntry, Quarantined, entry_bytes, leaf_bytes
from schemas.topics import deliver_topic, lanes_topic, ledger_topic
from schemas.transport import client_context
from schemas.verdicts import Refused
from tests.integration.live import NCA, OLTIM, PDS, read_topic, writing

RECORDS = 60
_LIMIT = 900.0


def entente(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    """The command as a person types it, in a process of its own."""
    line = [sys.executable, "-P", "-m", "deploy.cli", *map(str, arguments)]
    return subprocess.run(
        line,
        capture_output=True,
        text=True,
        timeout=_LIMIT,
        check=False,
        env={**os.environ, "COLUMNS": "200"},
    )


@pytest_asyncio.fixture(scope="module")
async def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with `--isolate`, over and stopped."""
    folder = tmp_path_factory.mktemp("isolated") / "run"
    result_file = folder.parent / "out.json"
    result = entente(
        "demo", "--headless", "--isolate", "--records", str(RECORDS), "--rate", "0", "--seed", "3",
        "--folder", folder, "--json", result_file,
    )  # fmt: skip
    assert result.returncode == 0, result.stdout + result.stderr
    return folder


async def test_a_process_for_each_node(finished: Path) -> None:
    report = json.loads((finished.parent / "out.json").read_text())
    agencies = sorted(path.name for path in (finished / "agencies").iterdir())
    assert sorted(path.stem for path in (finished / "logs").glob("node*.log")) == [
        f"node-{a}" for a in agencies
    ]
    assert report["published"] == RECORDS
    assert report["pairs"] == RECORDS * (len(agencies) - 1)
    assert report["pairs"] == report["delivered"] + report["withheld"] + report["quarantined"]
    assert report["delivered"] > 0
    assert (report["lost"], report["duplicates"], report["out_of_order"], report["in_flight"]) == (0, 0, 0, 0)
    assert report["ledger_roots_equal_on_replay"] is True
    assert all(e["held"] for e in report["expectations"])
    for agency in agencies:  # each host was told of its own node, store and keys, and of no other
        settings = (finished / f"node-{agency}.json").read_text()
        assert [a for a in agencies if a in settings] == [agency]


async def test_the_audit_of_a_run_that_is_over(finished: Path) -> None:
    result = entente("ledger", "audit", finished)
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.count("equal") == 5
    assert "DIFFERS" not in result.stdout
    [first, second] = [
        json.loads(entente("ledger", "audit", finished, "--json", "--seed", s).stdout) for s in "12"
    ]
    assert first == second  # whatever the cuts
    assert all(lane["equal"] for lane in first)
    assert sum(lane["leaves"] for lane in first) > RECORDS


def _delivers(value: bytes) -> bool:
    entries = map(parse_deliver_entry, parse_parcel(value).entries)
    return any(isinstance(entry, DeliveryEntry) for entry in entries)


class Forger:
    """A copy of a run whose cluster is up again, and the rights of its administrator."""

    def __init__(self, folder: Path, cluster: Cluster) -> None:
        self.bootstrap, self.tls = cluster.bootstrap, cluster.admin_tls
        self.ceremony: Ceremony = read_ceremony(folder)
        self.prefix = Run.open(folder).record.prefix

    async def write(self, topic: str, value: bytes, key: bytes | None = None) -> None:
        async with writing(self.bootstrap, self.tls) as producer:
            await producer.send_and_wait(topic, value, key=key, partition=0)

    async def forged_leaf(self) -> None:
        """A refusal that never happened, at the end of a ledger."""
        connection = Connection(self.bootstrap, client_context(self.tls))
        ledger = await read_ledger(connection, self.ceremony.arrangement.domains, NCA, self.prefix)
        number = len(ledger.leaves)
        leaf = Quarantined(number, 1, 0, None, None, Refused.MALFORMED, b"", b"", ())
        await self.append(ledger_topic(NCA, self.prefix), number, entry_bytes(LeafEntry(leaf_bytes(leaf))))

    async def append(self, topic: str, number: int, entry: bytes) -> None:
        await self.write(topic, pack_parcel(Parcel(number, (), (), (entry,))))

    async def altered_state(self) -> None:
        """A lane's state that names one leaf less."""
        topic = lanes_topic(0, self.prefix)
        found = await read_topic(self.bootstrap, self.tls, topic)
        state = restore([(m.key or b"", m.value) for m in found])[OLTIM].state
        key, value = claim(OLTIM, msgspec.structs.replace(state, next_offset=state.next_offset - 1))
        await self.write(topic, value, key)

    async def repeated_delivery(self) -> None:
        """A delivery that was made twice."""
        topic = deliver_topic(PDS, self.prefix)
        found = await read_topic(self.bootstrap, self.tls, topic)
        first = next(m.value for m in found if _delivers(m.value))  # a round alone delivers nothing
        await self.write(topic, first)


@pytest.mark.parametrize(
    "forgery, lane, told",
    [
        ("forged_leaf", "gb-nca", "ledger: "),
        ("altered_state", "fr-oltim", "root: "),
        ("repeated_delivery", None, "certificates to 'it-pds'"),
    ],
)
async def test_the_audit_finds_a_forgery(
    finished: Path, tmp_path: Path, forgery: str, lane: str | None, told: str
) -> None:
    copy = tmp_path / "run"
    shutil.copytree(finished, copy)
    async with Cluster(copy / "cluster", None) as cluster:
        await getattr(Forger(copy, cluster), forgery)()
    result = entente("ledger", "audit", copy)
    assert result.returncode == 1, result.stdout + result.stderr
    assert "DIFFERS" in result.stdout
    differing = {line.split(":")[0] for line in result.stdout.splitlines() if told in line}
    assert differing
    assert lane is None or differing == {lane}
