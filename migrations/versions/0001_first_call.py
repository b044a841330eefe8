"""The first call: calls, cases, recordings, flows, lines, agents, queues, users, news.

Revision ID: 0001
Revises:
"""

from pathlib import Path

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    script = Path(__file__).with_name("0001_first_call.sql").read_text("utf-8")
    # asyncpg prepares one statement at a time: the file parts them by a line of dashes.
    for statement in script.split("\n-- ----\n"):
        if statement.strip():
            op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("Migrations go forward only: write the next one.")
