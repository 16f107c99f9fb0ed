"""A lane is a deterministic fold of its log: `fold(lane, messages, versions) -> Folded`.

- Pure: the same messages under the same versions give the same leaves, certificates and chains, whatever the
  cuts between batches. Nothing random, no wall clock and no dictionary order enters.
- Admission time comes from the message's LogAppendTime through the lane's clock map, never going back.
- `Lane` is not changed by a fold: the step that could not be committed is folded again from the same state.
"""

from collections import ChainMap
from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass, field

import msgspec

from broker.admission import (
    AdmittedRecord,
    SourceMessage,
    VerifiedEnvelope,
    Window,
    admit,
    open_window,
    verify_control,
    verify_envelope,
)
from broker.decide import Decision
from broker.index import Index, MemoryIndex
from broker.release import Share, release
from broker.versions import RECENT, Version, Versions
from schemas.arrangement import Arrangement
from schemas.canonical import Domains
from schemas.certificate import Head, chain_start
from schemas.clock import IDENTITY_CLOCK, ClockMap
from schemas.controls import ControlCode, parse_receipt
from schemas.envelope import ControlEntry, RecordEntry, parse_submission_entry
from schemas.frames import MAX_RECORD, BadFrame, Parcel
from schemas.ids import U64, AgencyId, Digest, DigestBytes
from schemas.ledger import (
    Activation,
    Admitted,
    ControlNoted,
    Duplicate,
    Gap,
    Leaf,
    LeafEntry,
    LedgerEntry,
    LedgerPortion,
    Quarantined,
    RulingEntry,
    leaf_bytes,
    ledger_leaf_hash,
)
from schemas.merkle import EMPTY_FRONTIER, Frontier
from schemas.verdicts import Refused


