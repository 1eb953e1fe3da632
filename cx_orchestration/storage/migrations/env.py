"""Alembic's entry point: runs the migrations on the registry's own engine."""

from alembic import context

from cx_orchestration.storage.rows import Base

with context.config.attributes["engine"].connect() as connection:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        render_as_batch=True,
        # Dagster's own tables may lie in the same database, with their alembic_version.
        version_table="cx_alembic_version",
    )
    with context.begin_transaction():
        context.run_migrations()
    connection.commit()
