"""Full-text search over what the node holds, and the log of what its officers read."""

import sqlalchemy as sa
from alembic import op

from agencies.store.words import indexed_json

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_COUNTER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

_FTS5 = """
CREATE VIRTUAL TABLE texts_index USING fts5(
  body, content='texts', content_rowid='id', tokenize="unicode61 remove_diacritics 0"
)
"""
_INSERTED = """
CREATE TRIGGER texts_inserted AFTER INSERT ON texts BEGIN
  INSERT INTO texts_index(rowid, body) VALUES (new.id, new.body);
END
"""
_DELETED = """
CREATE TRIGGER texts_deleted AFTER DELETE ON texts BEGIN
  INSERT INTO texts_index(texts_index, rowid, body) VALUES ('delete', old.id, old.body);
END
"""


def upgrade() -> None:
    op.create_table(
        "disclosure_log",
        sa.Column("id", _COUNTER, autoincrement=True, nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("officer", sa.Text(), nullable=False),
        sa.Column("home", sa.Text(), nullable=False),
        sa.Column("act", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=True),
        sa.Column("justification", sa.Text(), nullable=True),
        sa.Column("query", sa.Text(), nullable=True),
        sa.Column("lane", sa.Text(), nullable=True),
        sa.Column("record_id", sa.LargeBinary(), nullable=True),
        sa.Column("manifest", sa.LargeBinary(), nullable=True),
        sa.Column("portions", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("disclosure_log_officer", "disclosure_log", ["officer", "id"])
    op.create_index("disclosure_log_record", "disclosure_log", ["lane", "record_id"])
    texts = op.create_table(
        "texts",
        sa.Column("id", _COUNTER, autoincrement=True, nullable=False),
        sa.Column("originator", sa.Text(), nullable=False),
        sa.Column("record_id", sa.LargeBinary(), nullable=False),
        sa.Column("manifest", sa.LargeBinary(), nullable=False),
        sa.Column("portion", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("originator", "record_id", "manifest", "portion"),
    )
    connection = op.get_bind()
    if connection.dialect.name == "postgresql":
        op.execute(
            "ALTER TABLE texts ADD COLUMN indexed tsvector GENERATED ALWAYS AS (to_tsvector('simple', body)) STORED"
        )
        op.execute("CREATE INDEX texts_indexed ON texts USING gin (indexed)")
    else:
        for statement in (_FTS5, _INSERTED, _DELETED):
            op.execute(statement)
    held = connection.execute(
        sa.text(
            "SELECT p.originator, p.record_id, p.manifest, p.portion, r.kind, p.content FROM portions p "
            "JOIN records r ON r.originator = p.originator AND r.record_id = p.record_id AND r.manifest = p.manifest"
        )
    )
    for row in held.all():
        made = dict(row._mapping)
        content = made.pop("content")
        connection.execute(sa.insert(texts).values(**made, body=indexed_json(content)))


def downgrade() -> None:
    if op.get_bind().dialect.name != "postgresql":
        op.execute("DROP TABLE texts_index")
    op.drop_table("texts")
    op.drop_table("disclosure_log")
