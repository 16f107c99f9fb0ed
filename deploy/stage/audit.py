"""The audit of a run's lanes: each replayed from its log and compared with what was committed, byte for byte.

Compared: ledger entries in order, the root and size in the lane's state, every certificate in the recipients'
deliver topics, the chain heads, and what checkpoints were signed over. Batches are cut anew at random, and the process
has another hash seed.

A lane whose submissions were trimmed is decided again from its ledger (`broker.ledger_replay`); certificates are
compared as far back as a deliver topic still has them.
"""

import asyncio
import contextlib
import random
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache
from heapq import merge
from multiprocessing import get_context
from operator import itemgetter

from broker.admission import SourceMessage
from broker.kafka import Connection, first_offsets, read_all, read_many
from broker.ledger_replay import FromLedger, replay_ledger
from broker.recovery import read_state
from broker.replay import Replayed, replay
from broker.rounds import contradictions
from broker.step import Restored
from broker.versions import ReadyHistory
from deploy.stage.evidence import Ledger, read_ledgers
from schemas.arrangement import Arrangement, ArrangementError
from schemas.canonical import Domains
from schemas.certificate import certificate_digest, parse_certificate
from schemas.checkpoint import CheckpointVerifier
from schemas.directory import Directory
from schemas.envelope import DeliveryEntry, parse_deliver_entry
from schemas.frames import parse_parcel
from schemas.ids import AgencyId, Digest
from schemas.ledger import Activation, LeafEntry, entry_bytes, parse_leaf, parse_ledger_entry
from schemas.topics import arrangement_topic, deliver_topic, lanes_topic, submit_topic


@dataclass(slots=True)
class LaneAudit:
    """What the audit of one lane found; equal when `differences` is empty."""

    lane: AgencyId
    leaves: int
    root: str
    certificates: int
    from_ledger: bool = False
    """Its submissions are trimmed: admission was not done again."""
    differences: list[str] = field(default_factory=list)

    @property
    def equal(self) -> bool:
        return not self.differences


async def audit_lanes(
    connection: Connection, arrangement: Arrangement, prefix: str, seed: int
) -> list[LaneAudit]:
    """Audit every lane of the federation whose genesis this is, under all that was signed since."""
    directory, domains = arrangement.directory, arrangement.domains
    signed = [m.value async for m, _ in read_all(connection, arrangement_topic(prefix))]
    history = _history(arrangement.digest, tuple(signed))
    states: dict[AgencyId, Restored] = {}
    for shard in range(history.partitions):
        states |= await read_state(connection, lanes_topic(shard, prefix))
    delivered = await _certificates(connection, directory, history.partitions, prefix)
    shards = range(history.partitions)
    places = {(deliver_topic(a, prefix), s): a for a in directory.agency_ids for s in shards}
    trimmed = {
        places[place] for place, first in (await first_offsets(connection, [*places])).items() if first
    }
    ledgers = await read_ledgers(connection, domains, directory.agency_ids, prefix)
    submitted = await _submissions(connection, states, prefix)
    work = [
        _Work(
            arrangement.digest,
            tuple(signed),
            lane,
            submitted.get(lane),
            ledgers[lane].entries,
            f"{seed}/{lane}",
        )
        for lane in directory.agency_ids
    ]
    # Lanes do not depend on one another, so each processor replays its share, in a process that knows nothing yet.
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as processes:
        replays = await asyncio.gather(
            *(asyncio.get_running_loop().run_in_executor(processes, _replayed, one) for one in work)
        )
    audits, verifier = list[LaneAudit](), CheckpointVerifier.of(*history.versions.values())
    for lane, replayed in zip(directory.agency_ids, replays, strict=True):
        mine = {r: lanes.get(lane, []) for r, lanes in delivered.items()}
        ledger = ledgers[lane]
        compared = _compare(lane, replayed, ledger, states[lane], mine, trimmed, domains)
        # The leaves are those of the replay, or a difference is noted: so are the roots over them
        compared.differences += contradictions(lane, ledger.checkpoints, ledger.hashes(domains), verifier)
        audits.append(compared)
    return audits


@dataclass(frozen=True, slots=True)
class _Work:
    """What a replay of one lane needs, and nothing more."""

    genesis: Digest
    signed: tuple[bytes, ...]
    lane: AgencyId
    messages: list[SourceMessage] | None
    """None: they are trimmed."""
    entries: list[bytes]
    cuts: str


