"""The followed ledgers: repeats are dropped by number, and what does not go on from the last is loud."""

import pytest

from broker.errors import BrokerError
from broker.lane import fold
from broker.step import ledger_parcels
from schemas.frames import Parcel, pack_parcel, parse_parcel
from schemas.ids import AgencyId
from schemas.ledger import LeafEntry, parse_ledger_entry
from tests.support.federation import (
    ceremony,
    drafts,
    message,
    new_lane,
    parcel,
    sealer,
    versions,
)
from tests.support.ledgers import Ledgers

GB = AgencyId("gb-nca")


def messages() -> list[bytes]:
    """The ledger of a lane with one record, from its second leaf on."""
    folded = fold(new_lane(GB), [message(parcel(sealer(GB), drafts(GB, 1)), 0)], versions())
    return list(ledger_parcels(folded))


def ledgers() -> Ledgers:
    return Ledgers(ceremony().arrangement.domains, [GB])


async def test_a_hole_is_loud() -> None:
    with pytest.raises(BrokerError, match="leaf 1 after 0 leaves"):
        await ledgers().take(GB, messages()[0])


@pytest.mark.parametrize("value", [b"", b"ENTENTE", b"\x00" * 100])
async def test_what_is_no_parcel_is_loud(value: bytes) -> None:
    with pytest.raises(BrokerError, match="cannot be read after 0 leaves"):
        await ledgers().take(GB, value)


async def test_a_leaf_without_its_ruling_is_loud() -> None:
    whole = parse_parcel(messages()[0])
    leaves = tuple(e for e in whole.entries if isinstance(parse_ledger_entry(e), LeafEntry))
    with pytest.raises(BrokerError, match="cannot be read"):
        await ledgers().take(GB, pack_parcel(Parcel(0, (), (), leaves)))


async def test_repeats_are_dropped() -> None:
    found = ledgers()
    first = pack_parcel(Parcel(0, (), (), parse_parcel(messages()[0]).entries))
    await found.take(GB, first)
    before = (await found.frontier(GB), await found.counts(GB))
    await found.take(GB, first)
    assert (await found.frontier(GB), await found.counts(GB)) == before
    assert before[1].admitted == 1
