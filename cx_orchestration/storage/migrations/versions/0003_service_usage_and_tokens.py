"""How much services were asked, and their OAuth2 tokens: what all runs have in common."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "service_usage",
        sa.Column("service", sa.String(63), primary_key=True),
        sa.Column("second", sa.Float(), nullable=False),
        sa.Column("minute", sa.Float(), nullable=False),
        sa.Column("filled_at", sa.Float(), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("asked", sa.Integer(), nullable=False),
    )
    op.create_table(
        "request_leases",
        sa.Column("service", sa.String(63), primary_key=True),
        sa.Column("holder", sa.String(32), primary_key=True),
        sa.Column("slots", sa.Integer(), nullable=False),
        sa.Column("wanted", sa.Integer(), nullable=False),
        sa.Column("expires_at", sa.Float(), nullable=False),
    )
    op.create_table(
        "oauth_tokens",
        sa.Column("service", sa.String(63), primary_key=True),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("origin", sa.String(64), nullable=False),
        sa.Column("sealed", sa.Text(), nullable=False),
        sa.Column("claimed_by", sa.String(32)),
        sa.Column("claimed_until", sa.Float()),
    )


def downgrade() -> None:
    op.drop_table("oauth_tokens")
    op.drop_table("request_leases")
    op.drop_table("service_usage")
