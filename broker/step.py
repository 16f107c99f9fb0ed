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
from schemas.envelope import ControlEntry, HeadEntry, delivery_bytes, frame_bytes, head_leaf
from schemas.frames import FULL_PARCEL, MAX_PARTS, Parcel, pack_parcel
from schemas.ids import AgencyId, Digest
from schemas.keys import SigningPair
from schemas.ledger import LeafEntry, entry_bytes
from schemas.merkle import BATCH_LEAVES
from schemas.seal import Role, seal_leaves

#: What heads, their seal and framing may add to a parcel's parts.
_ROOM = 64_000
_HEAD_ROOM = 500
_FRAMING = 5
"""What the length of a seal or a capsule takes at most."""


@dataclass(slots=True)
class Outputs:
    """What one Kafka transaction must write. Deliveries and ledger parcels by agency, in order."""

    deliver: list[tuple[AgencyId, bytes]] = field(default_factory=list)
    ledger: list[tuple[AgencyId, bytes]] = field(default_factory=list)
    state: list[tuple[bytes, bytes]] = field(default_factory=list)


@dataclass(slots=True)
class _Draft:
    """A deliver parcel in the making: what goes into it, and where the seals and capsules of that stand in it."""

    recipient: AgencyId
    seals: dict[bytes, int] = field(default_factory=dict)
    capsules: dict[Digest, int] = field(default_factory=dict)
    capsule_bytes: list[bytes] = field(default_factory=list)
    parts: list[tuple[Share | Forward, int, int]] = field(default_factory=list)
    """Each with the places of its seal and, of a share, of its capsule."""
    heads: dict[AgencyId, Head] = field(default_factory=dict)
    size: int = 0

    def add(self, part: Share | Forward, capsules: Mapping[Digest, bytes]) -> bool:
        """Take in the part, with what it names. False: it finds no room; a first part always does."""
        size, seal, capsule = self.size + part.size, self.seals.get(part.seal), None
        if seal is None:
            size += len(part.seal) + _FRAMING
        if isinstance(part, Share):
            capsule = self.capsules.get(part.capsule)
            if capsule is None:
                size += len(capsules[part.capsule]) + _FRAMING
        full = size + _HEAD_ROOM * len(self.heads) > FULL_PARCEL - _ROOM
        if self.parts and (full or len(self.parts) >= MAX_PARTS // 2):
            return False
        if seal is None:
            seal = self.seals[part.seal] = len(self.seals)
        if isinstance(part, Share):
            if capsule is None:
                capsule = self.capsules[part.capsule] = len(self.capsules)
                self.capsule_bytes.append(capsules[part.capsule])
            self.heads[part.lane] = part.head
        self.parts.append((part, seal, capsule or 0))
        self.size = size
        return True

    def entries(self) -> Iterator[bytes]:
        """The parts as they stand in the parcel."""
        for part, seal, capsule in self.parts:
            if isinstance(part, Share):
                alike = part.alike
                yield delivery_bytes(alike.start, seal, alike.portions, part.wraps, capsule, part.certificate)
            else:
                e = part.entry
                yield frame_bytes(ControlEntry(e.code, e.id, e.body, e.path, seal))


def build_step(
    folds: Sequence[tuple[Folded, Mapping[Digest, bytes]]],
    arrangement: Arrangement,
    pair: SigningPair,
    entropy: Entropy,
) -> Outputs:
    """The outputs of a step from its folds, each with the capsules of its lane (old and new)."""
    out = Outputs()
    for recipient, parcel in _sealed(list(_drafts(folds)), arrangement, pair, entropy):
        out.deliver.append((recipient, pack_parcel(parcel)))
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
            if not draft.add(part, capsules):
                yield draft
                draft = _Draft(recipient)
                draft.add(part, capsules)
        yield draft


def _sealed(
    drafts: Sequence[_Draft], arrangement: Arrangement, pair: SigningPair, entropy: Entropy
) -> Iterator[tuple[AgencyId, Parcel]]:
    """Sign the heads of all drafts, 256 a seal, and make of each draft its parcel."""
    moved = [(d.recipient, lane, head) for d in drafts for lane, head in sorted(d.heads.items())]
    signed = sign_heads(moved, arrangement, pair, entropy)
    # One after the other, and each is let go before the next: together they would not fit into the processor's caches
    for draft in drafts:
        entries = list(draft.entries())
        for lane, head in sorted(draft.heads.items()):
            seal, path = next(signed)
            index = draft.seals.setdefault(seal, len(draft.seals))
            entries.append(frame_bytes(HeadEntry(lane, head.number, head.digest, path, index)))
        yield draft.recipient, Parcel(0, tuple(draft.seals), tuple(draft.capsule_bytes), tuple(entries))


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
