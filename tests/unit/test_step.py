"""What a step writes can be read: many leaves for few bytes are cut into parcels that every reader takes."""

import pytest

from broker.lane import fold
from broker.step import ledger_parcels
from schemas.frames import MAX_PARCEL, MAX_PARTS, Parcel, pack_parcel, parse_parcel
from schemas.ledger import Quarantined
from schemas.merkle import BATCH_LEAVES
from schemas.verdicts import Refused
from tests.support.federation import leaves, message
from tests.support.members import members
from tests.vectors.scenes import GB

M = members()


def of(entries: int) -> bytes:
    return pack_parcel(Parcel(1, (b"no seal",), (), (b"",) * entries))


def test_a_parcel_that_no_reader_takes_is_not_packed() -> None:
    assert parse_parcel(of(MAX_PARTS)).first == 1
    with pytest.raises(ValueError, match="8193 parts is over the limits"):
        of(MAX_PARTS + 1)
    with pytest.raises(ValueError, match="over the limits"):
        pack_parcel(Parcel(1, (), (), (bytes(MAX_PARCEL),)))


@pytest.mark.parametrize("entries", [0, BATCH_LEAVES + 1, MAX_PARTS])
def test_a_message_with_no_entry_or_with_more_than_a_window_has_is_one_leaf(entries: int) -> None:
    (leaf,) = leaves(fold(M.lane(GB), [message(of(entries), 0)], M.versions))
    assert isinstance(leaf, Quarantined)
    assert (leaf.reason, leaf.entry) == (Refused.MALFORMED, None)


def test_a_ledger_of_many_small_leaves_can_be_read_again() -> None:
    values = [of(1)] * (MAX_PARTS + 1000)
    folded = fold(M.lane(GB), [message(value, i) for i, value in enumerate(values)], M.versions)
    parcels = [parse_parcel(data) for data in ledger_parcels(folded)]
    assert sum(len(p.entries) for p in parcels) == len(values)
    assert [p.first for p in parcels] == [
        1,
        *(1 + len(parcels[0].entries) * n for n in range(1, len(parcels))),
    ]
    assert max(len(p.entries) for p in parcels) <= MAX_PARTS
