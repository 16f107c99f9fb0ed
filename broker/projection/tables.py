"""The tables of the projection, as SQLAlchemy sees them. Alembic makes and changes them; this only names them.

- `entries` are leaves by lane and number, with their bytes and hashes; `nodes` are the perfect subtrees over them, so
  that a proof takes a few rows and not all of a ledger.
- `decisions` has a row for each pair of a portion and an agency that was active then; which rules decided it,
  `verdicts` says, by ruling and recipient; what a rule says in words, `rules`, by version.
- `events` are the leaves that decide something: what pages and event streams count.
- `checkpoints` are what the broker signed of a ledger, numbered in the order in which they stand there.
- `positions` is what was read of each topic, moved in the transaction that writes the rows.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData()

positions = Table(
    "positions",
    metadata,
    Column("topic", Text, primary_key=True),
    Column("offset", BigInteger, nullable=False),
)

lanes = Table(
    "lanes",
    metadata,
    Column("lane", Text, primary_key=True),
    Column("frontier", LargeBinary, nullable=False),
)

entries = Table(
    "entries",
    metadata,
    Column("lane", Text, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("at_ms", BigInteger),
    Column("leaf", LargeBinary, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    PrimaryKeyConstraint("lane", "number"),
)

nodes = Table(
    "nodes",
    metadata,
    Column("lane", Text, nullable=False),
    Column("level", Integer, nullable=False),
    Column("place", BigInteger, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    PrimaryKeyConstraint("lane", "level", "place"),
)

events = Table(
    "events",
    metadata,
    Column("lane", Text, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("record_id", LargeBinary, nullable=False),
    Column("manifest", LargeBinary, nullable=False),
    Column("reason", Text),
    PrimaryKeyConstraint("lane", "number"),
)
Index("events_at", events.c.at_ms, events.c.lane, events.c.number)
Index("events_record", events.c.record_id, events.c.lane)

decisions = Table(
    "decisions",
    metadata,
    Column("lane", Text, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("portion", Text, nullable=False),
    Column("recipient", Text, nullable=False),
    Column("released", Boolean, nullable=False),
    Column("reason", Text),
    Column("ruling", LargeBinary, nullable=False),
    PrimaryKeyConstraint("lane", "number", "portion", "recipient"),
)
Index("decisions_recipient", decisions.c.lane, decisions.c.recipient, decisions.c.released)

rulings = Table(
    "rulings",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    Column("ruling", LargeBinary, nullable=False),
)

written = Table(
    "written",
    metadata,
    Column("lane", Text, nullable=False),
    Column("ruling", LargeBinary, nullable=False),
    PrimaryKeyConstraint("lane", "ruling"),
)

verdicts = Table(
    "verdicts",
    metadata,
    Column("ruling", LargeBinary, nullable=False),
    Column("recipient", Text, nullable=False),
    Column("barred", Boolean, nullable=False),
    Column("effect", Text, nullable=False),
    Column("rules", Text, nullable=False),
    PrimaryKeyConstraint("ruling", "recipient"),
)

rules = Table(
    "rules",
    metadata,
    Column("arrangement", LargeBinary, nullable=False),
    Column("rule", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("legal_basis", Text, nullable=False),
    PrimaryKeyConstraint("arrangement", "rule"),
)

checkpoints = Table(
    "checkpoints",
    metadata,
    Column("lane", Text, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("note", LargeBinary, nullable=False),
    Column("path", LargeBinary, nullable=False),
    Column("seal", LargeBinary, nullable=False),
    PrimaryKeyConstraint("lane", "number"),
    UniqueConstraint("lane", "note"),
)

receipts = Table(
    "receipts",
    metadata,
    Column("recipient", Text, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("lane", Text, nullable=False),
    Column("after", BigInteger, nullable=False),
    Column("upto", BigInteger, nullable=False),
    Column("exceptions", Text, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    PrimaryKeyConstraint("recipient", "number"),
)
Index("receipts_lane", receipts.c.lane, receipts.c.recipient, receipts.c.upto)
