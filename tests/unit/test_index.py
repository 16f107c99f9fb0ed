"""The record index on SQLite: a late writer changes nothing, and a spoilt file is thrown away."""

import sqlite3
from pathlib import Path

import pytest

from broker.index import Held, Index, IndexMoved, MemoryIndex, SqliteIndex
from schemas.ids import AgencyId, Digest
from schemas.ledger import Admitted

LANE = AgencyId("gb-nca")


def learnt(revision: int) -> MemoryIndex:
    delta = MemoryIndex()
    delta.records[b"r"] = Held(revision, digest(revision), (), {})
    return delta


def digest(revision: int) -> Digest:
    return Digest(bytes([revision]) * 32)


def revised(below: Index, revision: int, *receivers: AgencyId) -> MemoryIndex:
    """What a fold learns of a record's next revision."""
    leaf = Admitted(
        revision, 0, revision, 0, revision, revision, b"r" * 16, digest(revision), "debrief", 0, (), ()
    )
    delta = MemoryIndex(below)
    delta.note(leaf, receivers)
    return delta


def test_a_worker_that_wakes_up_late_does_not_turn_the_index_back(tmp_path: Path) -> None:
    path = tmp_path / "index.sqlite"
    stale, owner = SqliteIndex(path), SqliteIndex(path)
    stale.store([(LANE, 0, 1, learnt(1))])
    owner.store([(LANE, 1, 2, learnt(2))])
    owner.store([(LANE, 2, 3, learnt(3))])
    with pytest.raises(IndexMoved, match="has 3 leaves, not 1"):
        stale.store([(LANE, 1, 2, learnt(2))])
    assert owner.leaves(LANE) == 3
    assert owner.lane(LANE).revision(b"r") == (3, b"\3" * 32)
    stale.close()
    owner.close()


def test_all_lanes_of_a_step_are_kept_or_none(tmp_path: Path) -> None:
    index = SqliteIndex(tmp_path / "index.sqlite")
    other = AgencyId("it-pds")
    with pytest.raises(IndexMoved):
        index.store([(LANE, 0, 1, learnt(1)), (other, 5, 6, learnt(1))])
    assert index.leaves(LANE) == 0
    assert index.lane(LANE).revision(b"r") is None
    index.close()


def test_who_got_an_earlier_revision_alone_holds_that_one(tmp_path: Path) -> None:
    index, record = SqliteIndex(tmp_path / "index.sqlite"), b"r" * 16
    fr, it, xa = (AgencyId(a) for a in ("fr-oltim", "it-pds", "xa-np"))
    kept = index.lane(LANE)
    for revision, receivers in enumerate(((fr, it), (fr,), (), (xa,)), 1):
        index.store([(LANE, revision - 1, revision, revised(kept, revision, *receivers))])
        assert kept.revision(record) == (revision, digest(revision))
    assert kept.received(record) == {fr: digest(2), it: digest(1), xa: digest(4)}
    assert kept.received(b"another") == {}
    above = MemoryIndex(kept)
    above.absorb(revised(above, 5, it))
    assert above.received(record) == {fr: digest(2), it: digest(5), xa: digest(4)}
    assert above.revision(record) == (5, digest(5))
    index.close()


def test_a_file_with_other_tables_is_spoilt(tmp_path: Path) -> None:
    path = tmp_path / "index.sqlite"
    with sqlite3.connect(path) as old:
        old.execute("CREATE TABLE lanes (lane TEXT PRIMARY KEY, leaves INTEGER NOT NULL)")
        old.execute("INSERT INTO lanes VALUES ('gb-nca', 7)")
    old.close()
    with pytest.raises(sqlite3.DatabaseError, match="version 0, not 1"):
        SqliteIndex(path)


def test_a_spoilt_file_is_thrown_away_with_what_belongs_to_it(tmp_path: Path) -> None:
    path = tmp_path / "index.sqlite"
    for name in ("index.sqlite", "index.sqlite-wal", "index.sqlite-shm"):
        (tmp_path / name).write_bytes(b"no database" * 500)
    with pytest.raises(sqlite3.DatabaseError):
        SqliteIndex(path)
    SqliteIndex.discard(path)
    assert list(tmp_path.iterdir()) == []
    SqliteIndex(path).close()
