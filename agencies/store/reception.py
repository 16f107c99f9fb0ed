"""What was judged, as rows: everything of a batch, and the reader's position, in the caller's transaction.

- Each table is written once a batch; what is known already is left as it is.
- The position moves by compare-and-set: two processes with one store would else both believe to have stored it.
"""

import json
import logging
import time
from collections.abc import Mapping, Sequence

from sqlalchemy import Connection as SqlConnection
from sqlalchemy import update

from agencies.errors import PositionMoved
from agencies.judging import Delivered, Judged, JudgedReceipt, Received
from agencies.sealing import content_bytes
from agencies.store.database import insert_new
from agencies.store.search import text_row
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
    texts,
)
from schemas.canonical import Domains
from schemas.capsules import capsule_digest
from schemas.certificate import Head
from schemas.envelope import HeadEntry
from schemas.frames import Parcel
from schemas.ids import AgencyId
from schemas.seal import seal_digest

log = logging.getLogger("entente.agencies.reception")


def store_all(
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
            name: [] for name in ("seals", "capsules", "heads", "records", "portions", "texts", "receipts")
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
            self._once["receipts"].append(_receipt_row(receipt, self._now))

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
            content = content_bytes(portion.content).decode()
            self._once["texts"].append(
                text_row(
                    manifest.originator,
                    manifest.record_id,
                    opened.digest,
                    portion.name,
                    manifest.kind,
                    json.loads(content),
                )
            )
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
                    "content": content,
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
            for t in (
                seals,
                capsules,
                heads,
                records,
                portions,
                texts,
                receipts,
                reception_log,
                quarantine,
                alarms,
            )
        }
        for name, new in self._once.items():
            if new:
                connection.execute(insert_new(connection, tables[name]), new)
        for name, new in self._log.items():
            if new:
                connection.execute(tables[name].insert(), new)


def _receipt_row(judged: JudgedReceipt, now: int) -> dict[str, object]:
    """As the originator's store keeps it."""
    return {
        "id": judged.id,
        "recipient": judged.recipient,
        "after": judged.receipt.after,
        "upto": judged.receipt.upto,
        "head": judged.receipt.head,
        "exceptions": json.dumps([[e.number, e.reason] for e in judged.receipt.exceptions]),
        "received_at_ms": now,
    }
