"""The record index: what a lane's past says about sequences, records, receivers and rulings.

- A cache of the shard's own ledger topics: every row follows from a leaf and the rulings it names; nothing is in it
  that the ledger does not prove. A fold notes what it has decided, and would learn the same from what it writes.
- `MemoryIndex` serves tests, audits and the changes of a step that is not committed yet; `SqliteIndex` is the
  file that the worker keeps. Behind the lane's state it catches up from the ledger, ahead of it it is rebuilt.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import msgspec

from broker.errors import BrokerError
from schemas.certifying import shares_of
from schemas.ids import AgencyId, Digest
from schemas.ledger import (
    Admitted,
    CheckpointEntry,
    Leaf,
    LedgerEntry,
    LedgerPortion,
    Quarantined,
    RulingEntry,
    parse_leaf,
)
from schemas.rulings import Ruling, parse_ruling
from schemas.verdicts import Verdict, Withheld, outcome


class IndexMoved(BrokerError):
    """Another worker wrote to this index: it is not what this one's state rests on."""

    retriable = True


class Index(Protocol):
    """What a lane asks of its past."""

    def sequence(self, number: int) -> Digest | None:
        """Manifest digest seen under a sequence number."""
        ...

    def revision(self, record_id: bytes) -> tuple[int, Digest] | None:
        """Last admitted revision of a record and its manifest digest."""
        ...

    def received(self, record_id: bytes) -> dict[AgencyId, Digest]:
        """Manifest digest of the revision that each recipient holds."""
        ...

    def ruling(self, digest: Digest) -> bytes | None:
        """A ruling that the ledger has already."""
        ...


def outcomes(portion: LedgerPortion, ruling: Ruling) -> Iterator[tuple[Verdict, Withheld | None]]:
    """For each agency of the ruling: the verdict, and why the portion was withheld (None: it was released)."""
    still = set(portion.audience) - set(portion.departed)
    for verdict in ruling.verdicts:
        yield verdict, outcome(verdict, verdict.recipient in still)


class Held(NamedTuple):
    """A record's last revision, who received any of it, and what those hold who received an earlier one alone."""

    revision: int
    manifest: Digest
    receivers: Sequence[AgencyId]
    earlier: Mapping[AgencyId, Digest]

    @property
    def holders(self) -> dict[AgencyId, Digest]:
        """Manifest digest of the revision that each recipient holds."""
        return {**self.earlier, **dict.fromkeys(self.receivers, self.manifest)}


def receivers_of(leaf: Admitted, rulings: Mapping[Digest, Ruling]) -> list[AgencyId]:
    """Those to whom at least one portion was released, sorted."""
    return list(shares_of(leaf, rulings))


class MemoryIndex:
    """The index in memory, optionally as a layer over an older one."""

    def __init__(self, below: Index | None = None) -> None:
        self._below = below
        self.sequences: dict[int, Digest] = {}
        self.records: dict[bytes, Held] = {}
        self.rulings: dict[Digest, bytes] = {}

    def sequence(self, number: int) -> Digest | None:
        found = self.sequences.get(number)
        return self._below.sequence(number) if found is None and self._below else found

    def revision(self, record_id: bytes) -> tuple[int, Digest] | None:
        found = self.records.get(record_id)
        if found is None:
            return self._below.revision(record_id) if self._below else None
        return found.revision, found.manifest

    def received(self, record_id: bytes) -> dict[AgencyId, Digest]:
        found = self.records.get(record_id)
        if found is None:
            return self._below.received(record_id) if self._below else {}
        return found.holders

    def ruling(self, digest: Digest) -> bytes | None:
        found = self.rulings.get(digest)
        return self._below.ruling(digest) if found is None and self._below else found

    def learn(self, entry: LedgerEntry, digest: Digest | None = None) -> None:
        """Take in one ledger entry, in ledger order. `digest`: of a ruling entry."""
        if isinstance(entry, RulingEntry):
            assert digest is not None
            self.rulings[digest] = entry.ruling
            return
        if isinstance(entry, CheckpointEntry):
            return  # what the leaves come to, and nothing that they do not say
        leaf = parse_leaf(entry.leaf)
        rulings = {}
        for portion in leaf.portions if isinstance(leaf, Admitted) else ():
            data = self.ruling(Digest(portion.ruling))
            if data is None:
                raise LookupError(f"ledger leaf {leaf.number} names a ruling that was never written")
            rulings[Digest(portion.ruling)] = parse_ruling(data)
        self.note(leaf, receivers_of(leaf, rulings) if isinstance(leaf, Admitted) else ())

    def note(self, leaf: Leaf, receivers: Sequence[AgencyId]) -> None:
        """Take in a leaf. `receivers`: of an admitted one, those to whom anything was released, as `receivers_of`."""
        if isinstance(leaf, Admitted):
            manifest = Digest(leaf.manifest)
            self.sequences[leaf.sequence] = manifest
            before = {} if leaf.revision == 1 else self.received(leaf.record_id)
            earlier = {agency: digest for agency, digest in before.items() if agency not in receivers}
            self.records[leaf.record_id] = Held(leaf.revision, manifest, receivers, earlier)
        elif isinstance(leaf, Quarantined) and leaf.sequence is not None and leaf.manifest:
            self.sequences[leaf.sequence] = Digest(leaf.manifest)

    def rest_on(self, below: Index) -> None:
        """Lie over an index that has taken in, by now, what the one below had."""
        self._below = below

    def absorb(self, changes: "MemoryIndex") -> None:
        """Take in what a committed fold learnt on top of this index."""
        self.sequences.update(changes.sequences)
        self.rulings.update(changes.rulings)
        self.records.update(changes.records)


