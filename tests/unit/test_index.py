"""The record index on SQLite: a late writer changes nothing, and a spoilt file is thrown away."""

import sqlite3
from pathlib import Path

import pytest

from broker.index import IndexMoved, MemoryIndex, SqliteIndex
from schemas.ids import AgencyId, Digest

LANE = AgencyId("gb-nca")


def learnt(revision: int) -> MemoryIndex:
    delta = MemoryIndex()
    delta.revisions[b"r"] = (revision, Digest(bytes([revision]) * 32))
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


def test_a_spoilt_file_is_thrown_away_with_what_belongs_to_it(tmp_path: Path) -> None:
    path = tmp_path / "index.sqlite"
    for name in ("index.sqlite", "index.sqlite-wal", "index.sqlite-shm"):
        (tmp_path / name).write_bytes(b"no database" * 500)
    with pytest.raises(sqlite3.DatabaseError):
        SqliteIndex(path)
    SqliteIndex.discard(path)
    assert list(tmp_path.iterdir()) == []
    SqliteIndex(path).close()
