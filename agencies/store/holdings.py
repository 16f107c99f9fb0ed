"""What the node holds of a record, portion by portion, with the labels that access to it is decided by.

- Received portions and published ones alike: the labels of the latter stand in the parcels of the outbox, as sealed.
- A label that cannot be read is None: whoever decides then denies.
- Lists go by the place in the reception log or the search index; a place is told outside by the record it is of, never
  by its number, which would tell how much lies between.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import msgspec
from sqlalchemy import Connection, select

from agencies.access import Held
from agencies.store.search import Found
from agencies.store.tables import outbox, portions, published, reception_log, records, texts
from schemas.audience import named_officers
from schemas.envelope import RecordEntry, parse_submission_entry
from schemas.frames import BadFrame, parse_parcel
from schemas.ids import AgencyId
from schemas.labels import Handling, Label, UnknownCode, parse_handling, parse_routing


@dataclass(frozen=True, slots=True)
class HeldRecord:
    """One revision of a record, and its portions with their content as JSON. `admitted_ms`: None for our own."""

    originator: AgencyId
    record_id: bytes
    manifest: bytes
    kind: str
    created_s: int
    admitted_ms: int | None
    portions: tuple[tuple[Held, str], ...]


@dataclass(frozen=True, slots=True)
class Reception:
    """A line of the reception log."""

    place: int
    originator: AgencyId
    record_id: bytes
    manifest: bytes
    received_ms: int


def revision(
    connection: Connection, agency: AgencyId, originator: str, record_id: bytes, manifest: bytes | None = None
) -> HeldRecord | None:
    """A revision that the agency holds, the newest one where none is named; None: it holds none."""
    if originator == agency:
        return _own(connection, agency, record_id, manifest)
    wanted = (
        select(records)
        .where(records.c.originator == originator, records.c.record_id == record_id)
        .order_by(records.c.admitted_ms.desc(), records.c.manifest)
        .limit(1)
    )
    if manifest is not None:
        wanted = wanted.where(records.c.manifest == manifest)
    row = connection.execute(wanted).first()
    if row is None:
        return None
    digest = bytes(row.manifest)
    rows = connection.execute(
        select(portions.c.portion, portions.c.handling, portions.c.officers, portions.c.content)
        .where(
            portions.c.originator == originator,
            portions.c.record_id == record_id,
            portions.c.manifest == digest,
        )
        .order_by(portions.c.portion)
    )
    lane = AgencyId(originator)
    held = tuple(
        (
            Held(
                lane,
                record_id,
                digest,
                row.kind,
                r.portion,
                _handling(r.handling),
                tuple(json.loads(r.officers)),
            ),
            str(r.content),
        )
        for r in rows
    )
    return HeldRecord(lane, record_id, digest, row.kind, int(row.created_s), int(row.admitted_ms), held)


def found(connection: Connection, agency: AgencyId, hits: Iterable[Found]) -> list[tuple[Found, Held | None]]:
    """Of each hit of a search the portion that it is; None where it is held no more."""
    known: dict[tuple[str, bytes], dict[str, Held]] = {}
    told = []
    for hit in hits:
        key = (hit.originator, hit.manifest)
        if key not in known:
            record = revision(connection, agency, hit.originator, hit.record_id, hit.manifest)
            known[key] = {} if record is None else {held.name: held for held, _ in record.portions}
        told.append((hit, known[key].get(hit.portion)))
    return told


def receptions(connection: Connection, limit: int, before: int | None) -> Sequence[Reception]:
    """What was received, the newest first, below a place."""
    wanted = select(reception_log).order_by(reception_log.c.id.desc()).limit(limit)
    if before is not None:
        wanted = wanted.where(reception_log.c.id < before)
    return [
        Reception(int(r.id), AgencyId(r.lane), bytes(r.record_id), bytes(r.manifest), int(r.received_at_ms))
        for r in connection.execute(wanted)
    ]


def reception_place(connection: Connection, originator: str, manifest: bytes) -> int | None:
    """The place of a revision in the reception log."""
    wanted = select(reception_log.c.id).where(
        reception_log.c.lane == originator, reception_log.c.manifest == manifest
    )
    place = connection.scalar(wanted.order_by(reception_log.c.id).limit(1))
    return None if place is None else int(place)


def search_place(
    connection: Connection, originator: str, record_id: bytes, manifest: bytes, portion: str
) -> int | None:
    """The place of a portion in the search index."""
    place = connection.scalar(
        select(texts.c.id).where(
            texts.c.originator == originator,
            texts.c.record_id == record_id,
            texts.c.manifest == manifest,
            texts.c.portion == portion,
        )
    )
    return None if place is None else int(place)


def _own(
    connection: Connection, agency: AgencyId, record_id: bytes, manifest: bytes | None
) -> HeldRecord | None:
    wanted = (
        select(published, outbox.c.bytes)
        .join(outbox, published.c.parcel == outbox.c.parcel)
        .where(published.c.record_id == record_id)
        .order_by(published.c.sequence.desc())
        .limit(1)
    )
    if manifest is not None:
        wanted = wanted.where(published.c.manifest == manifest)
    row = connection.execute(wanted).first()
    if row is None:
        return None
    digest, labels = bytes(row.manifest), _labels(bytes(row.bytes), int(row.entry))
    held = []
    for name, content in sorted(json.loads(row.portions).items()):
        label = labels.get(name)
        named = () if label is None else named_officers(label, agency)
        handling = None if label is None else label.handling
        text = json.dumps(content, ensure_ascii=False)
        held.append((Held(agency, record_id, digest, row.kind, name, handling, named), text))
    return HeldRecord(agency, record_id, digest, row.kind, int(row.created_s), None, tuple(held))


def _labels(parcel: bytes, entry: int) -> Mapping[str, Label]:
    """The labels of a record in a parcel of the outbox; empty where it cannot be read."""
    try:
        sealed = parse_submission_entry(parse_parcel(parcel).entries[entry])
        assert isinstance(sealed, RecordEntry)
        return {
            slot.name: Label(parse_handling(slot.handling), parse_routing(slot.routing))
            for slot in sealed.portions
        }
    except (BadFrame, IndexError, AssertionError, UnknownCode, msgspec.MsgspecError):
        return {}


def _handling(text: str) -> Handling | None:
    """A label as the store keeps it, by names."""
    try:
        fields = json.loads(text)
        return msgspec.convert([fields[name] for name in Handling.__struct_fields__], Handling)
    except (ValueError, KeyError, TypeError, msgspec.ValidationError):
        return None
