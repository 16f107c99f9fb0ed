"""The record index on SQLite: a late writer changes nothing, and a spoilt file is thrown away."""

import sqlite3
from pathlib import Path

import pytest

from broker.index import IndexMoved, MemoryIndex, Revision, SqliteIndex
from schemas.ids import AgencyId, Digest

LANE = AgencyId("gb-nca")


def learnt(revision: int, *receivers: AgencyId) -> MemoryIndex:
    delta = MemoryIndex()
    delta.records[b"r"] = [Revision(revision, Digest(bytes([revision]) * 32), receivers)]
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
    index, fr, it = SqliteIndex(tmp_path / "index.sqlite"), AgencyId("fr-oltim"), AgencyId("it-pds")
    index.store([(LANE, 0, 1, learnt(1, fr, it))])
    index.store([(LANE, 1, 2, learnt(2, fr))])
    kept = index.lane(LANE)
    assert kept.received(b"r") == {fr: b"\2" * 32, it: b"\1" * 32}
    assert kept.received(b"another") == {}
    above = MemoryIndex(kept)
    above.absorb(learnt(3, it))
    assert above.received(b"r") == {fr: b"\2" * 32, it: b"\3" * 32}
    assert above.revision(b"r") == (3, b"\3" * 32)
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
