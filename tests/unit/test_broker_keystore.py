"""The broker's keystore: the pair that a version names and no other, and a clear word where it is not there."""

from pathlib import Path

import pytest

from agencies.keystore import write_secret
from broker.errors import NoKey
from broker.keystore import SIGNING, Keystore, later_file
from deploy.secretariat import propose_broker_key
from schemas.arrangement import Arrangement, countersign, verify_successor
from schemas.keys import SigningPair
from tests.support.members import members

M = members()
NEW = SigningPair.generate()
NAME = later_file(NEW.public.key_id(M.domains))


def rotated() -> Arrangement:
    data = countersign(propose_broker_key(M.arrangement, NEW.public), M.identities)
    return verify_successor(data, M.arrangement)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_secret(tmp_path / SIGNING, M.broker.seeds())
    return tmp_path


def test_each_version_has_the_pair_that_it_names(folder: Path) -> None:
    write_secret(folder / NAME, NEW.seeds())
    store = Keystore(folder)
    assert store.pair_of(M.arrangement).public == M.broker.public
    assert store.pair_of(rotated()).public == NEW.public


def test_a_pair_that_came_later_is_found_and_none_stands_in_for_it(folder: Path) -> None:
    store, after = Keystore(folder), rotated()
    with pytest.raises(NoKey, match=f"in version 1 is not in its key folder: expected there as '{NAME}'"):
        store.pair_of(after)
    assert store.pair_of(M.arrangement).public == M.broker.public
    write_secret(folder / NAME, NEW.seeds())
    assert store.pair_of(after).public == NEW.public


def test_the_first_pair_may_go_once_another_signs(folder: Path) -> None:
    write_secret(folder / NAME, NEW.seeds())
    (folder / SIGNING).unlink()
    store = Keystore(folder)
    assert store.pair_of(rotated()).public == NEW.public
    with pytest.raises(NoKey, match="in version 0"):
        store.pair_of(M.arrangement)


def test_a_file_that_is_no_pair_is_told_of(folder: Path) -> None:
    store = Keystore(folder)
    (folder / NAME).write_bytes(bytes(63))
    with pytest.raises(NoKey, match=f"'{NAME}' cannot be read: a signing pair is stored as"):
        store.pair_of(rotated())


def test_a_file_that_no_version_names_is_nobodys_matter(folder: Path) -> None:
    (folder / NAME).write_bytes(b"half a file")
    (folder / "signing-0123456789abcdef.key").mkdir()
    assert Keystore(folder).pair_of(M.arrangement).public == M.broker.public


def test_a_folder_without_any_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=f"no '{SIGNING}'"):
        Keystore(tmp_path)
