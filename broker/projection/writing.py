"""From a ledger message to rows, in the caller's transaction. The same rows whatever the cuts between messages.

- A leaf's number must be the next one, and its place in the tree follows: what is repeated is dropped by number, and a
  hole raises, since a ledger has none.
- Each pair's outcome is what the leaf and its ruling say (`broker.index.outcomes`); nothing is decided here.
"""

import json
from collections.abc import Callable, Mapping

import msgspec
from sqlalchemy import Connection, func, insert, select, update

from broker.errors import BrokerError
from broker.index import outcomes
from broker.projection.database import insert_new
from broker.projection.tables import (
    checkpoints,
    decisions,
    entries,
    events,
    lanes,
    metadata,
    nodes,
    positions,
    receipts,
    rules,
    rulings,
    verdicts,
    written,
)
from schemas.canonical import Domains
from schemas.controls import ControlCode, parse_receipt
from schemas.frames import parse_parcel
from schemas.ids import AgencyId, Digest
from schemas.ledger import (
    Activation,
    Admitted,
    CheckpointEntry,
    ControlNoted,
    Leaf,
    LeafEntry,
    Quarantined,
    RulingEntry,
    ledger_leaf_hash,
    parse_leaf,
    parse_ledger_entry,
)
from schemas.merkle import EMPTY_FRONTIER, Frontier, node_hash
from schemas.rulings import Ruling, parse_ruling, ruling_digest

#: Of a version, each rule's reason and legal basis. Raises: `LookupError` for one that is not read yet.
RulesOf = Callable[[Digest], Mapping[str, tuple[str, str]]]

_Row = dict[str, object]
_encode = msgspec.msgpack.Encoder().encode
_frontier = msgspec.msgpack.Decoder(Frontier)


class Moved(BrokerError):
    """Another process writes this projection."""

    retriable = True


def read_frontier(connection: Connection, lane: AgencyId) -> Frontier:
    """The lane's tree as it is projected."""
    data = connection.scalar(select(lanes.c.frontier).where(lanes.c.lane == lane))
    return EMPTY_FRONTIER if data is None else _frontier.decode(bytes(data))


def read_position(connection: Connection, topic: str) -> int:
    """The next offset to read."""
    return int(connection.scalar(select(positions.c.offset).where(positions.c.topic == topic)) or 0)


def write_message(
    connection: Connection,
    domains: Domains,
    lane: AgencyId,
    topic: str,
    offset: int,
    value: bytes,
    rules_of: RulesOf,
) -> None:
    """Rows and position of one message; nothing if it was taken in before. Raises: `BrokerError`, `LookupError`."""
    before = read_position(connection, topic)
    if offset < before:
        return
    rows = _Rows(domains, lane, read_frontier(connection, lane), _known(connection), rules_of)
    parcel = parse_parcel(value)
    number = parcel.first
    for data in parcel.entries:
        entry = parse_ledger_entry(data)
        match entry:
            case LeafEntry():
                rows.leaf(number, entry.leaf)
                number += 1
            case RulingEntry():
                rows.ruling(entry.ruling)
            case CheckpointEntry():
                _checkpoint(connection, lane, entry)
    rows.write(connection)
    connection.execute(insert_new(connection, positions), {"topic": topic, "offset": 0})
    moved = connection.execute(
        update(positions)
        .where(positions.c.topic == topic, positions.c.offset == before)
        .values(offset=offset + 1)
    )
    if moved.rowcount != 1:  # compare-and-set: somebody else took it in meanwhile
        raise Moved(f"the projection of '{topic}' is not at {before} any more")


def _checkpoint(connection: Connection, lane: AgencyId, entry: CheckpointEntry) -> None:
    """It bears no number: one that was taken in before is known by its bytes."""
    mine = checkpoints.c.lane == lane
    number = connection.scalar(select(func.count()).select_from(checkpoints).where(mine)) or 0
    row = {"lane": lane, "number": number, "note": entry.note, "path": entry.path, "seal": entry.seal}
    known = select(checkpoints.c.number).where(mine, checkpoints.c.note == entry.note)
    if connection.scalar(known) is None:
        connection.execute(insert(checkpoints), row)


def clear(connection: Connection) -> None:
    """Throw all rows away."""
    for table in metadata.sorted_tables:
        connection.execute(table.delete())


def _known(connection: Connection) -> Callable[[Digest], Ruling]:
    def ruling(digest: Digest) -> Ruling:
        data = connection.scalar(select(rulings.c.ruling).where(rulings.c.digest == digest))
        if data is None:
            raise BrokerError(f"a ledger leaf names ruling {digest.hex()[:16]}, which was never written")
        return parse_ruling(bytes(data))

    return ruling