class LaneState(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What a lane must remember, apart from chain heads, capsules and the index.

    `generation`: of the worker that wrote it. `versions`: the active version's digest first, then up to
    three before it. `last_sequence` is 0 before the first record; sequences begin at 1.
    """

    generation: U64
    next_offset: U64
    last_sequence: U64
    ledger: Frontier
    versions: tuple[DigestBytes, ...]
    clock: ClockMap
    last_admitted_ms: U64


EMPTY_LANE = LaneState(0, 0, 0, EMPTY_FRONTIER, (), IDENTITY_CLOCK, 0)


@dataclass(slots=True)
class Lane:
    """A lane as committed: state, chain heads by recipient, capsules by digest, index."""

    id: AgencyId
    state: LaneState
    heads: MutableMapping[AgencyId, Head]
    capsules: MutableMapping[Digest, bytes]
    index: Index


@dataclass(frozen=True, slots=True)
class Forward:
    """A control message on its way to another agency, with the window seal that vouches for it."""

    to: AgencyId
    entry: ControlEntry
    seal: bytes

    @property
    def size(self) -> int:
        """More bytes than it takes in a parcel, its seal apart."""
        return len(self.entry.body) + 1000


@dataclass(slots=True)
class Folded:
    """What a fold adds: the new state, and what must be written for it to be true."""

    lane: AgencyId
    state: LaneState
    index: MemoryIndex
    ledger: list[LedgerEntry] = field(default_factory=list)
    shares: list[tuple[AgencyId, Share]] = field(default_factory=list)
    forwards: list[Forward] = field(default_factory=list)
    heads: dict[AgencyId, Head] = field(default_factory=dict)
    capsules: dict[Digest, bytes] = field(default_factory=dict)
    alarms: list[str] = field(default_factory=list)
    """What an operator should hear of once the fold is committed."""


def activate(lane: Lane, version: Digest, offset: int, clock: ClockMap, domains: Domains) -> Folded:
    """From `offset` on, `version` and `clock` hold in this lane. The genesis is leaf 0.

    A new clock under the same version pushes no earlier version out of the recent ones.
    """
    out = Folded(lane.id, lane.state, MemoryIndex(lane.index))
    number = lane.state.ledger.size
    folding = _Folding(lane, out, domains)
    folding.write(Activation(number, offset, version, clock))
    recent = lane.state.versions
    if recent[:1] != (version,):
        recent = (version, *recent)[:RECENT]
    out.state = msgspec.structs.replace(out.state, versions=recent, clock=clock, next_offset=offset)
    return out


def fold(lane: Lane, messages: Sequence[SourceMessage], versions: Versions) -> Folded:
    """Admit and decide on consecutive messages of one lane. Never raises for what the messages hold."""
    out = Folded(lane.id, lane.state, MemoryIndex(lane.index))
    active = versions[Digest(lane.state.versions[0])]
    recent = {Digest(d): versions[Digest(d)].arrangement for d in lane.state.versions}
    folding = _Folding(lane, out, active.arrangement.domains)
    for message in messages:
        folding.message(message, active, recent)
    return out


class _Folding:
    """The walk through the messages: sees committed state and what this fold has added so far."""

    def __init__(self, lane: Lane, out: Folded, domains: Domains) -> None:
        self._lane = lane
        self._out = out
        self._domains = domains
        self._written: set[Digest] = set()
        """Rulings that are known to stand in the ledger."""

    # what admission asks of the past (broker.admission.Known)
    def capsule(self, digest: Digest) -> bytes | None:
        return self._out.capsules.get(digest) or self._lane.capsules.get(digest)

    def revision(self, record_id: bytes) -> tuple[int, Digest] | None:
        return self._out.index.revision(record_id)

    def message(self, message: SourceMessage, active: Version, recent: dict[Digest, Arrangement]) -> None:
        state = self._out.state
        at_ms = max(state.last_admitted_ms, state.clock.to_domain(message.append_ms), 0)
        self._out.state = msgspec.structs.replace(
            state, next_offset=message.offset + 1, last_admitted_ms=at_ms
        )
        others = tuple(a for a in active.arrangement.directory.active(at_ms) if a != self._lane.id)
        place = _Place(message.offset, at_ms, others)
        window, parcel = open_window(message, self._lane.id, active, at_ms)
        if isinstance(window, Refused):
            self._refuse_message(window, parcel, place)
            return
        for i, data in enumerate(window.parcel.entries):
            if len(data) > MAX_RECORD:  # with certificate and heads, its delivery might not fit into a parcel
                self._refuse(Refused.TOO_LARGE, place, i)
                continue
            entry = _try_entry(data)
            if entry is None:
                self._refuse(Refused.MALFORMED, place, i)
            elif isinstance(entry, ControlEntry):
                self._control(entry, window, place, i)
            else:  # records come before controls, so that a broken entry cannot shift a neighbour's number
                self._record(entry, window, window.parcel.first + i, active, recent, place, i)

    def _refuse_message(self, reason: Refused, parcel: Parcel | None, place: "_Place") -> None:
        """One leaf for a message that cannot be read; one for each record of a message that can."""
        readable = [] if parcel is None else [_try_entry(data) for data in parcel.entries]
        if not any(isinstance(entry, RecordEntry) for entry in readable):
            self._refuse(reason, place, None)
        for i, entry in enumerate(readable):
            if isinstance(entry, RecordEntry):
                self._refuse(reason, place, i)

    def _control(self, entry: ControlEntry, window: Window, place: "_Place", i: int) -> None:
        refused = verify_control(entry, window, self._domains)
        if refused is not None:
            self._refuse(refused, place, i)
            return
        to = ""
        if entry.code == ControlCode.RECEIPT:
            lane = AgencyId(parse_receipt(entry.body).lane)
            if lane in place.others:  # a receipt for a stranger or for oneself is noted and goes nowhere
                to = lane
                self._out.forwards.append(Forward(lane, entry, window.seal_bytes))
        self.write(
            ControlNoted(self._number, place.at_ms, place.offset, i, entry.code, entry.id, entry.body, to)
        )

    def _record(
        self,
        entry: RecordEntry,
        window: Window,
        claimed: int,
        active: Version,
        recent: dict[Digest, Arrangement],
        place: "_Place",
        i: int,
    ) -> None:
        envelope = verify_envelope(entry, window, self._lane.id, self._domains)
        if isinstance(envelope, Refused):
            self._refuse(envelope, place, i)
            return
        self._keep_capsules(envelope, window)
        # 10: the sequence, authenticated by the broker-only slot, and the same in frame and slot
        sequence = envelope.broker_only.sequence
        if sequence != claimed or sequence == 0:
            self._refuse(Refused.SEQUENCE_MISMATCH, place, i, envelope=envelope)
            return
        last = self._out.state.last_sequence
        if sequence <= last and not (
            window.expired and self._out.index.sequence(sequence) != envelope.digest
        ):
            self._repeated(sequence, envelope, place, i)
            return
        # A repeat of what is here is harmless. Anything else by an old key is refused and uses no number: whoever
        # has found the key must not shut out what its owner signs with a new one
        if window.expired:
            self._refuse(Refused.SIGNER_EXPIRED, place, i, envelope=envelope)
            return
        if sequence > last + 1:
            self.write(Gap(self._number, place.at_ms, place.offset, i, last + 1, sequence))
            self._out.alarms.append(f"sequence gap: {last + 1} to {sequence - 1} never seen")
        self._out.state = msgspec.structs.replace(self._out.state, last_sequence=sequence)
        admitted = admit(envelope, window, self, active, recent, place.at_ms)
        if isinstance(admitted, Refused):
            self._refuse(admitted, place, i, sequence=sequence, envelope=envelope)
            return
        self._release(admitted, window, active, place, i)

    def _keep_capsules(self, envelope: VerifiedEnvelope, window: Window) -> None:
        """Keep those capsules of the parcel that a signed audience names, also if the record is then refused."""
        # No seal covers the parcel's capsules: what no audience names may be anybody's, and would stay for ever.
        # An honest node sends a capsule once, with the first record that names it. If only admitted records counted,
        # one that expired on its way, or fell into a suspension, would take the capsule along, and all later ones of
        # that pair and day would be refused. The bound holds all the same: an audience is under the seal, so each
        # capsule kept has its digest in an envelope that the owner of the lane signed, and its repeats add no other.
        for addressee in envelope.broker_only.audience if window.capsules else ():
            digest = Digest(addressee.capsule)
            capsule = window.capsules.get(digest)
            if capsule is not None and self.capsule(digest) is None:
                self._out.capsules[digest] = capsule

    def _repeated(self, sequence: int, envelope: VerifiedEnvelope, place: "_Place", i: int) -> None:
        known = self._out.index.sequence(sequence)
        if known == envelope.digest:
            self.write(Duplicate(self._number, place.at_ms, place.offset, i, sequence, envelope.digest))
        else:
            reason = Refused.SEQUENCE_PASSED if known is None else Refused.SEQUENCE_REUSED
            self._refuse(reason, place, i, envelope=envelope)

    def _release(
        self, record: AdmittedRecord, window: Window, active: Version, place: "_Place", i: int
    ) -> None:
        envelope = record.envelope
        decision = active.decider.decide(record.labelling, self._lane.id, place.at_ms)
        # The first revision replaces nothing: nobody has to be asked who holds an earlier one
        is_first = envelope.broker_only.revision == 1
        before = {} if is_first else self._out.index.received(envelope.manifest.record_id)
        self._write_decision(record, decision, place, i)
        shares = release(
            decision,
            envelope,
            window.seal_bytes,
            active.arrangement,
            self._lane.id,
            place.at_ms,
            self._head,
            before,
        )
        self._out.shares += shares
        for recipient, share in shares:
            self._out.heads[recipient] = share.head

    def _write_decision(self, record: AdmittedRecord, decision: Decision, place: "_Place", i: int) -> None:
        envelope = record.envelope
        for ruled in decision.ruled:
            if ruled.ruling_digest in self._written:
                continue
            self._written.add(ruled.ruling_digest)
            if self._out.index.ruling(ruled.ruling_digest) is None:
                entry = RulingEntry(ruled.ruling_bytes)
                self._out.ledger.append(entry)
                self._out.index.learn(entry, ruled.ruling_digest)
        self.write(
            Admitted(
                self._number,
                place.at_ms,
                place.offset,
                i,
                envelope.broker_only.sequence,
                envelope.broker_only.revision,
                envelope.manifest.record_id,
                envelope.digest,
                envelope.manifest.kind,
                envelope.manifest.created_s,
                tuple(
                    [
                        LedgerPortion(
                            slot.name,
                            commitment,
                            slot.handling,
                            slot.routing,
                            sealed_for,
                            ruled.departed,
                            ruled.ruling_digest,
                        )
                        for slot, commitment, sealed_for, ruled in zip(
                            envelope.entry.portions,
                            envelope.commitments,
                            record.labelling.sealed_for,
                            decision.ruled,
                            strict=True,
                        )
                    ]
                ),
                decision.active,
            ),
            [due.recipient for due in decision.due],
        )

    def _refuse(
        self,
        reason: Refused,
        place: "_Place",
        i: int | None,
        *,
        sequence: int | None = None,
        envelope: VerifiedEnvelope | None = None,
    ) -> None:
        record_id = b"" if envelope is None else envelope.manifest.record_id
        manifest = b"" if envelope is None else envelope.digest
        self.write(
            Quarantined(
                self._number,
                place.at_ms,
                place.offset,
                i,
                sequence,
                reason,
                record_id,
                manifest,
                place.others,
            )
        )

    def _head(self, recipient: AgencyId) -> Head:
        moved = self._out.heads.get(recipient) or self._lane.heads.get(recipient)
        return moved or chain_start(self._domains, self._lane.id, recipient)

    @property
    def _number(self) -> int:
        return self._out.state.ledger.size

    def write(self, leaf: Leaf, receivers: Sequence[AgencyId] = ()) -> None:
        """Append a leaf to ledger, tree and index. `receivers`: of an admitted record."""
        data = leaf_bytes(leaf)
        self._out.ledger.append(LeafEntry(data))
        self._out.index.note(leaf, receivers)
        frontier = self._out.state.ledger.append(ledger_leaf_hash(self._domains, data))
        self._out.state = msgspec.structs.replace(self._out.state, ledger=frontier)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where and when an entry is admitted, and the other agencies active then."""

    offset: int
    at_ms: int
    others: tuple[AgencyId, ...]


def _try_entry(data: bytes) -> RecordEntry | ControlEntry | None:
    try:
        return parse_submission_entry(data)
    except BadFrame:
        return None


def apply(lane: Lane, folded: Folded) -> None:
    """Make a committed fold the lane's state; its index must have taken the fold's entries in."""
    lane.state = folded.state
    lane.heads.update(folded.heads)
    lane.capsules.update(folded.capsules)


def ahead(lane: Lane, folded: Folded) -> Lane:
    """The lane as it will be once the fold is committed; the lane itself is not changed."""
    return Lane(
        lane.id,
        folded.state,
        ChainMap(folded.heads, lane.heads),
        ChainMap(folded.capsules, lane.capsules),
        folded.index,
    )
