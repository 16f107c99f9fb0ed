"""One step of a shard, as bytes: what its folds decided becomes parcels, ledger parcels and moved state.

- A deliver parcel is one recipient's share of the step; the heads of the chains that it moved are signed,
  and each parcel holds all certificates up to its heads, so that it can be verified alone.
- One batch seal over up to 256 heads: a signature a step, not one a record.
- Everything but seals, paths of heads and the cut into parcels is a function of the folds.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from broker.lane import Folded, Forward, LaneState
from broker.release import Share
from schemas.arrangement import Arrangement
from schemas.certificate import Head
from schemas.entropy import Entropy
from schemas.envelope import ControlEntry, DeliveryEntry, HeadEntry, ReleasedPortion, frame_bytes, head_leaf
from schemas.frames import FULL_PARCEL, MAX_PARTS, Parcel, pack_parcel
from schemas.ids import AgencyId, Digest
from schemas.keys import SigningPair
from schemas.ledger import LeafEntry, entry_bytes
from schemas.merkle import BATCH_LEAVES
from schemas.seal import Role, seal_leaves

#: What heads, their seal and framing may add to a parcel's parts.
_ROOM = 64_000
_HEAD_ROOM = 500


@dataclass(slots=True)
class Outputs:
    """What one Kafka transaction must write. Deliveries and ledger parcels by agency, in order."""

    deliver: list[tuple[AgencyId, bytes]] = field(default_factory=list)
    ledger: list[tuple[AgencyId, bytes]] = field(default_factory=list)
    state: list[tuple[bytes, bytes]] = field(default_factory=list)


@dataclass(slots=True)
class _Draft:
    """A deliver parcel in the making."""

    recipient: AgencyId
    seals: dict[bytes, int] = field(default_factory=dict)
    capsules: dict[bytes, int] = field(default_factory=dict)
    entries: list[bytes] = field(default_factory=list)
    heads: dict[AgencyId, Head] = field(default_factory=dict)
    size: int = 0

    def add_share(self, share: Share, capsules: Mapping[Digest, bytes]) -> None:
        capsule = self._index(self.capsules, capsules[share.capsule])
        portions = tuple(
            [
                ReleasedPortion(*alike, wrap, capsule)
                for alike, wrap in zip(share.portions, share.wraps, strict=True)
            ]
        )
        seal = self._index(self.seals, share.seal)
        self._entry(frame_bytes(DeliveryEntry(share.manifest, share.path, seal, portions, share.certificate)))
        self.heads[share.lane] = Head(share.number, share.head)

    def add_forward(self, forward: Forward) -> None:
        e = forward.entry
        seal = self._index(self.seals, forward.seal)
        self._entry(frame_bytes(ControlEntry(e.code, e.id, e.body, e.path, seal)))

    def _entry(self, data: bytes) -> None:
        self.entries.append(data)
        self.size += len(data) + 5

    def _index(self, table: dict[bytes, int], data: bytes) -> int:
        if data not in table:
            table[data] = len(table)
            self.size += len(data) + 5
        return table[data]


def build_step(
    folds: Sequence[tuple[Folded, Mapping[Digest, bytes]]],
    arrangement: Arrangement,
    pair: SigningPair,
    entropy: Entropy,
) -> Outputs:
    """The outputs of a step from its folds, each with the capsules of its lane (old and new)."""
    out = Outputs()
    drafts = list(_drafts(folds))
    for draft, parcel in zip(drafts, _sealed(drafts, arrangement, pair, entropy), strict=True):
        out.deliver.append((draft.recipient, pack_parcel(parcel)))
    for folded, _ in folds:
        out.ledger.extend((folded.lane, data) for data in ledger_parcels(folded))
        out.state.extend(state_records(folded))
    return out


def _drafts(folds: Iterable[tuple[Folded, Mapping[Digest, bytes]]]) -> Iterator[_Draft]:
    """Deliver parcels by recipient; a new one where the next part might not fit."""
    parts: dict[AgencyId, list[tuple[Share | Forward, Mapping[Digest, bytes]]]] = {}
    for folded, capsules in folds:
        for recipient, share in folded.shares:
            parts.setdefault(recipient, []).append((share, capsules))
        for forward in folded.forwards:
            parts.setdefault(forward.to, []).append((forward, capsules))
    for recipient in sorted(parts):
        draft = _Draft(recipient)
        for part, capsules in parts[recipient]:
            bound = _bound(part) + _HEAD_ROOM * len(draft.heads)
            full = draft.size + bound > FULL_PARCEL - _ROOM or len(draft.entries) >= MAX_PARTS // 2
            if draft.entries and full:
                yield draft
                draft = _Draft(recipient)
            if isinstance(part, Share):
                draft.add_share(part, capsules)
            else:
                draft.add_forward(part)
        yield draft


def _bound(part: Share | Forward) -> int:
    """More bytes than the part can add, its seal and capsules included."""
    if isinstance(part, Forward):
        return len(part.entry.body) + len(part.seal) + 1000
    wraps = sum(map(len, part.wraps))
    return part.size + wraps + len(part.certificate) + len(part.manifest) + len(part.seal) + 3500


def _sealed(
    drafts: Sequence[_Draft], arrangement: Arrangement, pair: SigningPair, entropy: Entropy
) -> Iterator[Parcel]:
    """Sign the heads of all drafts, 256 a seal, and put each into its parcel."""
    moved = [(d, lane, head) for d in drafts for lane, head in sorted(d.heads.items())]
    signed = sign_heads([(d.recipient, lane, head) for d, lane, head in moved], arrangement, pair, entropy)
    for (draft, lane, head), (seal, path) in zip(moved, signed, strict=True):
        index = draft.seals.setdefault(seal, len(draft.seals))
        draft.entries.append(frame_bytes(HeadEntry(lane, head.number, head.digest, path, index)))
    for draft in drafts:
        yield Parcel(0, tuple(draft.seals), tuple(draft.capsules), tuple(draft.entries))


def sign_heads(
    heads: Sequence[tuple[AgencyId, AgencyId, Head]],
    arrangement: Arrangement,
    pair: SigningPair,
    entropy: Entropy,
) -> Iterator[tuple[bytes, bytes]]:
    """Seal and path of each head, given as (recipient, lane, head)."""
    domains = arrangement.domains
    for at in range(0, len(heads), BATCH_LEAVES):
        batch = heads[at : at + BATCH_LEAVES]
        leaves = [head_leaf(domains, lane, recipient, h.number, h.digest) for recipient, lane, h in batch]
        seal, paths = seal_leaves(domains, arrangement.body.suite, pair, Role.HEADS, leaves, entropy)
        yield from ((seal, path) for path in paths)


def ledger_parcels(folded: Folded) -> Iterator[bytes]:
    """A fold's ledger entries as parcels; `first` is the number of the first leaf at or after each parcel's start."""
    number = folded.state.ledger.size - sum(isinstance(e, LeafEntry) for e in folded.ledger)
    first, entries, size = number, list[bytes](), 0
    for entry in folded.ledger:
        data = entry_bytes(entry)
        if entries and (size + len(data) > FULL_PARCEL - _ROOM or len(entries) == MAX_PARTS):
            yield pack_parcel(Parcel(first, (), (), tuple(entries)))
            first, entries, size = number, [], 0
        entries.append(data)
        size += len(data) + 5
        number += isinstance(entry, LeafEntry)
    if entries:
        yield pack_parcel(Parcel(first, (), (), tuple(entries)))


_encode = msgspec.msgpack.Encoder().encode
_lane_state = msgspec.msgpack.Decoder(LaneState)
_head = msgspec.msgpack.Decoder(Head)


def lane_key(lane: AgencyId) -> bytes:
    """Key of a lane's own state in the compacted topic."""
    return lane.encode()


