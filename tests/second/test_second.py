"""The second reader over the committed vectors: it opens every good one, and refuses every bad one in its class."""

import ast
import json
from base64 import b64decode
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.second.checkpoint import verify_checkpoint
from tests.second.hashing import PREFIX, Hashing, Refusal, tree_root
from tests.second.history import Version, follow, genesis
from tests.second.reader import OpeningKey, Reader
from tests.second.tables import parse
from tests.second.window import verify_window

HERE = Path(__file__).parent
VECTORS = HERE.parent / "vectors"
#: What only a lane's past, or the audience, can show: a window that holds all the same.
NEEDS_A_LANE = {
    "originator_not_active",
    "sequence_reused",
    "sequence_passed",
    "unknown_arrangement_version",
    "label_not_in_arrangement",
    "incomplete_label",
    "expired",
    "unknown_capsule",
    "audience_mismatch",
    "bad_revision",
    "equivocation",
}


def files(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (VECTORS / folder).glob("*.json"))


def name(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


def load(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


@cache
def federation() -> tuple[Version, dict[str, OpeningKey]]:
    content = load(VECTORS / "federation.json")
    version = genesis(b64decode(content["genesis"]), bytes.fromhex(content["genesis_digest"]))
    return version, {a: OpeningKey(b64decode(k["opening"])) for a, k in content["agencies"].items()}


def value(message: dict[str, Any]) -> bytes:
    return b64decode(message["base64"]) + bytes(message["zeros"])


def test_it_uses_none_of_the_code_that_it_checks() -> None:
    ours = {"schemas", "agencies", "broker", "deploy"}
    for path in [*HERE.glob("*.py"), HERE.parent / "support" / "page.py"]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for found in names:
                assert found.partition(".")[0] not in ours, path
                assert not found.startswith("tests") or found.startswith(("tests.second", "tests.support"))


@pytest.mark.parametrize(
    "path", files("deliveries", "unopened", "certificates", "rounds", "receipts"), ids=name
)
def test_a_delivery(path: Path) -> None:
    vector = load(path)
    version, keys = federation()
    reader = Reader(vector["agency"], version, keys[vector["agency"]])
    for message in vector["messages"]:
        reader.read(value(message), message["bare"])
    expects, out = vector["expects"], reader.out
    assert out.stored == expects["stored"]
    assert out.quarantine == expects["quarantine"]
    assert out.alarms == expects["alarms"]
    assert out.receipts == expects["receipts"]
    assert {lane: [n, d.hex()] for lane, (n, d) in reader.chains.items()} == expects["chains"]
    fails = vector.get("class")
    assert set(out.classes) == ({fails} if fails not in (None, "chain") else set())


@pytest.mark.parametrize("path", files("submissions", "refused"), ids=name)
def test_a_window(path: Path) -> None:
    vector = load(path)
    version, _ = federation()
    windows = [
        verify_window(value(m), m["bare"], vector["agency"], version, m["append_ms"])
        for m in vector["messages"]
    ]
    refused = [(fails, reason) for window in windows for _, fails, reason in window.refused]
    reason = vector.get("reason")
    assert refused == ([] if reason is None or reason in NEEDS_A_LANE else [(vector["class"], reason)])
    for leaf in vector["expects"]["ledger"]:
        if leaf["leaf"] == "admitted":
            (record,) = (r for r in windows[leaf["offset"]].records if r["sequence"] == leaf["sequence"])
            assert (record["revision"], record["portions"]) == (leaf["revision"], list(leaf["portions"]))
        if leaf["leaf"] == "control":
            assert leaf["to"] in [receipt["lane"] for receipt in windows[leaf["offset"]].receipts]


def test_a_bad_window_is_refused_here_or_holds_for_a_known_reason() -> None:
    reasons = {load(path)["reason"] for path in files("refused")}
    assert reasons > NEEDS_A_LANE


@pytest.mark.parametrize("path", files("arrangement"), ids=name)
def test_a_history(path: Path) -> None:
    vector = load(path)
    messages = []
    for text in vector["messages"]:
        source = load(path.parent / text)["messages"][0] if text.endswith(".json") else text
        messages.append(b64decode(source))
    found = list(follow(bytes.fromhex(vector["genesis_digest"]), messages))
    held = [each for each in found if not isinstance(each, str)]
    assert [
        {"number": version.body["number"], "digest": version.digest.hex(), "clock": clock}
        for version, clock in held
    ] == vector["expects"]["standings"]
    assert found[len(held) :] == ([vector["class"]] if "class" in vector else [])


@pytest.mark.parametrize("path", files("checkpoints"), ids=name)
def test_a_checkpoint(path: Path) -> None:
    vector = load(path)
    entry = b64decode(vector["entry"])
    try:
        found = verify_checkpoint(entry, vector["agency"], federation()[0])
    except Refusal as refusal:
        found = {"refused": refusal.reason}
    assert found == vector["expects"]


@pytest.mark.parametrize("path", files("ledgers"), ids=name)
def test_a_ledger(path: Path) -> None:
    vector = load(path)
    hashing: Hashing = federation()[0].hashing
    leaves: list[bytes] = []
    kinds: list[str | None] = []
    rulings: set[bytes] = set()
    for data in map(b64decode, vector["parcels"]):
        assert data[:8] == PREFIX
        parcel = parse(data[8:], "Parcel")
        assert parcel["first"] == len(leaves)
        for entry in (parse(e, "LeafEntry", "RulingEntry") for e in parcel["entries"]):
            if entry.tag == "ruling":
                parse(entry["ruling"], "Ruling")
                rulings.add(hashing.hash("ruling", entry["ruling"]))
                continue
            leaf = parse(entry["leaf"], *LEAVES)
            assert leaf["number"] == len(leaves)
            assert {portion["ruling"] for portion in leaf.get("portions", ())} <= rulings
            leaves.append(hashing.leaf("ledger_leaf", entry["leaf"]))
            kinds.append(leaf.tag)
    assert {"leaves": kinds, "root": tree_root(leaves).hex()} == vector["expects"]


LEAVES = ("Admitted", "Quarantined", "Duplicate", "Gap", "Activation", "ControlNoted")
