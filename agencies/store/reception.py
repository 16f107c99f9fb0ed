"""What was judged, as rows: everything of a batch, and the reader's position, in the caller's transaction.

- Each table is written once a batch; what is known already is left as it is.
- The position moves by compare-and-set: two processes with one store would else both believe to have stored it.
"""

import json
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

from pydantic_core import from_json
from sqlalchemy import Connection as SqlConnection
from sqlalchemy import Table, update

from agencies.errors import PositionMoved
from agencies.judging import Delivered, Judged, JudgedReceipt, Received
from agencies.store.database import insert_many, insert_or_set
from agencies.store.search import text_row
from agencies.store.tables import chains, metadata, positions
from schemas.canonical import Domains
from schemas.capsules import capsule_digest
from schemas.certificate import Head
from schemas.envelope import HeadEntry
from schemas.frames import Parcel
from schemas.ids import AgencyId, Digest
from schemas.labels import Handling
from schemas.seal import seal_digest

log = logging.getLogger("entente.agencies.reception")


def rows_of(domains: Domains, topic: str, judged: Sequence[tuple[Delivered, Judged]]) -> "Rows":
    """What a batch comes to, as rows."""
    rows = Rows(domains, topic, time.time_ns() // 1_000_000)
    for message, outcome in judged:
        rows.add(message, outcome)
    return rows


def write_all(
    connection: SqlConnection,
    rows: "Rows",
    topic: str,
    chain_heads: Mapping[AgencyId, Head],
    before: Mapping[int, int],
    after: Mapping[int, int],
) -> None:
    """Write the rows, where the chains stand, and the position. Raises: `PositionMoved`."""
    rows.write(connection)
    heads_now = [
        {"lane": lane, "number": head.number, "digest": head.digest, "receipted": 0}
        for lane, head in chain_heads.items()
    ]
    if heads_now:
        connection.execute(insert_or_set(connection, chains, "number", "digest"), heads_now)
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


@lru_cache(4096)
def _handling(handling: Handling) -> str:
    """As JSON; an agency's analysts set few labels, each of them often."""
    return json.dumps({f: getattr(handling, f) for f in handling.__struct_fields__})


@lru_cache(4096)
def _names(names: tuple[str, ...]) -> str:
    """As JSON; few names of officers and portions stand together, each of them often."""
    return json.dumps(names)


def _storable(text: str | None) -> str | None:
    """A stranger's text without NUL, which PostgreSQL refuses: a row that cannot be kept would block the stream."""
    return None if text is None else text.replace("\0", "\ufffd")


class Rows:
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
            seal_names = self._evidence(outcome.parcel, outcome.heads)
            for received in outcome.received:
                self._received(received, seal_names)
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

    def _evidence(self, parcel: Parcel, signed: Sequence[HeadEntry]) -> list[Digest]:
        """Each seal and capsule once, so that every delivery can be verified again in years. Returns seals' names."""
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
        return names

    def _received(self, received: Received, seal_names: Sequence[Digest]) -> None:
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
            content = portion.content.model_dump_json()
            self._once["texts"].append(
                text_row(
                    manifest.originator,
                    manifest.record_id,
                    opened.digest,
                    portion.name,
                    manifest.kind,
                    from_json(content),
                )
            )
            self._once["portions"].append(
                {
                    **key,
                    "portion": portion.name,
                    "tlp": portion.handling.tlp,
                    "retain_until": portion.handling.retain_until,
                    "handling": _handling(portion.handling),
                    "officers": _names(portion.officers),
                    "content": content,
                }
            )
        self._log["reception_log"].append(
            {
                "lane": manifest.originator,
                "number": received.number,
                "record_id": manifest.record_id,
                "manifest": opened.digest,
                "stored": _names(tuple([p.name for p in opened.portions])),
                "received_at_ms": self._now,
                "manifest_bytes": entry.manifest,
                "path": entry.path,
                "seal": seal_names[entry.seal],
                "certificate": entry.certificate,
            }
        )

    def __len__(self) -> int:
        return sum(map(len, (*self._once.values(), *self._log.values())))

    def by_table(self) -> Iterator[tuple[Table, list[dict[str, object]], bool]]:
        """Each table that gets rows, with them, and whether some may be there already, which then stay."""
        for once, collected in ((True, self._once), (False, self._log)):
            for name, new in collected.items():
                if new:
                    yield metadata.tables[name], new, once

    def write(self, connection: SqlConnection) -> None:
        for table, new, once in self.by_table():
            insert_many(connection, table, new, once=once)


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
