"""The audit of a run's lanes: each replayed from its log and compared with what was committed, byte for byte.

Compared: ledger entries in order, the root and size in the lane's state, every certificate in the recipients'
deliver topics, and the chain heads. Batches are cut anew at random, and the process has another hash seed.
"""

import contextlib
import random
from collections.abc import Iterator
from dataclasses import dataclass, field

from broker.kafka import Connection, read_all
from broker.replay import Replayed, replay
from broker.step import Restored, restore
from broker.versions import ReadyHistory, Versions
from deploy.stage.evidence import Ledger, read_ledger
from schemas.arrangement import Arrangement, ArrangementError
from schemas.canonical import Domains
from schemas.certificate import certificate_digest, parse_certificate
from schemas.envelope import DeliveryEntry, parse_deliver_entry
from schemas.frames import parse_parcel
from schemas.ids import AgencyId
from schemas.ledger import Activation, entry_bytes
from schemas.topics import arrangement_topic, deliver_topic, lanes_topic, submit_topic


@dataclass(slots=True)
class LaneAudit:
    """What the audit of one lane found; equal when `differences` is empty."""

    lane: AgencyId
    leaves: int
    root: str
    certificates: int
    differences: list[str] = field(default_factory=list)

    @property
    def equal(self) -> bool:
        return not self.differences


async def audit_lanes(
    connection: Connection, arrangement: Arrangement, prefix: str, seed: int
) -> list[LaneAudit]:
    """Audit every lane of the federation whose genesis this is, under all that was signed since."""
    versions = await _versions(connection, arrangement, prefix)
    directory, domains = arrangement.directory, arrangement.domains
    states: dict[AgencyId, Restored] = {}
    for shard in directory.shards:
        topic = lanes_topic(shard, prefix)
        states |= restore([(key or b"", m.value) async for m, key in read_all(connection, topic)])
    delivered = await _certificates(connection, arrangement, prefix)
    audits = []
    for lane in directory.agency_ids:
        ledger = await read_ledger(connection, domains, lane, prefix)
        state = states[lane].state
        topic = submit_topic(lane, prefix)
        messages = [m async for m, _ in read_all(connection, topic) if m.offset < state.next_offset]
        activations = [leaf for leaf in ledger.leaves if isinstance(leaf, Activation)]
        replayed = replay(lane, messages, activations, versions, _cuts(random.Random(f"{seed}/{lane}")))
        mine = {r: [c for o, c in certificates if o == lane] for r, certificates in delivered.items()}
        audits.append(_compare(lane, replayed, ledger, states[lane], mine, domains))
    return audits


async def _versions(connection: Connection, genesis: Arrangement, prefix: str) -> Versions:
    """Every version that holds or held, with its rules."""
    history = ReadyHistory(genesis.digest)
    async for message, _ in read_all(connection, arrangement_topic(prefix)):
        with contextlib.suppress(ArrangementError):  # what the broker refused holds in no lane
            history.read(message.value)
    return history.ready


def _cuts(random_source: random.Random) -> Iterator[int]:
    while True:
        yield random_source.randint(1, 9)


async def _certificates(
    connection: Connection, arrangement: Arrangement, prefix: str
) -> dict[AgencyId, list[tuple[str, bytes]]]:
    """(originator, certificate) of every committed delivery, by recipient, in order."""
    out: dict[AgencyId, list[tuple[str, bytes]]] = {}
    for recipient in arrangement.directory.agency_ids:
        for shard in arrangement.directory.shards:
            async for message, _ in read_all(connection, deliver_topic(recipient, prefix), shard):
                for data in parse_parcel(message.value).entries:
                    entry = parse_deliver_entry(data)
                    if isinstance(entry, DeliveryEntry):
                        originator = parse_certificate(entry.certificate).originator
                        out.setdefault(recipient, []).append((originator, entry.certificate))
    return out


def _compare(
    lane: AgencyId,
    replayed: Replayed,
    ledger: Ledger,
    committed: Restored,
    delivered: dict[AgencyId, list[bytes]],
    domains: Domains,
) -> LaneAudit:
    state = committed.state
    total = sum(map(len, replayed.certificates.values()))
    audit = LaneAudit(lane, replayed.leaves, replayed.root.hex(), total)
    if [entry_bytes(e) for e in replayed.ledger] != ledger.entries:
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
        if theirs != ours:
            audit.differences.append(
                f"certificates to '{recipient}': {len(theirs)} delivered, {len(ours)} replayed"
            )
        if ours and certificate_digest(domains, ours[-1]) != replayed.heads[recipient].digest:
            audit.differences.append(f"chain to '{recipient}' does not end at its head")
    return audit
