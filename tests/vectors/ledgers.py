"""A ledger with leaves of every kind, as its originator and an auditor read it from the topic."""

from agencies.sealing import Control
from broker.index import MemoryIndex
from broker.lane import EMPTY_LANE, Lane, activate, fold
from broker.step import ledger_parcels
from schemas.clock import IDENTITY_CLOCK
from schemas.controls import Receipt, receipt_bytes
from schemas.frames import parse_parcel
from schemas.ledger import LeafEntry, parse_leaf, parse_ledger_entry
from tests.support.drafts import plain, record_id
from tests.support.federation import commit, message
from tests.support.members import Members
from tests.vectors.outcome import Outcome
from tests.vectors.refused import window
from tests.vectors.scenes import FR, GB, IT


def every_leaf(m: Members) -> tuple[list[bytes], Outcome]:
    """Parcels of the topic `ledger.gb-nca`, and what they come to."""
    lane = Lane(GB, EMPTY_LANE, {}, {}, MemoryIndex())
    receipt = Control("receipt", record_id("r"), receipt_bytes(Receipt(FR, 0, 4, bytes(32), ())))
    one = window(m, plain(1, FR), controls=[receipt])
    later = window(m, plain(2, FR, IT), first=5)
    garbage = b"not a parcel"
    parcels: list[bytes] = []
    genesis = activate(lane, m.arrangement.digest, 0, IDENTITY_CLOCK, m.domains)
    parcels += ledger_parcels(genesis)
    commit(lane, genesis)
    for offset, value in enumerate((one, one, garbage, later)):
        folded = fold(lane, [message(value, offset)], m.versions)
        parcels += ledger_parcels(folded)
        commit(lane, folded)
    entries = [parse_ledger_entry(e) for p in parcels for e in parse_parcel(p).entries]
    found = [parse_leaf(e.leaf) for e in entries if isinstance(e, LeafEntry)]
    names = [str(type(leaf).__struct_config__.tag) for leaf in found]
    return parcels, {"leaves": names, "root": lane.state.ledger.root().hex()}
