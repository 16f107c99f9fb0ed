"""Rounds: at a fixed cadence everybody is told where each chain stands, and each ledger that moved is signed.

- To every recipient the signed heads of all its chains with this shard's lanes, moved or not; of a lane that never
  delivered to it, the chain's start. So a tail that was dropped shows, and so does a broker that falls silent.
- To each ledger that moved a checkpoint. Of lanes as committed, never of a step in flight: what is signed once can
  never be taken back, and an aborted step would be a tree that the next one contradicts.
- Nothing that is decided depends on a round: a replay needs none, and judges those that it finds.
"""

from collections.abc import Iterable, Mapping, Sequence

from broker.lane import Lane
from broker.step import Outputs, sign_heads
from schemas.arrangement import Arrangement
from schemas.certificate import chain_start
from schemas.checkpoint import (
    BadCheckpoint,
    Checkpoint,
    CheckpointVerifier,
    SealedNote,
    origin_of,
    seal_checkpoints,
)
from schemas.entropy import Entropy
from schemas.envelope import HeadEntry, frame_bytes
from schemas.frames import Parcel, pack_parcel
from schemas.ids import AgencyId
from schemas.keys import SigningPair
from schemas.ledger import CheckpointEntry, entry_bytes
from schemas.merkle import EMPTY_FRONTIER


class Cadence:
    """When a round is due. Instants are of a clock that only goes forward, in seconds."""

    def __init__(self, every_s: float, now_s: float) -> None:
        self._every_s = every_s
        self._next_s = now_s + every_s

    def due(self, now_s: float) -> bool:
        """Whether it is time."""
        return now_s >= self._next_s

    def kept(self, now_s: float) -> None:
        """A round was committed; the next one is counted from now, and a worker that hung makes up for none."""
        self._next_s = now_s + self._every_s


class Rounds:
    """The rounds of one owner of a shard: what each ledger was last signed at is forgotten with it."""

    def __init__(self, arrangement: Arrangement, pair: SigningPair, entropy: Entropy) -> None:
        self._arrangement = arrangement
        self._pair = pair
        self._entropy = entropy
        self._signed: dict[AgencyId, int] = {}

    def make(self, lanes: Mapping[AgencyId, Lane], at_ms: int) -> Outputs:
        """The round of lanes as they are committed. `at_ms`: real time. Changes nothing until it is `committed`."""
        out = Outputs()
        out.deliver = list(self._heads(lanes))
        out.ledger = list(self._checkpoints(lanes, at_ms))
        return out

    def committed(self, lanes: Mapping[AgencyId, Lane]) -> None:
        """The round made of these lanes stands."""
        self._signed = {lane_id: lane.state.ledger.size for lane_id, lane in lanes.items()}

    def _heads(self, lanes: Mapping[AgencyId, Lane]) -> Iterable[tuple[AgencyId, bytes]]:
        domains = self._arrangement.domains
        told = [
            (recipient, lane_id, lane.heads.get(recipient) or chain_start(domains, lane_id, recipient))
            for recipient in self._arrangement.directory.agency_ids
            for lane_id, lane in sorted(lanes.items())
            if lane_id != recipient
        ]
        entries: dict[AgencyId, list[bytes]] = {}
        seals: dict[AgencyId, dict[bytes, int]] = {}
        signed = sign_heads(told, self._arrangement, self._pair, self._entropy)
        for (recipient, lane_id, head), (seal, path) in zip(told, signed, strict=True):
            mine = seals.setdefault(recipient, {})
            entry = HeadEntry(lane_id, head.number, head.digest, path, mine.setdefault(seal, len(mine)))
            entries.setdefault(recipient, []).append(frame_bytes(entry))
        for recipient, heads in entries.items():
            yield recipient, pack_parcel(Parcel(0, tuple(seals[recipient]), (), tuple(heads)))

    def _checkpoints(self, lanes: Mapping[AgencyId, Lane], at_ms: int) -> Iterable[tuple[AgencyId, bytes]]:
        body, domains = self._arrangement.body, self._arrangement.domains
        moved = {i: lane.state.ledger for i, lane in sorted(lanes.items())}
        moved = {i: tree for i, tree in moved.items() if tree.size > self._signed.get(i, 0)}
        points = [
            Checkpoint(origin_of(body.federation, i), tree.size, tree.root(), at_ms)
            for i, tree in moved.items()
        ]
        sealed = seal_checkpoints(domains, body.suite, self._pair, points, self._entropy)
        for (lane_id, tree), note in zip(moved.items(), sealed, strict=True):
            entry = CheckpointEntry(note.note, note.path, note.seal)
            yield lane_id, pack_parcel(Parcel(tree.size, (), (), (entry_bytes(entry),)))


def sealed_note(entry: CheckpointEntry) -> SealedNote:
    """A ledger's entry as what is verified."""
    return SealedNote(entry.note, entry.path, entry.seal)


def contradictions(
    lane: AgencyId, entries: Iterable[CheckpointEntry], hashes: Sequence[bytes], verifier: CheckpointVerifier
) -> list[str]:
    """What checkpoints say that the leaves do not. `hashes`: of the ledger's leaves, all that there are."""
    found, roots, tree = list[str](), {0: EMPTY_FRONTIER.root()}, EMPTY_FRONTIER
    points = list[Checkpoint]()
    for number, entry in enumerate(entries):
        try:
            points.append(verifier.verify(lane, sealed_note(entry)))
        except BadCheckpoint as error:
            found.append(f"checkpoint {number} of the ledger does not verify: {error}")
    wanted = {point.size for point in points}
    for leaf in hashes:
        tree = tree.append(leaf)
        if tree.size in wanted:
            roots[tree.size] = tree.root()
    for point in points:
        if point.size not in roots:
            found.append(f"a checkpoint is signed at {point.size} leaves, the ledger has {len(hashes)}")
        elif roots[point.size] != point.root:
            found.append(f"a checkpoint at {point.size} leaves has another root than they")
    return found