class _Rows:
    """Rows by table, collected over a message so that each table is written once."""

    def __init__(
        self,
        domains: Domains,
        lane: AgencyId,
        frontier: Frontier,
        known: Callable[[Digest], Ruling],
        rules_of: RulesOf,
    ) -> None:
        self._domains = domains
        self._lane = lane
        self._frontier = frontier
        self._known = known
        self._rules_of = rules_of
        self._rulings: dict[Digest, Ruling] = {}
        self._new: dict[str, list[_Row]] = {t.name: [] for t in (entries, nodes, events, decisions, receipts)}
        self._once: dict[str, list[_Row]] = {t.name: [] for t in (rulings, written, verdicts, rules)}

    def ruling(self, data: bytes) -> None:
        digest, ruling = ruling_digest(self._domains, data), parse_ruling(data)
        self._rulings[digest] = ruling
        self._once["rulings"].append({"digest": digest, "ruling": data})
        self._once["written"].append({"lane": self._lane, "ruling": digest})
        self._once["verdicts"] += (
            {
                "ruling": digest,
                "recipient": v.recipient,
                "barred": v.barred,
                "effect": v.effect,
                "rules": json.dumps(v.rules),
            }
            for v in ruling.verdicts
        )

    def leaf(self, number: int, data: bytes) -> None:
        if number < self._frontier.size:
            return
        if number > self._frontier.size:
            raise BrokerError(
                f"ledger of '{self._lane}' has leaf {number} after {self._frontier.size} leaves"
            )
        leaf, digest = parse_leaf(data), ledger_leaf_hash(self._domains, data)
        self._grow(digest)
        self._new["entries"].append(
            {
                "lane": self._lane,
                "number": number,
                "kind": str(leaf.__struct_config__.tag),
                "at_ms": None if isinstance(leaf, Activation) else leaf.at_ms,
                "leaf": data,
                "hash": digest,
            }
        )
        self._what(leaf)

    def _grow(self, digest: Digest) -> None:
        """The perfect subtrees that this leaf completes (RFC 6962 2.1), leaves themselves apart."""
        peaks, size, node, level = list(self._frontier.peaks), self._frontier.size, bytes(digest), 0
        while size & 1:
            node, size, level = node_hash(peaks.pop(), node), size >> 1, level + 1
            self._new["nodes"].append({"lane": self._lane, "level": level, "place": size, "hash": node})
        self._frontier = Frontier(self._frontier.size + 1, (*peaks, node))

    def _what(self, leaf: Leaf) -> None:
        match leaf:
            case Admitted():
                self._event(leaf, None)
                self._decided(leaf)
            case Quarantined():
                self._event(leaf, leaf.reason)
            case ControlNoted() if leaf.code == ControlCode.RECEIPT:
                receipt = parse_receipt(leaf.body)
                self._new["receipts"].append(
                    {
                        "recipient": self._lane,
                        "number": leaf.number,
                        "lane": receipt.lane,
                        "after": receipt.after,
                        "upto": receipt.upto,
                        "exceptions": json.dumps([[e.number, e.reason] for e in receipt.exceptions]),
                        "at_ms": leaf.at_ms,
                    }
                )
            case Activation():
                self._once["rules"] += (
                    {"arrangement": leaf.arrangement, "rule": rule, "reason": reason, "legal_basis": basis}
                    for rule, (reason, basis) in self._rules_of(Digest(leaf.arrangement)).items()
                )
            case _:
                pass

    def _event(self, leaf: Admitted | Quarantined, reason: str | None) -> None:
        self._new["events"].append(
            {
                "lane": self._lane,
                "number": leaf.number,
                "at_ms": leaf.at_ms,
                "record_id": leaf.record_id,
                "manifest": leaf.manifest,
                "reason": reason,
            }
        )

    def _decided(self, leaf: Admitted) -> None:
        active = set(leaf.active)
        for portion in leaf.portions:
            digest = Digest(portion.ruling)
            if digest not in self._rulings:
                self._rulings[digest] = self._known(digest)
            self._new["decisions"] += (
                {
                    "lane": self._lane,
                    "number": leaf.number,
                    "portion": portion.name,
                    "recipient": verdict.recipient,
                    "released": why is None,
                    "reason": why,
                    "ruling": digest,
                }
                for verdict, why in outcomes(portion, self._rulings[digest])
                if verdict.recipient in active
            )

    def write(self, connection: Connection) -> None:
        for name, new in self._once.items():
            if new:
                connection.execute(insert_new(connection, metadata.tables[name]), new)
        for name, new in self._new.items():
            if new:
                connection.execute(insert(metadata.tables[name]), new)
        fresh = {"lane": self._lane, "frontier": _encode(EMPTY_FRONTIER)}
        connection.execute(insert_new(connection, lanes), fresh)
        connection.execute(
            update(lanes).where(lanes.c.lane == self._lane).values(frontier=_encode(self._frontier))
        )
