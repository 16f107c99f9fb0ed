"""A federation in memory: real keys, real rules, a lane's fold and every recipient's judge, without Kafka."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

from agencies.drafting import Draft
from agencies.judging import Judge
from agencies.keystore import Keystore
from agencies.opening import Opener
from agencies.sealing import Control, Sealer
from agencies.simulation.plan import planned_draft
from broker.admission import SourceMessage
from broker.index import MemoryIndex
from broker.lane import EMPTY_LANE, Folded, Lane, activate, apply, fold
from broker.step import build_step
from broker.versions import Version, Versions, make_version
from deploy.arrangements import SHIPPED, read_arrangement
from deploy.ceremony import Ceremony, hold_ceremony
from deploy.pki import Authority
from schemas.clock import IDENTITY_CLOCK, ManualClock
from schemas.entropy import Entropy, SeededEntropy
from schemas.ids import AgencyId, Digest
from schemas.keys import SigningPair
from schemas.ledger import Leaf, LeafEntry, parse_leaf

NOW_MS = 1_790_000_000_000  # 2026-09-21, inside every interval of the shipped arrangement but the suspension


@cache
def ceremony() -> Ceremony:
    """One ceremony for all tests of a process: keys cost time and hold no state."""
    return hold_ceremony(read_arrangement(SHIPPED / "g7-small"), Path(mkdtemp()), Authority.create())


@cache
def version() -> Version:
    return make_version(ceremony().arrangement)


def versions() -> Versions:
    v = version()
    return {v.arrangement.digest: v}


@cache
def keystore(agency: AgencyId) -> Keystore:
    return Keystore(ceremony().agency(agency) / "keys")


@cache
def broker_pair() -> SigningPair:
    return SigningPair.from_seeds((ceremony().broker / "keys" / "signing.key").read_bytes())


def sealer(agency: AgencyId, entropy: Entropy | None = None) -> Sealer:
    return Sealer(agency, ceremony().arrangement, keystore(agency).signing, entropy or SeededEntropy(b"seal"))


def judge(agency: AgencyId) -> Judge:
    arrangement = ceremony().arrangement
    return Judge(agency, arrangement, Opener(agency, arrangement.domains, keystore(agency).opening), {})


def new_lane(agency: AgencyId) -> Lane:
    """A lane after the activation of the genesis."""
    index = MemoryIndex()
    lane = Lane(agency, EMPTY_LANE, {}, {}, index)
    arrangement = ceremony().arrangement
    folded = activate(lane, arrangement.digest, 0, IDENTITY_CLOCK, arrangement.domains)
    commit(lane, folded)
    return lane


def commit(lane: Lane, folded: Folded) -> None:
    """Make a fold the lane's state, index included, as a worker does after the transaction."""
    assert isinstance(lane.index, MemoryIndex)
    lane.index.absorb(folded.index)
    apply(lane, folded)


def message(value: bytes, offset: int, at_ms: int = NOW_MS + 1000) -> SourceMessage:
    return SourceMessage(offset, at_ms, value, bare=True)


def drafts(agency: AgencyId, count: int, seed: int = 1, start: int = 0) -> list[Draft]:
    """Drafts of the agency's plan, all created at `NOW_MS`."""
    clock, entropy = ManualClock(NOW_MS), SeededEntropy(f"ids {seed} {agency} {start}".encode())
    directory = ceremony().arrangement.directory
    return [planned_draft(agency, directory, seed, i, clock, entropy) for i in range(start, start + count)]


def parcel(by: Sealer, items: Sequence[Draft], first: int = 1, controls: Sequence[Control] = ()) -> bytes:
    """One window of the drafts, with sequence numbers from `first`."""
    return by.seal_window([by.close_record(d, first + i) for i, d in enumerate(items)], controls, first)


def leaves(folded: Folded) -> list[Leaf]:
    return [parse_leaf(e.leaf) for e in folded.ledger if isinstance(e, LeafEntry)]


@dataclass
class Delivered:
    """Deliver parcels by recipient."""

    parcels: dict[AgencyId, list[bytes]] = field(default_factory=dict)


def deliver(lane: Lane, folded: Folded, entropy: Entropy | None = None) -> Delivered:
    """The step's deliver parcels, by recipient."""
    capsules: dict[Digest, bytes] = {**lane.capsules, **folded.capsules}
    outputs = build_step(
        [(folded, capsules)], ceremony().arrangement, broker_pair(), entropy or SeededEntropy(b"heads")
    )
    out = Delivered()
    for recipient, data in outputs.deliver:
        out.parcels.setdefault(recipient, []).append(data)
    return out


def run(agency: AgencyId, values: Sequence[bytes]) -> tuple[Lane, Folded]:
    """Fold all messages in one go over a new lane; returns the lane before the fold, and the fold."""
    lane = new_lane(agency)
    return lane, fold(lane, [message(v, i) for i, v in enumerate(values)], versions())
