"""What was activated in the agency's own lane: a node seals under the version that holds there."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "activations",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("arrangement", sa.LargeBinary(), nullable=False),
        sa.Column("clock", sa.LargeBinary(), nullable=False),
        sa.Column("ledger_offset", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("number"),
    )


def downgrade() -> None:
    op.drop_table("activations")
