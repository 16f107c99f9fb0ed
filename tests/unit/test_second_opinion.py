"""Two readers of one page: of bytes that nobody foresaw, ours and the second say the same, reason by reason."""

import json
import random
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest

from schemas.ids import AgencyId
from tests.second.reader import Reader
from tests.second.test_second import federation
from tests.second.window import verify_window
from tests.support.forge import flip
from tests.vectors.keys import FOLDER, read_keys
from tests.vectors.outcome import Message, admitted, opened
from tests.vectors.scenes import GB

_TIMES = 150


def messages(path: Path) -> tuple[AgencyId, list[bytes]]:
    vector: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return vector["agency"], [b64decode(m["base64"]) for m in vector["messages"]]


def touched(values: list[bytes], source: random.Random) -> list[bytes]:
    """One message changed in one place: a bit flipped, a byte set, a piece cut out or doubled."""
    which = source.randrange(len(values))
    data = values[which]
    at = source.randrange(len(data))
    match source.randrange(5):
        case 0 | 1:
            changed = flip(data, 8 * at + source.randrange(8))
        case 2:
            changed = (
                data[:at]
                + bytes([source.choice((0x00, 0x7F, 0x90, 0xC0, 0xC1, 0xCC, 0xFF))])
                + data[at + 1 :]
            )
        case 3:
            changed = data[:at] + data[at + source.randrange(1, 40) :]
        case _:
            changed = data[:at] + data[max(0, at - source.randrange(1, 40)) :]
    return [*values[:which], changed, *values[which + 1 :]]


@pytest.mark.parametrize(
    "name",
    [
        "deliveries/one_record",
        "deliveries/window",
        "certificates/chain",
        "certificates/missing_parcel",
        "receipts/exceptions",
    ],
)
def test_of_a_touched_delivery(name: str) -> None:
    agency, good = messages(FOLDER / f"{name}.json")
    source, seen = random.Random(name), set()
    version, keys = federation()
    for _ in range(_TIMES):
        values = touched(good, source)
        reader = Reader(agency, version, keys[agency])
        for value in values:
            reader.read(value, True)
        ours = opened(read_keys(), agency, [Message(value) for value in values])
        out = reader.out
        assert {
            "stored": out.stored,
            "quarantine": out.quarantine,
            "alarms": out.alarms,
            "receipts": out.receipts,
            "chains": {lane: [n, d.hex()] for lane, (n, d) in sorted(reader.chains.items())},
        } == ours
        seen |= {bad["reason"] for bad in ours["quarantine"]}
    assert len(seen) > 1


@pytest.mark.parametrize("name", ["one_record", "three_portions", "window"])
def test_of_a_touched_window(name: str) -> None:
    _, good = messages(FOLDER / "submissions" / f"{name}.json")
    source, seen = random.Random(name), set()
    version, _ = federation()
    for _ in range(_TIMES):
        (value,) = touched(good, source)
        message = Message(value)
        window = verify_window(value, True, GB, version, message.append_ms)
        theirs = {(entry, reason) for entry, _, reason in window.refused}
        leaves = admitted(read_keys(), GB, [message], True)["ledger"]
        ours = {(leaf["entry"], leaf["reason"]) for leaf in leaves if leaf["leaf"] == "quarantined"}
        if any(fails == "message" for _, fails, _ in window.refused):
            assert {reason for _, reason in theirs} == {reason for _, reason in ours}
        else:
            # What was verified alone may still be refused by what only the lane knows.
            assert theirs <= ours
            assert {r for _, r in ours - theirs} <= {"unknown_capsule"}
        seen |= {reason for _, reason in ours}
    assert len(seen) > 2
