"""The first form of the projection."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "checkpoints",
        sa.Column("lane", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("note", sa.LargeBinary(), nullable=False),
        sa.Column("path", sa.LargeBinary(), nullable=False),
        sa.Column("seal", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("lane", "number"),
        sa.UniqueConstraint("lane", "note"),
    )
    op.create_table(
        "decisions",
        sa.Column("lane", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("portion", sa.Text(), nullable=False),
        sa.Column("recipient", sa.Text(), nullable=False),
        sa.Column("released", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("ruling", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("lane", "number", "portion", "recipient"),
    )
    op.create_index("decisions_recipient", "decisions", ["lane", "recipient", "released"], unique=False)
    op.create_table(
        "entries",
        sa.Column("lane", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=True),
        sa.Column("leaf", sa.LargeBinary(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("lane", "number"),
    )
    op.create_table(
        "events",
        sa.Column("lane", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("record_id", sa.LargeBinary(), nullable=False),
        sa.Column("manifest", sa.LargeBinary(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("lane", "number"),
    )
    op.create_index("events_at", "events", ["at_ms", "lane", "number"], unique=False)
    op.create_index("events_record", "events", ["record_id", "lane"], unique=False)
    op.create_table(
        "lanes",
        sa.Column("lane", sa.Text(), nullable=False),
        sa.Column("frontier", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("lane"),
    )
    op.create_table(
        "nodes",
        sa.Column("lane", sa.Text(), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("place", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("lane", "level", "place"),
    )
    op.create_table(
        "positions",
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("topic"),
    )
    op.create_table(
        "receipts",
        sa.Column("recipient", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("lane", sa.Text(), nullable=False),
        sa.Column("after", sa.BigInteger(), nullable=False),
        sa.Column("upto", sa.BigInteger(), nullable=False),
        sa.Column("exceptions", sa.Text(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("recipient", "number"),
    )
    op.create_index("receipts_lane", "receipts", ["lane", "recipient", "upto"], unique=False)
    op.create_table(
        "rules",
        sa.Column("arrangement", sa.LargeBinary(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("legal_basis", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("arrangement", "rule"),
    )
    op.create_table(
        "rulings",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("ruling", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("digest"),
    )
    op.create_table(
        "verdicts",
        sa.Column("ruling", sa.LargeBinary(), nullable=False),
        sa.Column("recipient", sa.Text(), nullable=False),
        sa.Column("barred", sa.Boolean(), nullable=False),
        sa.Column("effect", sa.Text(), nullable=False),
        sa.Column("rules", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("ruling", "recipient"),
    )
    op.create_table(
        "written",
        sa.Column("lane", sa.Text(), nullable=False),
        sa.Column("ruling", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("lane", "ruling"),
    )


def downgrade() -> None:
    op.drop_table("checkpoints")
    op.drop_table("written")
    op.drop_table("verdicts")
    op.drop_table("rulings")
    op.drop_table("rules")
    op.drop_index("receipts_lane", table_name="receipts")
    op.drop_table("receipts")
    op.drop_table("positions")
    op.drop_table("nodes")
    op.drop_table("lanes")
    op.drop_index("events_record", table_name="events")
    op.drop_index("events_at", table_name="events")
    op.drop_table("events")
    op.drop_table("entries")
    op.drop_index("decisions_recipient", table_name="decisions")
    op.drop_table("decisions")
