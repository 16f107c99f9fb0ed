"""Alembic's entry point: runs migrations on the connection that `broker.projection.database` hands over."""

from alembic import context

from broker.projection.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
