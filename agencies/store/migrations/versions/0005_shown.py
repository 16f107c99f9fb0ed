"""What our own ledger shows of each recipient's chain, and what came of holding receipts against it."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_OPEN = sa.text("compared = 0")


def upgrade() -> None:
    op.add_column("receipts", sa.Column("compared", sa.Integer(), nullable=False, server_default="0"))
    op.create_index(
        "receipts_open", "receipts", ["recipient", "upto"], sqlite_where=_OPEN, postgresql_where=_OPEN
    )
    op.create_table(
        "shown_place",
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column("leaves", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.LargeBinary()),
        sa.PrimaryKeyConstraint("topic"),
    )
    op.create_table(
        "shown_chains",
        sa.Column("recipient", sa.Text(), nullable=False),
        sa.Column("upto", sa.BigInteger(), nullable=False),
        sa.Column("digests", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("recipient", "upto"),
    )
    op.create_table(
        "shown_rulings",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("bytes", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("digest"),
    )
    op.create_table(
        "shown_holders",
        sa.Column("record_id", sa.LargeBinary(), nullable=False),
        sa.Column("holders", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("record_id"),
    )
    op.create_table(
        "shown_recipients",
        sa.Column("recipient", sa.Text(), nullable=False),
        sa.Column("agreed", sa.BigInteger(), nullable=False),
        sa.Column("differs", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("recipient"),
    )


def downgrade() -> None:
    for table in ("shown_recipients", "shown_holders", "shown_rulings", "shown_chains", "shown_place"):
        op.drop_table(table)
    op.drop_index("receipts_open", "receipts")
    op.drop_column("receipts", "compared")
