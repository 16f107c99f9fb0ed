"""The inbox: deliveries are verified, opened and stored with the reader's position, in one SQL transaction.

- What is not newer by chain number is dropped: a repeat, even a transaction committed twice, is harmless.
- What cannot be opened goes to quarantine with its reason and never blocks the stream.
- A bad signature over heads: the deliveries under it go to quarantine. A break in the chain: store, alarm,
  re-anchor at the signed head; the receipt says which numbers are missing.
- The judging of bytes (`Judge`) is pure; `Inbox` is the loop around it.
"""

import asyncio
import json
import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection as SqlConnection
from sqlalchemy import select, update

from agencies.errors import PositionMoved
from agencies.kafka import Connection, Delivered, Reader
from agencies.opening import OpenedDelivery, Opener
from agencies.receipts import JudgedReceipt, judge_receipt
from agencies.sealing import content_bytes
from agencies.standing import Signed
from agencies.store import Store
from agencies.store.database import insert_new
from agencies.store.tables import (
    alarms,
    capsules,
    chains,
    heads,
    portions,
    positions,
    quarantine,
    receipts,
    reception_log,
    records,
    seals,
)
from schemas.arrangement import BROKER, Arrangement
from schemas.canonical import Domains
from schemas.capsules import capsule_digest
from schemas.certificate import (
    Certificate,
    Head,
    certificate_digest,
    chain_start,
    parse_certificate,
)
from schemas.envelope import ControlEntry, DeliveryEntry, HeadEntry, head_leaf, parse_deliver_entry
from schemas.frames import BadFrame, Parcel, parse_parcel
from schemas.ids import AgencyId, Digest
from schemas.merkle import path_root
from schemas.seal import BadSeal, Role, SealVerifier, seal_digest
from schemas.stopping import stop_if_asked
from schemas.verdicts import Alarm, Unopened

log = logging.getLogger("entente.agencies.inbox")


#: Certificates that are remembered to tell a repeat from a fork: what one read of a topic can bring again.
_SEEN = 4096


@dataclass(frozen=True, slots=True)
class Bad:
    """Something for the quarantine, with all that is known of it."""

    reason: Unopened
    data: bytes
    entry: int | None = None
    lane: str | None = None
    number: int | None = None
    record_id: bytes | None = None
    manifest: bytes | None = None
    portion: str | None = None


@dataclass(frozen=True, slots=True)
class Received:
    """A delivery that opened, at least in part, at its number in the chain (None: the number is not proven)."""

    entry: DeliveryEntry
    certificate: Certificate
    number: int | None
    opened: OpenedDelivery


@dataclass(slots=True)
class Judged:
    """What one message comes to."""

    received: list[Received] = field(default_factory=list)
    bad: list[Bad] = field(default_factory=list)
    heads: list[HeadEntry] = field(default_factory=list)
    receipts: list[JudgedReceipt] = field(default_factory=list)
    alarms: list[tuple[Alarm, str]] = field(default_factory=list)
    parcel: Parcel | None = None


@dataclass(slots=True)
class _Run:
    """One lane's deliveries in a parcel, in order: place, entry, certificate, its digest."""

    entries: list[tuple[int, DeliveryEntry, Certificate | None, Digest]] = field(default_factory=list)


class UnknownVersion(Exception):
    """A certificate names a version of the arrangement that has not been read yet."""


