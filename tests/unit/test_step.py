"""What a step writes can be read: many leaves for few bytes are cut into parcels that every reader takes."""

import pytest

from agencies.judging import Delivered, Received
from broker import step
from broker.lane import fold
from broker.step import ledger_parcels
from schemas.frames import MAX_PARCEL, MAX_PARTS, Parcel, pack_parcel, parse_parcel
from schemas.ledger import Quarantined
from schemas.merkle import BATCH_LEAVES
from schemas.verdicts import Refused
from tests.support import federation as f
from tests.support.federation import leaves, message
from tests.support.members import members
from tests.vectors.scenes import FR, GB

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


def what(received: Received) -> tuple[object, ...]:
    """Of a delivery: everything but where its seal and capsule stand in the parcel."""
    return received.number, received.certificate, received.opened


@pytest.mark.parametrize("room", [9_000, 20_000, 60_000])
def test_what_does_not_fit_begins_another_parcel_and_each_can_be_read_alone(
    room: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    by = f.sealer(GB)
    values = [f.parcel(by, f.drafts(GB, 6, start=at), 1 + at) for at in range(0, 24, 6)]
    lane, folded = f.run(GB, values)
    whole = f.deliver(lane, folded).parcels
    # a parcel is full when what stands in it and what comes would leave too little for heads and their seal
    monkeypatch.setattr(step, "FULL_PARCEL", step._ROOM + room)
    cut = f.deliver(lane, folded).parcels
    assert len(whole[FR]) == 1 < len(cut[FR])
    for recipient, parcels in cut.items():
        judge, once = f.judge(recipient), f.judge(recipient)
        apart = [judge.judge(Delivered(0, at, data, bare=True)) for at, data in enumerate(parcels)]
        together = [once.judge(Delivered(0, at, data, bare=True)) for at, data in enumerate(whole[recipient])]
        assert not any(j.bad or j.alarms for j in (*apart, *together))
        assert [what(r) for j in apart for r in j.received] == [what(r) for j in together for r in j.received]
        assert judge.chains == once.chains
        for data in parcels:
            parts = parse_parcel(data)
            assert len(parts.entries) == 2 or len(data) <= room + 64_000, (
                "one part, however large, and its head"
            )
            assert len(set(parts.seals)) == len(parts.seals)
            assert len(parts.capsules) == 1, "of one pair and day, once in each parcel"
