"""What a vector's messages come to, as plain values that stand in its file."""

import json
from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agencies.judging import Delivered, Judged
from agencies.sealing import content_bytes
from broker.admission import SourceMessage
from broker.index import MemoryIndex
from broker.lane import Lane, fold
from schemas.arrangement import ArrangementError
from schemas.checkpoint import BadCheckpoint, CheckpointVerifier, SealedNote
from schemas.history import History
from schemas.ids import AgencyId, Digest, record_text
from schemas.ledger import (
    Activation,
    Admitted,
    CheckpointEntry,
    ControlNoted,
    Gap,
    Leaf,
    Quarantined,
    parse_ledger_entry,
)
from tests.support.federation import NOW_MS, commit, leaves
from tests.support.members import Members

#: JSON, as a file has it.
Outcome = dict[str, Any]


@dataclass(frozen=True)
class Message:
    """One Kafka message of a vector. `zeros`: how many zero bytes follow, so that a large message is a short file."""

    value: bytes
    append_ms: int = NOW_MS + 1000
    bare: bool = True
    zeros: int = 0

    def to_json(self) -> Outcome:
        text = b64encode(self.value).decode()
        return {"append_ms": self.append_ms, "bare": self.bare, "base64": text, "zeros": self.zeros}

    @classmethod
    def from_json(cls, data: Outcome) -> "Message":
        return cls(b64decode(data["base64"]), data["append_ms"], data["bare"], data["zeros"])

    @property
    def delivered(self) -> Delivered:
        """As a recipient reads it."""
        return Delivered(0, 0, self.bytes, self.bare)

    @property
    def bytes(self) -> bytes:
        return self.value + bytes(self.zeros)


def admitted(members: Members, originator: AgencyId, messages: Sequence[Message], at_once: bool) -> Outcome:
    """The lane's ledger and chains. `at_once`: all messages in one fold, or each in its own."""
    lane = members.lane(originator)
    source = [SourceMessage(i, m.append_ms, m.bytes, m.bare) for i, m in enumerate(messages)]
    found: list[Leaf] = []
    for batch in [source] if at_once else [[m] for m in source]:
        folded = fold(lane, batch, members.versions)
        commit(lane, folded)
        found += leaves(folded)
    return {
        "ledger": [_leaf(leaf, lane) for leaf in found],
        "root": lane.state.ledger.root().hex(),
        "heads": {r: [h.number, h.digest.hex()] for r, h in sorted(lane.heads.items())},
    }


def _leaf(leaf: Leaf, lane: Lane) -> Outcome:
    assert not isinstance(leaf, Activation)
    name = type(leaf).__name__.lower()
    out: Outcome = {"leaf": name, "offset": leaf.offset, "entry": leaf.entry}
    if isinstance(leaf, Quarantined):
        return out | {"reason": str(leaf.reason), "sequence": leaf.sequence}
    if isinstance(leaf, Gap):
        return out | {"first": leaf.first, "next": leaf.next}
    if isinstance(leaf, ControlNoted):
        return out | {"code": leaf.code, "to": leaf.to}
    out |= {"sequence": leaf.sequence}
    if isinstance(leaf, Admitted):
        assert isinstance(lane.index, MemoryIndex)
        holders = lane.index.received(leaf.record_id)
        out |= {
            "revision": leaf.revision,
            "record": record_text(leaf.record_id),
            "portions": {p.name: list(p.audience) for p in leaf.portions},
            "receivers": sorted(a for a, digest in holders.items() if digest == leaf.manifest),
        }
    return out


def opened(members: Members, recipient: AgencyId, messages: Sequence[Message]) -> Outcome:
    """What the recipient stores, puts into quarantine and is alarmed by."""
    judge = members.judge(recipient)
    judged = [judge.judge(Delivered(0, i, m.bytes, m.bare)) for i, m in enumerate(messages)]
    return {
        "stored": [row for j in judged for row in _stored(j)],
        "quarantine": [
            {
                "message": i,
                "entry": b.entry,
                "reason": str(b.reason),
                "number": b.number,
                "portion": b.portion,
            }
            for i, j in enumerate(judged)
            for b in j.bad
        ],
        "alarms": [str(alarm) for j in judged for alarm, _ in j.alarms],
        "receipts": [[r.recipient, r.receipt.after, r.receipt.upto] for j in judged for r in j.receipts],
        "chains": {lane: [h.number, h.digest.hex()] for lane, h in sorted(judge.chains.items())},
    }


def _stored(judged: Judged) -> list[Outcome]:
    return [
        {
            "originator": r.opened.manifest.originator,
            "record": record_text(r.opened.manifest.record_id),
            "number": r.number,
            "portions": {p.name: json.loads(content_bytes(p.content)) for p in r.opened.portions},
            "officers": {p.name: list(p.officers) for p in r.opened.portions if p.officers},
        }
        for r in judged.received
    ]


def checkpointed(members: Members, data: bytes) -> Outcome:
    """What a ledger's checkpoint says of the lane of GB, or why it is not believed."""
    entry = parse_ledger_entry(data)
    assert isinstance(entry, CheckpointEntry)
    try:
        point = CheckpointVerifier.of(members.arrangement).verify(
            "gb-nca", SealedNote(entry.note, entry.path, entry.seal)
        )
    except BadCheckpoint as error:
        return {"refused": str(error.reason)}
    return {"size": point.size, "root": point.root.hex(), "at_ms": point.at_ms}


def history(vector: Outcome) -> list[bytes]:
    """The messages of an arrangement's vector; the name of another vector stands for its only message."""
    out = []
    for text in vector["messages"]:
        if text.endswith(".json"):
            path = Path(__file__).parent / "arrangement" / text
            (text,) = json.loads(path.read_text(encoding="utf-8"))["messages"]
        out.append(b64decode(text))
    return out


def believed(genesis: Digest, messages: Sequence[bytes]) -> Outcome:
    """What holds after each message that is believed, and what is said of each that is not."""
    found = History(genesis)
    refused = []
    for i, data in enumerate(messages):
        try:
            found.read(data)
        except ArrangementError as error:
            refused.append({"message": i, "says": str(error)})
    return {
        "standings": [
            {
                "number": s.arrangement.body.number,
                "digest": s.arrangement.digest.hex(),
                "clock": [[p.begins_ms, p.start_ms, p.speed_ppm] for p in s.clock.pieces],
            }
            for s in found.standings
        ],
        "refused": refused,
    }