class Judge:
    """Turns messages into what is to be stored, carrying chain heads from one message to the next."""

    def __init__(
        self,
        agency: AgencyId,
        arrangement: Arrangement,
        opener: Opener,
        chain_heads: Mapping[AgencyId, Head],
    ) -> None:
        self._agency = agency
        self.domains: Domains = arrangement.domains
        self._versions = {arrangement.digest: arrangement}
        self._windows: SealVerifier = arrangement.window_verifier()
        self._heads_verifier: SealVerifier = arrangement.heads_verifier()
        self._opener = opener
        self._members = frozenset(arrangement.directory.agency_ids)
        self._seen: dict[Digest, None] = {}
        """Certificates taken in lately, the oldest first."""
        self.chains = dict(chain_heads)

    def learn(self, arrangement: Arrangement) -> None:
        """Believe certificates under this version, too."""
        self._versions[arrangement.digest] = arrangement

    def head(self, lane: AgencyId) -> Head:
        """Where the chain of a lane stands."""
        return self.chains.get(lane) or chain_start(self.domains, lane, self._agency)

    def judge(self, message: Delivered, *, all_read: bool = True) -> Judged:
        """Verify and open all that a message holds.

        Raises: `UnknownVersion`, unless all versions that were signed are said to be read; no chain has moved then.
        """
        out = Judged()
        try:
            parcel = parse_parcel(message.value)
        except BadFrame as error:
            out.bad.append(Bad(Unopened(error.code), message.value))
            return out
        if not message.bare:
            out.bad.append(Bad(Unopened.KAFKA_KEY_OR_HEADERS, message.value))
            return out
        out.parcel = parcel
        runs: dict[AgencyId, _Run] = {}
        signed: dict[AgencyId, tuple[HeadEntry, Unopened | None]] = {}
        for i, data in enumerate(parcel.entries):
            try:
                entry = parse_deliver_entry(data)
            except BadFrame:
                out.bad.append(Bad(Unopened.MALFORMED, data, i))
                continue
            if isinstance(entry, DeliveryEntry):
                self._sort(entry, data, i, runs, out, all_read)
            elif isinstance(entry, HeadEntry) and entry.lane not in self._members:
                out.bad.append(Bad(Unopened.BAD_HEAD, data, i))
            elif isinstance(entry, HeadEntry):
                signed[AgencyId(entry.lane)] = (entry, self._verify_head(entry, parcel))
            else:
                self._control(entry, parcel, data, i, out)
        for lane, run in runs.items():
            self._lane(lane, run, signed.get(lane), parcel, out)
        return out

    def _sort(
        self,
        entry: DeliveryEntry,
        data: bytes,
        i: int,
        runs: dict[AgencyId, _Run],
        out: Judged,
        all_read: bool,
    ) -> None:
        """Put a delivery to its lane; one whose certificate cannot be read belongs to none."""
        try:
            certificate = parse_certificate(entry.certificate)
        except BadFrame:
            out.bad.append(Bad(Unopened.BAD_CERTIFICATE, data, i))
            return
        if not all_read and certificate.arrangement not in self._versions:
            raise UnknownVersion(certificate.arrangement.hex())
        if certificate.originator not in self._members:
            out.bad.append(Bad(Unopened.BAD_CERTIFICATE, data, i))
            return
        digest = certificate_digest(self.domains, entry.certificate)
        run = runs.setdefault(AgencyId(certificate.originator), _Run())
        run.entries.append((i, entry, certificate, digest))

    def _verify_head(self, entry: HeadEntry, parcel: Parcel) -> Unopened | None:
        if entry.seal >= len(parcel.seals):
            return Unopened.MALFORMED
        try:
            seal = self._heads_verifier.verify(parcel.seals[entry.seal])
        except BadFrame:
            return Unopened.BAD_SEAL
        except BadSeal as error:
            return Unopened.UNKNOWN_SIGNER if error.unknown_signer else Unopened.BAD_SEAL
        if seal.owner != BROKER or seal.role is not Role.HEADS:
            return Unopened.UNKNOWN_SIGNER
        leaf = head_leaf(self.domains, entry.lane, self._agency, entry.number, entry.digest)
        return None if path_root(leaf, entry.path) == seal.root else Unopened.BAD_PATH

    def _lane(
        self,
        lane: AgencyId,
        run: _Run,
        signed: tuple[HeadEntry, Unopened | None] | None,
        parcel: Parcel,
        out: Judged,
    ) -> None:
        """One lane's share of a parcel: from the signed head backwards, then opened forwards."""
        if signed is None or signed[1] is not None:
            reason = Unopened.BAD_HEAD if signed is None else signed[1] or Unopened.BAD_HEAD
            for i, _, _, _ in run.entries:
                out.bad.append(Bad(reason, parcel.entries[i], i, lane, None, None, None))
            return
        head = signed[0]
        before = self.head(lane)
        if head.number <= before.number:
            self._again(lane, run, parcel, out)
            return
        numbers = self._numbers(run, head, before)
        expected: Digest | None = None
        for (i, entry, certificate, digest), number in zip(run.entries, numbers, strict=True):
            assert certificate is not None
            if number is False:
                out.bad.append(self._bad(Unopened.BAD_CERTIFICATE, parcel, i, lane, None, certificate))
                expected = None
                continue
            if number is not None and number <= before.number:
                expected = digest
                continue
            link = before.digest if number == before.number + 1 else expected
            if link is None or certificate.predecessor != link:
                out.alarms.append((Alarm.CHAIN_BREAK, f"lane '{lane}' before number {certificate.number}"))
            expected = digest
            self._see(digest)
            self._open(entry, certificate, number, i, lane, parcel, out)
        self.chains[lane] = Head(head.number, head.digest)
        out.heads.append(head)

    def _again(self, lane: AgencyId, run: _Run, parcel: Parcel, out: Judged) -> None:
        """Numbers that the chain has passed: a repeat is dropped, another certificate at such a number is a fork."""
        for i, _, certificate, digest in run.entries:
            assert certificate is not None
            if digest not in self._seen:
                out.alarms.append(
                    (Alarm.CHAIN_BREAK, f"lane '{lane}': number {certificate.number} comes twice and differs")
                )
                out.bad.append(self._bad(Unopened.BAD_CERTIFICATE, parcel, i, lane, None, certificate))

    def remember(self, certificates: Iterable[bytes]) -> None:
        """Certificates that were taken in before a restart, the oldest first."""
        for certificate in certificates:
            self._see(certificate_digest(self.domains, certificate))

    def _see(self, digest: Digest) -> None:
        self._seen[digest] = None
        if len(self._seen) > _SEEN:
            self._seen.pop(next(iter(self._seen)))

    @staticmethod
    def _numbers(run: _Run, head: HeadEntry, before: Head) -> list[int | bool | None]:
        """The proven number of each certificate, walking back from the signed head.

        False: it is not the certificate that the signed chain names at its place. None: its place could not
        be proven, because a certificate after it is broken.
        """
        numbers: list[int | bool | None] = []
        wanted: bytes | None = head.digest
        number = head.number
        earlier = [before, *(Head(c.number, d) for _, _, c, d in run.entries if c is not None)]
        for (_, _, certificate, digest), last in zip(
            reversed(run.entries), reversed(earlier[:-1]), strict=True
        ):
            assert certificate is not None
            # It says whom it follows, and then bears another number than the next: it was tampered with.
            misnumbered = certificate.predecessor == last.digest and certificate.number != last.number + 1
            if wanted is None:
                numbers.append(None)
            elif digest == wanted and certificate.number == number:
                numbers.append(number)
                wanted, number = certificate.predecessor, number - 1
            elif certificate.number < number and not misnumbered:
                # What the chain names here is missing; this one is older, so its own place is unproven.
                numbers.append(None)
                wanted = None
            else:
                numbers.append(False)
                wanted = None
        numbers.reverse()
        return numbers

    def _open(
        self,
        entry: DeliveryEntry,
        certificate: Certificate,
        number: int | None,
        i: int,
        lane: AgencyId,
        parcel: Parcel,
        out: Judged,
    ) -> None:
        result = self._opener.open(
            entry, certificate, parcel.seals, parcel.capsules, self._windows, self._versions
        )
        if isinstance(result, Unopened):
            out.bad.append(self._bad(result, parcel, i, lane, number, certificate))
            return
        for portion, reason in result.failed:
            out.bad.append(self._bad(reason, parcel, i, lane, number, certificate, portion))
        if result.portions:
            out.received.append(Received(entry, certificate, number, result))

    @staticmethod
    def _bad(
        reason: Unopened,
        parcel: Parcel,
        i: int,
        lane: AgencyId,
        number: int | None,
        certificate: Certificate,
        portion: str | None = None,
    ) -> Bad:
        return Bad(
            reason, parcel.entries[i], i, lane, number, certificate.record_id, certificate.manifest, portion
        )

    def _control(self, entry: ControlEntry, parcel: Parcel, data: bytes, i: int, out: Judged) -> None:
        judged = judge_receipt(entry, parcel.seals, self._windows, self.domains, self._agency)
        if isinstance(judged, Unopened):
            out.bad.append(Bad(judged, data, i))
        else:
            out.receipts.append(judged)


