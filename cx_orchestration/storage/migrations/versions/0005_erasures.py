"""Erasures of persons, the tombstones that keep them from coming back, and what services must be told."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "erasure_key",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("key", sa.String(64)),
        sa.Column("check", sa.String(64), nullable=False),
    )
    op.create_table(
        "erasures",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("begun_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True)),
        sa.Column("role", sa.String(120), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("subjects", sa.Text(), nullable=False),
        sa.Column("removed", sa.Text(), nullable=False),
        sa.Column("blotted", sa.Text(), nullable=False),
    )
    op.create_table(
        "tombstones",
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("service", sa.String(63), nullable=False),
        sa.Column("erased_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("erasure", sa.String(32), nullable=False),
    )
    op.create_index("ix_tombstones_service", "tombstones", ["service"])
    op.create_table(
        "erasure_notices",
        sa.Column("id", sa.Integer(), primary_key=True, autoincrement=True),
        sa.Column("erasure", sa.String(32), nullable=False),
        sa.Column("service", sa.String(63), nullable=False),
        sa.Column("entity", sa.Text()),
        sa.Column("erased_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("told_at", sa.DateTime(timezone=True)),
    )


def downgrade() -> None:
    op.drop_table("erasure_notices")
    op.drop_table("tombstones")
    op.drop_table("erasures")
    op.drop_table("erasure_key")