_encode = msgspec.msgpack.Encoder().encode
_earlier = msgspec.msgpack.Decoder(dict[AgencyId, Digest])

_SCHEMA = """
CREATE TABLE IF NOT EXISTS lanes (lane TEXT PRIMARY KEY, leaves INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS sequences (lane TEXT, number INTEGER, manifest BLOB NOT NULL,
    PRIMARY KEY (lane, number)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS records (lane TEXT, record_id BLOB, revision INTEGER NOT NULL, manifest BLOB NOT NULL,
    receivers TEXT NOT NULL, earlier BLOB NOT NULL, PRIMARY KEY (lane, record_id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS rulings (lane TEXT, digest BLOB, ruling BLOB NOT NULL,
    PRIMARY KEY (lane, digest)) WITHOUT ROWID;
"""
_TABLES = ("lanes", "sequences", "records", "rulings")
#: Of these tables; a file that has others is thrown away.
_VERSION = 1


class SqliteIndex:
    """The index of all lanes of a shard in one SQLite file. A cache: `synchronous` is off on purpose.

    A file that cannot be used, or that another process holds, is thrown away by the worker and built anew (`discard`).
    """

    def __init__(self, path: Path | str) -> None:
        # A step is folded in a thread of its own; the worker never does two things with the index at once
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=OFF")
        if (
            self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
            and self._version() != _VERSION
        ):
            raise sqlite3.DatabaseError(f"an index of version {self._version()}, not {_VERSION}")
        self._db.executescript(f"{_SCHEMA}PRAGMA user_version={_VERSION};")

    def close(self) -> None:
        self._db.close()

    def _version(self) -> int:
        return int(self._db.execute("PRAGMA user_version").fetchone()[0])

    @staticmethod
    def discard(path: Path) -> None:
        """Remove the file of an index, whoever holds it still."""
        for suffix in ("", "-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)

    def lane(self, lane: AgencyId) -> "LaneIndex":
        """The view of one lane."""
        return LaneIndex(self._db, lane)

    def leaves(self, lane: AgencyId) -> int:
        """How many of the lane's ledger leaves the index has taken in."""
        row = self._db.execute("SELECT leaves FROM lanes WHERE lane = ?", (lane,)).fetchone()
        return 0 if row is None else int(row[0])

    def forget(self, lane: AgencyId) -> None:
        """Drop a lane, to rebuild it from its ledger."""
        with self._transaction():
            for table in _TABLES:
                self._db.execute(f"DELETE FROM {table} WHERE lane = ?", (lane,))  # noqa: S608 - our own table names

    def store(self, changes: Iterable[tuple[AgencyId, int, int, MemoryIndex]]) -> None:
        """Write what a committed step, or a piece of the ledger, taught: (lane, leaves before, leaves after, changes).

        Raises: `IndexMoved`, with nothing written, if the file knows another number of leaves than `before`.
        """
        with self._transaction():
            for lane, before, leaves, delta in changes:
                if self.leaves(lane) != before:
                    raise IndexMoved(f"the index of '{lane}' has {self.leaves(lane)} leaves, not {before}")
                self._db.executemany(
                    "INSERT OR REPLACE INTO sequences VALUES (?,?,?)",
                    [(lane, n, d) for n, d in delta.sequences.items()],
                )
                self._db.executemany(
                    "INSERT OR REPLACE INTO records VALUES (?,?,?,?,?,?)",
                    [
                        (lane, r, one.revision, one.manifest, " ".join(one.receivers), _encode(one.earlier))
                        for r, one in delta.records.items()
                    ],
                )
                self._db.executemany(
                    "INSERT OR REPLACE INTO rulings VALUES (?,?,?)",
                    [(lane, d, data) for d, data in delta.rulings.items()],
                )
                self._db.execute("INSERT OR REPLACE INTO lanes VALUES (?,?)", (lane, leaves))

    def _transaction(self) -> sqlite3.Connection:
        self._db.execute("BEGIN IMMEDIATE")
        return self._db


class LaneIndex:
    """One lane of a `SqliteIndex`."""

    def __init__(self, db: sqlite3.Connection, lane: AgencyId) -> None:
        self._db = db
        self._lane = lane

    def sequence(self, number: int) -> Digest | None:
        row = self._db.execute(
            "SELECT manifest FROM sequences WHERE lane = ? AND number = ?", (self._lane, number)
        ).fetchone()
        return None if row is None else Digest(row[0])

    def revision(self, record_id: bytes) -> tuple[int, Digest] | None:
        row = self._db.execute(
            "SELECT revision, manifest FROM records WHERE lane = ? AND record_id = ?",
            (self._lane, record_id),
        ).fetchone()
        return None if row is None else (int(row[0]), Digest(row[1]))

    def received(self, record_id: bytes) -> dict[AgencyId, Digest]:
        row = self._db.execute(
            "SELECT revision, manifest, receivers, earlier FROM records WHERE lane = ? AND record_id = ?",
            (self._lane, record_id),
        ).fetchone()
        if row is None:
            return {}
        receivers = list(map(AgencyId, row[2].split()))
        return Held(int(row[0]), Digest(row[1]), receivers, _earlier.decode(row[3])).holders

    def ruling(self, digest: Digest) -> bytes | None:
        row = self._db.execute(
            "SELECT ruling FROM rulings WHERE lane = ? AND digest = ?", (self._lane, digest)
        ).fetchone()
        return None if row is None else bytes(row[0])