class Inbox:
    """Reads the agency's deliver topic for ever and stores what `Judge` makes of it."""

    def __init__(
        self,
        store: Store,
        connection: Connection,
        topic: str,
        partitions: Sequence[int],
        judge: Judge,
        signed: Signed,
    ) -> None:
        self._store = store
        self._connection = connection
        self._topic = topic
        self._partitions = partitions
        self._judge = judge
        self._signed = signed
        self.stored = asyncio.Event()

    async def run(self) -> None:
        """Poll, judge, store; a failed batch is read again from where SQL says we are."""
        reader = Reader(self._connection)
        try:
            await reader.start()
            offsets = await self._store.run(lambda c: read_positions(c, self._topic, self._partitions))
            reader.assign(self._topic, offsets)
            failed = False
            while True:
                stop_if_asked()
                try:
                    if failed:
                        offsets = await self._return(reader)
                        failed = False
                    messages = await reader.poll()
                    if messages:
                        await self._store_batch(messages, offsets)
                except PositionMoved:
                    raise
                except Exception as error:  # infrastructure: nothing was stored, so read it again
                    log.warning("inbox reads again (%s: %s)", type(error).__name__, error)
                    failed = True
                    await asyncio.sleep(0.2)
        finally:
            await reader.stop()

    async def _return(self, reader: Reader) -> dict[int, int]:
        """Go back, reader and judge alike, to what SQL holds."""
        offsets, self._judge.chains = await self._store.run(
            lambda c: (read_positions(c, self._topic, self._partitions), read_chains(c))
        )
        reader.rewind(self._topic, offsets)
        return offsets

    async def _store_batch(self, messages: Sequence[Delivered], offsets: dict[int, int]) -> None:
        judged = [(m, await self._judged(m)) for m in messages]
        domains, heads_now = self._judge.domains, dict(self._judge.chains)
        moved = dict(offsets)
        for message in messages:
            moved[message.partition] = message.offset + 1
        await self._store.run(
            lambda c: _store_all(c, domains, self._topic, judged, heads_now, offsets, moved)
        )
        offsets.update(moved)
        self.stored.set()

    async def _judged(self, message: Delivered) -> Judged:
        try:
            return self._judge.judge(message, all_read=False)
        except UnknownVersion:
            # A version is on its topic before any lane is decided under it, so reading on must find it.
            await self._signed.refresh()
            for arrangement in self._signed.versions.values():
                self._judge.learn(arrangement)
            return self._judge.judge(message)