def _replayed(work: _Work) -> Replayed | FromLedger:
    """One lane, replayed from its log, in cuts of its own."""
    versions = _history(work.genesis, work.signed).ready
    entries = [parse_ledger_entry(data) for data in work.entries]
    if work.messages is None:
        return replay_ledger(work.lane, entries, versions)
    leaves = (parse_leaf(entry.leaf) for entry in entries if isinstance(entry, LeafEntry))
    activations = [leaf for leaf in leaves if isinstance(leaf, Activation)]
    return replay(work.lane, work.messages, activations, versions, _cuts(random.Random(work.cuts)))


@lru_cache(1)
def _history(genesis: Digest, signed: tuple[bytes, ...]) -> ReadyHistory:
    history = ReadyHistory(genesis)
    for data in signed:
        with contextlib.suppress(ArrangementError):  # what the broker refused holds in no lane
            history.read(data)
    return history


def _cuts(random_source: random.Random) -> Iterator[int]:
    while True:
        yield random_source.randint(1, 9)


async def _submissions(
    connection: Connection, states: Mapping[AgencyId, Restored], prefix: str
) -> dict[AgencyId, list[SourceMessage]]:
    """What each lane has decided on, in the order of its log; of those lanes that have all of it."""
    begins = await first_offsets(connection, [(submit_topic(lane, prefix), 0) for lane in states])
    topics = {topic: lane for lane in states if begins[(topic := submit_topic(lane, prefix)), 0] == 0}
    found: dict[AgencyId, list[SourceMessage]] = {lane: [] for lane in topics.values()}
    async for topic, message, _ in read_many(connection, {(topic, 0): 0 for topic in topics}):
        lane = topics[topic]
        if message.offset < states[lane].state.next_offset:
            found[lane].append(message)
    return found


async def _certificates(
    connection: Connection, directory: Directory, partitions: int, prefix: str
) -> dict[AgencyId, dict[AgencyId, list[bytes]]]:
    """Every committed certificate, by recipient and lane, in the order of the chain.

    A lane that was resharded stands in several partitions. Those that are in order each are woven into one; where one
    is not, neither is what comes of it.
    """
    topics = {deliver_topic(recipient, prefix): recipient for recipient in directory.agency_ids}
    woven: dict[AgencyId, dict[AgencyId, list[list[tuple[int, bytes]]]]] = {}
    for partition in range(partitions):
        found: dict[tuple[AgencyId, AgencyId], list[tuple[int, bytes]]] = {}
        async for topic, message, _ in read_many(connection, {(topic, partition): 0 for topic in topics}):
            for data in parse_parcel(message.value).entries:
                entry = parse_deliver_entry(data)
                if isinstance(entry, DeliveryEntry):
                    certificate = parse_certificate(entry.certificate)
                    place = topics[topic], AgencyId(certificate.originator)
                    found.setdefault(place, []).append((certificate.number, entry.certificate))
        for (recipient, lane), run in found.items():
            woven.setdefault(recipient, {}).setdefault(lane, []).append(run)
    return {
        recipient: {lane: [c for _, c in merge(*runs, key=itemgetter(0))] for lane, runs in lanes.items()}
        for recipient, lanes in woven.items()
    }


def _compare(
    lane: AgencyId,
    replayed: Replayed | FromLedger,
    ledger: Ledger,
    committed: Restored,
    delivered: dict[AgencyId, list[bytes]],
    trimmed: Collection[AgencyId],
    domains: Domains,
) -> LaneAudit:
    state = committed.state
    total = sum(map(len, replayed.certificates.values()))
    audit = LaneAudit(lane, replayed.leaves, replayed.root.hex(), total)
    if isinstance(replayed, FromLedger):
        audit.from_ledger = True
        audit.differences += replayed.differences
    elif [entry_bytes(e) for e in replayed.ledger] != ledger.entries:
        audit.differences.append(
            f"ledger: {len(ledger.entries)} entries committed, {len(replayed.ledger)} replayed, not the same bytes"
        )
    if (state.ledger.size, state.ledger.root()) != (replayed.leaves, replayed.root):
        audit.differences.append(
            f"root: {state.ledger.root().hex()} committed, {replayed.root.hex()} replayed"
        )
    if committed.heads != replayed.heads:
        audit.differences.append("chain heads differ")
    for recipient in {*delivered, *replayed.certificates}:
        theirs, ours = delivered.get(recipient, []), replayed.certificates.get(recipient, [])
        # Below what a recipient has acknowledged its topic may be trimmed: what is there is the end of the chain
        if theirs != ours[len(ours) - len(theirs) :] or (
            len(theirs) < len(ours) and recipient not in trimmed
        ):
            audit.differences.append(
                f"certificates to '{recipient}': {len(theirs)} delivered, {len(ours)} replayed"
            )
        if ours and certificate_digest(domains, ours[-1]) != replayed.heads[recipient].digest:
            audit.differences.append(f"chain to '{recipient}' does not end at its head")
    return audit
