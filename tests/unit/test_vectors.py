"""The committed vectors, through the fold and through a recipient's judge: verdict, reason, rows, byte-exact roots."""

import json
from base64 import b64decode
from pathlib import Path
from typing import get_args

import pytest

from schemas.checkpoint import BadNote
from schemas.frames import parse_parcel
from schemas.ids import Digest
from schemas.ledger import Leaf, LeafEntry, ledger_leaf_hash, parse_leaf, parse_ledger_entry
from schemas.merkle import EMPTY_FRONTIER
from schemas.verdicts import Refused, Unopened
from tests.vectors.keys import FOLDER, read_keys
from tests.vectors.outcome import Message, Outcome, admitted, believed, checkpointed, history, opened
from tests.vectors.scenes import GB, Fails


def _files(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (FOLDER / folder).glob("*.json"))


def _name(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


def _read(path: Path) -> tuple[Outcome, list[Message]]:
    vector: Outcome = json.loads(path.read_text(encoding="utf-8"))
    return vector, [Message.from_json(m) for m in vector["messages"]]


@pytest.mark.parametrize("at_once", [True, False], ids=["one-batch", "a-batch-a-message"])
@pytest.mark.parametrize("path", _files("submissions", "refused"), ids=_name)
def test_a_submission_comes_to_its_ledger(path: Path, at_once: bool) -> None:
    vector, messages = _read(path)
    assert admitted(read_keys(), vector["agency"], messages, at_once) == vector["expects"]


@pytest.mark.parametrize(
    "path", _files("deliveries", "unopened", "certificates", "rounds", "receipts"), ids=_name
)
def test_a_delivery_comes_to_its_rows(path: Path) -> None:
    vector, messages = _read(path)
    assert opened(read_keys(), vector["agency"], messages) == vector["expects"]


@pytest.mark.parametrize("path", _files("refused"), ids=_name)
def test_the_last_leaf_bears_the_reason_of_the_file(path: Path) -> None:
    vector, _ = _read(path)
    last = vector["expects"]["ledger"][-1]
    assert (last["leaf"], last["reason"]) == ("quarantined", vector["reason"])
    assert vector["reason"] == path.stem


@pytest.mark.parametrize("path", _files("unopened"), ids=_name)
def test_nothing_is_stored_and_the_quarantine_bears_the_reason_of_the_file(path: Path) -> None:
    vector, _ = _read(path)
    assert [bad["reason"] for bad in vector["expects"]["quarantine"]] == [vector["reason"]]
    assert vector["expects"]["stored"] == []
    assert vector["reason"] == path.stem


@pytest.mark.parametrize("path", _files("certificates"), ids=_name)
def test_a_chain_that_is_not_whole_is_an_alarm(path: Path) -> None:
    vector, _ = _read(path)
    expects = vector["expects"]
    assert bool(expects["alarms"]) is ("class" in vector)
    assert bool(expects["quarantine"]) is (vector.get("class") == Fails.DELIVERY)
    if path.stem == "missing_entry":
        assert [row["number"] for row in expects["stored"]] == [None, 3, 4]


@pytest.mark.parametrize("path", _files("receipts"), ids=_name)
def test_a_receipt_is_taken_or_refused_for_its_reason(path: Path) -> None:
    vector, _ = _read(path)
    expects = vector["expects"]
    reasons = [bad["reason"] for bad in expects["quarantine"]]
    assert reasons == ([vector["reason"]] if "reason" in vector else [])
    assert bool(expects["receipts"]) is ("reason" not in vector)


@pytest.mark.parametrize("path", _files("arrangement"), ids=_name)
def test_a_history_of_the_arrangement_comes_to_its_standings(path: Path) -> None:
    vector = json.loads(path.read_text(encoding="utf-8"))
    messages = history(vector)
    expects = believed(Digest(bytes.fromhex(vector["genesis_digest"])), messages)
    assert expects == vector["expects"]
    last = len(messages) - 1
    assert [bad["message"] for bad in expects["refused"]] == ([last] if "class" in vector else [])


@pytest.mark.parametrize("path", _files("checkpoints"), ids=_name)
def test_a_checkpoint_is_believed_or_refused_for_its_reason(path: Path) -> None:
    vector = json.loads(path.read_text(encoding="utf-8"))
    expects = checkpointed(read_keys(), b64decode(vector["entry"]))
    assert expects == vector["expects"]
    assert expects.get("refused") == vector.get("reason")


def test_a_ledger_comes_to_its_leaves_and_root() -> None:
    vector = json.loads((FOLDER / "ledgers" / "every_leaf.json").read_text(encoding="utf-8"))
    tree, found, domains = EMPTY_FRONTIER, [], read_keys().domains
    for data in vector["parcels"]:
        parcel = parse_parcel(b64decode(data))
        assert parcel.first == tree.size
        for entry in map(parse_ledger_entry, parcel.entries):
            if isinstance(entry, LeafEntry):
                leaf = parse_leaf(entry.leaf)
                assert leaf.number == tree.size
                tree = tree.append(ledger_leaf_hash(domains, entry.leaf))
                found.append(type(leaf).__struct_config__.tag)
    assert {"leaves": found, "root": tree.root().hex()} == vector["expects"]
    assert set(found) == {kind.__struct_config__.tag for kind in get_args(Leaf)}


def test_every_reason_has_a_vector() -> None:
    assert {p.stem for p in _files("refused")} == {str(reason) for reason in Refused}
    assert {p.stem for p in _files("unopened")} == {str(reason) for reason in Unopened}
    notes = [json.loads(p.read_text(encoding="utf-8")) for p in _files("checkpoints")]
    assert {note["reason"] for note in notes if "reason" in note} == {str(reason) for reason in BadNote}


def test_a_bad_message_leaves_the_lane_open_for_a_good_one() -> None:
    _, good = _read(FOLDER / "submissions" / "one_record.json")
    used = {"sequence_reused", "sequence_passed", "equivocation"}  # these need good messages before them
    outside = {"originator_not_active", "signer_expired"}  # another agency's, and one of another time
    for path in _files("refused"):
        vector, bad = _read(path)
        if vector["reason"] in used | outside:
            continue
        last = admitted(read_keys(), GB, [*bad, *good], True)["ledger"][-1]
        # A refusal after the sequence was read uses the number up, so the good record with the same one is refused.
        numbered = vector["expects"]["ledger"][-1]["sequence"] is not None
        assert (last["leaf"] == "admitted") is not numbered, vector["reason"]
        if numbered:
            assert last["reason"] == "sequence_reused"
