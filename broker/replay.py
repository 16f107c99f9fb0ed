"""Replay: a lane folded again from its log, to be compared with what was committed.

Needs the submissions, the ledger's activations and the arrangement; no key, no cluster, no index file. The cuts
between batches are the caller's: any cuts must give the same leaves, root, chains and certificates.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from broker.admission import SourceMessage
from broker.index import MemoryIndex
from broker.lane import EMPTY_LANE, Folded, Lane, activate, apply, fold
from broker.versions import Versions
from schemas.certificate import Head
from schemas.ids import AgencyId, Digest
from schemas.ledger import Activation, LedgerEntry


@dataclass(slots=True)
class Replayed:
    """What the replay came to."""

    root: Digest
    leaves: int
    ledger: list[LedgerEntry] = field(default_factory=list)
    certificates: dict[AgencyId, list[bytes]] = field(default_factory=dict)
    heads: dict[AgencyId, Head] = field(default_factory=dict)


def replay(
    lane_id: AgencyId,
    messages: Sequence[SourceMessage],
    activations: Sequence[Activation],
    versions: Versions,
    cuts: Iterator[int],
) -> Replayed:
    """Fold the lane's log, activating at the offsets that its ledger notes.

    `activations`: all of them, in ledger order. `cuts`: how many messages each batch takes, 1 or more.
    """
    index = MemoryIndex()
    lane = Lane(lane_id, EMPTY_LANE, {}, {}, index)
    out = Replayed(EMPTY_LANE.ledger.root(), 0)
    begins = [activation.offset for activation in activations]
    for activation, begin, end in zip(activations, begins, [*begins[1:], None], strict=True):
        version = versions[Digest(activation.arrangement)].arrangement
        _take(lane, index, activate(lane, version.digest, begin, activation.clock, version.domains), out)
        under_it = [m for m in messages if m.offset >= begin and (end is None or m.offset < end)]
        at = 0
        while at < len(under_it):
            size = next(cuts)
            _take(lane, index, fold(lane, under_it[at : at + size], versions), out)
            at += size
    out.root, out.leaves, out.heads = lane.state.ledger.root(), lane.state.ledger.size, dict(lane.heads)
    return out


def _take(lane: Lane, index: MemoryIndex, folded: Folded, out: Replayed) -> None:
    index.absorb(folded.index)
    apply(lane, folded)
    out.ledger += folded.ledger
    for recipient, share in folded.shares:
        out.certificates.setdefault(recipient, []).append(share.certificate)