def read_positions(connection: SqlConnection, topic: str, partitions: Sequence[int]) -> dict[int, int]:
    """The next offset of each partition, 0 where nothing was read yet; rows are made at first sight."""
    connection.execute(
        insert_new(connection, positions),
        [{"topic": topic, "partition": p, "offset": 0} for p in partitions],
    )
    rows = connection.execute(
        select(positions.c.partition, positions.c.offset).where(positions.c.topic == topic)
    )
    return {int(r.partition): int(r.offset) for r in rows}


def read_certificates(connection: SqlConnection) -> list[bytes]:
    """The certificates taken in lately, the oldest first."""
    newest = select(reception_log.c.certificate).order_by(reception_log.c.id.desc()).limit(_SEEN)
    return [bytes(row.certificate) for row in connection.execute(newest)][::-1]


def read_chains(connection: SqlConnection) -> dict[AgencyId, Head]:
    """Where each lane's chain stands."""
    rows = connection.execute(select(chains.c.lane, chains.c.number, chains.c.digest))
    return {AgencyId(r.lane): Head(int(r.number), bytes(r.digest)) for r in rows}


def _store_all(
    connection: SqlConnection,
    domains: Domains,
    topic: str,
    judged: Sequence[tuple[Delivered, Judged]],
    chain_heads: Mapping[AgencyId, Head],
    before: Mapping[int, int],
    after: Mapping[int, int],
) -> None:
    """Everything of a batch, and the position, in the caller's transaction."""
    now = time.time_ns() // 1_000_000
    rows = _Rows(domains, topic, now)
    for message, outcome in judged:
        rows.add(message, outcome)
    rows.write(connection)
    for lane, head in chain_heads.items():
        fresh = {"lane": lane, "number": head.number, "digest": head.digest, "receipted": 0}
        connection.execute(insert_new(connection, chains), fresh)
        connection.execute(
            update(chains).where(chains.c.lane == lane).values(number=head.number, digest=head.digest)
        )
    for partition, offset in after.items():
        if offset == before[partition]:
            continue
        moved = connection.execute(
            update(positions)
            .where(
                positions.c.topic == topic,
                positions.c.partition == partition,
                positions.c.offset == before[partition],
            )
            .values(offset=offset)
        )
        if moved.rowcount != 1:  # compare-and-set: somebody else stored this batch
            raise PositionMoved(f"position of '{topic}' is not {before[partition]} any more")


