"""The tables of a node's store, as SQLAlchemy sees them. Alembic makes and changes them; this only names them.

- What was sealed: `outbox`, `published`; what officers asked to publish, by the key they gave: `publications`.
- What was given: `records`, `portions`, `seals`, `capsules`.
- `activations` are those of our own lane, as its ledger notes them; `shown_*` is what it shows of each recipient's
  chain: the digests not agreed about yet, by the last number of each piece, what is needed to go on from there, and up
  to where recipients agreed.
- `reception_log` is never erased and has no unique pair on purpose: a pair stored twice must show.
- `texts` is what the full-text search looks through, written with the portion that it is of; the index itself is the
  database's own (`texts_index` in SQLite, the column `indexed` in PostgreSQL).
- `disclosure_log` says who was shown what and why, granted or not (Directive (EU) 2016/680 Art. 25); never erased.
- Digests, ids and frames are raw bytes; instants are milliseconds since the epoch; JSON is text.
"""

from sqlalchemy import (
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.types import BigInteger

metadata = MetaData()

#: A counter that SQLite can number by itself, and that is wide enough elsewhere.
Counter = BigInteger().with_variant(Integer(), "sqlite")

#: Receipts that are not compared yet, as it stands in their index: a database that is given a parameter instead cannot
#: know that the index serves.
OPEN = text("compared = 0")

outbox = Table(
    "outbox",
    metadata,
    Column("parcel", Counter, primary_key=True, autoincrement=True),
    Column("bytes", LargeBinary, nullable=False),
    Column("sealed_at_ms", BigInteger, nullable=False),
    Column("offset", BigInteger),
)

published = Table(
    "published",
    metadata,
    Column("manifest", LargeBinary, primary_key=True),
    Column("record_id", LargeBinary, nullable=False),
    Column("sequence", BigInteger, nullable=False, unique=True),
    Column("revision", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("created_s", BigInteger, nullable=False),
    Column("parcel", Counter, ForeignKey("outbox.parcel"), nullable=False),
    Column("entry", Integer, nullable=False),
    Column("plan_index", BigInteger),
    Column("portions", Text, nullable=False),
)
Index("published_record", published.c.record_id)

publications = Table(
    "publications",
    metadata,
    Column("officer", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("record_id", LargeBinary, nullable=False, unique=True),
    Column("created_s", BigInteger, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    PrimaryKeyConstraint("officer", "key"),
)

records = Table(
    "records",
    metadata,
    Column("originator", Text, nullable=False),
    Column("record_id", LargeBinary, nullable=False),
    Column("manifest", LargeBinary, nullable=False),
    Column("kind", Text, nullable=False),
    Column("created_s", BigInteger, nullable=False),
    Column("admitted_ms", BigInteger, nullable=False),
    PrimaryKeyConstraint("originator", "record_id", "manifest"),
)

portions = Table(
    "portions",
    metadata,
    Column("originator", Text, nullable=False),
    Column("record_id", LargeBinary, nullable=False),
    Column("manifest", LargeBinary, nullable=False),
    Column("portion", Text, nullable=False),
    Column("tlp", Text, nullable=False),
    Column("retain_until", Integer, nullable=False),
    Column("handling", Text, nullable=False),
    Column("officers", Text, nullable=False),
    Column("content", Text, nullable=False),
    PrimaryKeyConstraint("originator", "record_id", "manifest", "portion"),
)

reception_log = Table(
    "reception_log",
    metadata,
    Column("id", Counter, primary_key=True, autoincrement=True),
    Column("lane", Text, nullable=False),
    Column("number", BigInteger),
    Column("record_id", LargeBinary, nullable=False),
    Column("manifest", LargeBinary, nullable=False),
    Column("stored", Text, nullable=False),
    Column("received_at_ms", BigInteger, nullable=False),
    Column("manifest_bytes", LargeBinary, nullable=False),
    Column("path", LargeBinary, nullable=False),
    Column("seal", LargeBinary, nullable=False),
    Column("certificate", LargeBinary, nullable=False),
)
Index("reception_log_pair", reception_log.c.lane, reception_log.c.manifest)
Index("reception_log_number", reception_log.c.lane, reception_log.c.number)

seals = Table(
    "seals",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    Column("bytes", LargeBinary, nullable=False),
)

capsules = Table(
    "capsules",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    Column("bytes", LargeBinary, nullable=False),
)

heads = Table(
    "heads",
    metadata,
    Column("lane", Text, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("path", LargeBinary, nullable=False),
    Column("seal", LargeBinary, nullable=False),
    PrimaryKeyConstraint("lane", "number"),
)

quarantine = Table(
    "quarantine",
    metadata,
    Column("id", Counter, primary_key=True, autoincrement=True),
    Column("topic", Text, nullable=False),
    Column("partition", Integer, nullable=False),
    Column("offset", BigInteger, nullable=False),
    Column("entry", Integer),
    Column("lane", Text),
    Column("number", BigInteger),
    Column("record_id", LargeBinary),
    Column("manifest", LargeBinary),
    Column("portion", Text),
    Column("reason", Text, nullable=False),
    Column("bytes", LargeBinary, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
)

chains = Table(
    "chains",
    metadata,
    Column("lane", Text, primary_key=True),
    Column("number", BigInteger, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("receipted", BigInteger, nullable=False),
)

positions = Table(
    "positions",
    metadata,
    Column("topic", Text, nullable=False),
    Column("partition", Integer, nullable=False),
    Column("offset", BigInteger, nullable=False),
    PrimaryKeyConstraint("topic", "partition"),
)

activations = Table(
    "activations",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("arrangement", LargeBinary, nullable=False),
    Column("clock", LargeBinary, nullable=False),
    Column("ledger_offset", BigInteger, nullable=False),
)

receipts = Table(
    "receipts",
    metadata,
    Column("id", LargeBinary, primary_key=True),
    Column("recipient", Text, nullable=False),
    Column("after", BigInteger, nullable=False),
    Column("upto", BigInteger, nullable=False),
    Column("head", LargeBinary, nullable=False),
    Column("exceptions", Text, nullable=False),
    Column("received_at_ms", BigInteger, nullable=False),
    Column("compared", Integer, nullable=False, server_default="0"),
)
Index("receipts_open", receipts.c.recipient, receipts.c.upto, sqlite_where=OPEN, postgresql_where=OPEN)

shown_place = Table(
    "shown_place",
    metadata,
    Column("topic", Text, primary_key=True),
    Column("offset", BigInteger, nullable=False),
    Column("leaves", BigInteger, nullable=False),
    Column("version", LargeBinary),
)

shown_chains = Table(
    "shown_chains",
    metadata,
    Column("recipient", Text, nullable=False),
    Column("upto", BigInteger, nullable=False),
    Column("digests", LargeBinary, nullable=False),
    PrimaryKeyConstraint("recipient", "upto"),
)

shown_rulings = Table(
    "shown_rulings",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    Column("bytes", LargeBinary, nullable=False),
)

shown_holders = Table(
    "shown_holders",
    metadata,
    Column("record_id", LargeBinary, primary_key=True),
    Column("holders", LargeBinary, nullable=False),
)

shown_recipients = Table(
    "shown_recipients",
    metadata,
    Column("recipient", Text, primary_key=True),
    Column("agreed", BigInteger, nullable=False),
    Column("differs", Integer, nullable=False),
)

alarms = Table(
    "alarms",
    metadata,
    Column("id", Counter, primary_key=True, autoincrement=True),
    Column("alarm", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
)

texts = Table(
    "texts",
    metadata,
    Column("id", Counter, primary_key=True, autoincrement=True),
    Column("originator", Text, nullable=False),
    Column("record_id", LargeBinary, nullable=False),
    Column("manifest", LargeBinary, nullable=False),
    Column("portion", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("body", Text, nullable=False),
    UniqueConstraint("originator", "record_id", "manifest", "portion"),
)

disclosure_log = Table(
    "disclosure_log",
    metadata,
    Column("id", Counter, primary_key=True, autoincrement=True),
    Column("at_ms", BigInteger, nullable=False),
    Column("officer", Text, nullable=False),
    Column("home", Text, nullable=False),
    Column("act", Text, nullable=False),
    Column("purpose", Text),
    Column("justification", Text),
    Column("query", Text),
    Column("lane", Text),
    Column("record_id", LargeBinary),
    Column("manifest", LargeBinary),
    Column("portions", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("reason", Text),
)
Index("disclosure_log_officer", disclosure_log.c.officer, disclosure_log.c.id)
Index("disclosure_log_record", disclosure_log.c.lane, disclosure_log.c.record_id)
