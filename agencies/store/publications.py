"""What officers asked to publish, by the key that each gave: so that asking again publishes once.

The record's id and time of creation are kept before anything is sealed; whether it was sealed, `published` tells.
"""

from dataclasses import dataclass

from sqlalchemy import Connection, select

from agencies.store.database import insert_new
from agencies.store.tables import publications, published
from schemas.ids import OfficerId, RecordId


@dataclass(frozen=True, slots=True)
class Publication:
    """A claim to a key: `body` is the digest of what is to be published by it."""

    officer: OfficerId
    key: str
    body: bytes
    record_id: RecordId
    created_s: int


@dataclass(frozen=True, slots=True)
class Sealed:
    """A record that was sealed, as the outbox keeps it."""

    record_id: RecordId
    manifest: bytes
    sequence: int
    revision: int


def claim(connection: Connection, wanted: Publication, at_ms: int) -> Publication:
    """Keep a claim, or find the one that holds the key already."""
    values = {name: getattr(wanted, name) for name in wanted.__slots__}
    connection.execute(insert_new(connection, publications), {**values, "at_ms": at_ms})
    row = connection.execute(
        select(publications).where(publications.c.officer == wanted.officer, publications.c.key == wanted.key)
    ).one()
    return Publication(
        OfficerId(row.officer), row.key, bytes(row.body), RecordId(bytes(row.record_id)), int(row.created_s)
    )


def sealed(connection: Connection, record_id: RecordId) -> Sealed | None:
    """What became of a claim; None: nothing yet."""
    columns = (published.c.manifest, published.c.sequence, published.c.revision)
    row = connection.execute(
        select(*columns).where(published.c.record_id == record_id).order_by(published.c.sequence).limit(1)
    ).first()
    return (
        None if row is None else Sealed(record_id, bytes(row.manifest), int(row.sequence), int(row.revision))
    )