def state_records(folded: Folded) -> Iterator[tuple[bytes, bytes]]:
    """What moved, as records of the compacted state topic."""
    return _records(folded.lane, folded.state, folded.heads, folded.capsules)


def _records(
    lane: AgencyId, state: LaneState, heads: Mapping[AgencyId, Head], capsules: Mapping[Digest, bytes]
) -> Iterator[tuple[bytes, bytes]]:
    yield lane_key(lane), _encode(state)
    for recipient, head in sorted(heads.items()):
        yield f"{lane}/{recipient}".encode(), _encode(head)
    for digest, capsule in sorted(capsules.items()):
        yield f"{lane}/capsule/{digest.hex()}".encode(), capsule


@dataclass(slots=True)
class Restored:
    """What the state topic says of one lane."""

    state: LaneState
    heads: dict[AgencyId, Head] = field(default_factory=dict)
    capsules: dict[Digest, bytes] = field(default_factory=dict)

    def records(self, lane: AgencyId, generation: int) -> list[tuple[bytes, bytes]]:
        """All of it again, under another owner's generation."""
        state = msgspec.structs.replace(self.state, generation=generation)
        return list(_records(lane, state, self.heads, self.capsules))


def restore(records: Iterable[tuple[bytes, bytes]]) -> dict[AgencyId, Restored]:
    """Lanes from the records of the state topic, oldest first; an empty value takes its key away.

    Raises: `msgspec.DecodeError` for what no broker wrote.
    """
    newest = dict(records)
    states: dict[AgencyId, LaneState] = {}
    heads: dict[AgencyId, dict[AgencyId, Head]] = {}
    capsules: dict[AgencyId, dict[Digest, bytes]] = {}
    for key, value in newest.items():
        lane, *rest = key.decode().split("/")
        if not value:
            continue
        if not rest:
            states[AgencyId(lane)] = _lane_state.decode(value)
        elif rest[0] == "capsule":
            capsules.setdefault(AgencyId(lane), {})[Digest(bytes.fromhex(rest[1]))] = value
        else:
            heads.setdefault(AgencyId(lane), {})[AgencyId(rest[0])] = _head.decode(value)
    return {
        lane: Restored(state, heads.get(lane, {}), capsules.get(lane, {})) for lane, state in states.items()
    }


def claim(lane: AgencyId, state: LaneState) -> tuple[bytes, bytes]:
    """The record by which a new owner shows its generation."""
    return lane_key(lane), _encode(state)