def _storable(text: str | None) -> str | None:
    """A stranger's text without NUL, which PostgreSQL refuses: a row that cannot be kept would block the stream."""
    return None if text is None else text.replace("\0", "\ufffd")


class _Rows:
    """Rows by table, collected over a batch so that each table is written once."""

    def __init__(self, domains: Domains, topic: str, now: int) -> None:
        self._domains = domains
        self._topic = topic
        self._now = now
        self._once: dict[str, list[dict[str, object]]] = {
            name: [] for name in ("seals", "capsules", "heads", "records", "portions", "receipts")
        }
        self._log: dict[str, list[dict[str, object]]] = {
            name: [] for name in ("reception_log", "quarantine", "alarms")
        }

    def add(self, message: Delivered, outcome: Judged) -> None:
        if outcome.parcel is not None and (outcome.received or outcome.heads):
            self._evidence(outcome.parcel, outcome.heads)
        for received in outcome.received:
            self._received(received, outcome.parcel)
        for bad in outcome.bad:
            self._log["quarantine"].append(
                {
                    "topic": self._topic,
                    "partition": message.partition,
                    "offset": message.offset,
                    "entry": bad.entry,
                    "lane": _storable(bad.lane),
                    "number": bad.number,
                    "record_id": bad.record_id,
                    "manifest": bad.manifest,
                    "portion": _storable(bad.portion),
                    "reason": bad.reason,
                    "bytes": bad.data,
                    "at_ms": self._now,
                }
            )
        for alarm, detail in outcome.alarms:
            log.warning("%s: %s", alarm, detail)
            self._log["alarms"].append({"alarm": alarm, "detail": detail, "at_ms": self._now})
        for receipt in outcome.receipts:
            self._once["receipts"].append(receipt.row(self._now))

    def _evidence(self, parcel: Parcel, signed: Sequence[HeadEntry]) -> None:
        """Each seal and capsule once, so that every delivery can be verified again in years."""
        names = [seal_digest(self._domains, data) for data in parcel.seals]
        self._once["seals"] += ({"digest": n, "bytes": d} for n, d in zip(names, parcel.seals, strict=True))
        self._once["capsules"] += (
            {"digest": capsule_digest(self._domains, data), "bytes": data} for data in parcel.capsules
        )
        self._once["heads"] += (
            {
                "lane": h.lane,
                "number": h.number,
                "digest": h.digest,
                "path": h.path,
                "seal": names[h.seal],
            }
            for h in signed
        )

    def _received(self, received: Received, parcel: Parcel | None) -> None:
        assert parcel is not None
        entry, opened = received.entry, received.opened
        manifest = opened.manifest
        key = {
            "originator": manifest.originator,
            "record_id": manifest.record_id,
            "manifest": opened.digest,
        }
        self._once["records"].append(
            {
                **key,
                "kind": manifest.kind,
                "created_s": manifest.created_s,
                "admitted_ms": received.certificate.admitted_ms,
            }
        )
        for portion in opened.portions:
            self._once["portions"].append(
                {
                    **key,
                    "portion": portion.name,
                    "tlp": portion.handling.tlp,
                    "retain_until": portion.handling.retain_until,
                    "handling": json.dumps(
                        {f: getattr(portion.handling, f) for f in portion.handling.__struct_fields__}
                    ),
                    "officers": json.dumps(portion.officers),
                    "content": content_bytes(portion.content).decode(),
                }
            )
        self._log["reception_log"].append(
            {
                "lane": manifest.originator,
                "number": received.number,
                "record_id": manifest.record_id,
                "manifest": opened.digest,
                "stored": json.dumps([p.name for p in opened.portions]),
                "received_at_ms": self._now,
                "manifest_bytes": entry.manifest,
                "path": entry.path,
                "seal": seal_digest(self._domains, parcel.seals[entry.seal]),
                "certificate": entry.certificate,
            }
        )

    def write(self, connection: SqlConnection) -> None:
        tables = {
            t.name: t
            for t in (seals, capsules, heads, records, portions, receipts, reception_log, quarantine, alarms)
        }
        for name, new in self._once.items():
            if new:
                connection.execute(insert_new(connection, tables[name]), new)
        for name, new in self._log.items():
            if new:
                connection.execute(tables[name].insert(), new)
