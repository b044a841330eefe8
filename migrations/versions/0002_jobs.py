"""Background jobs: procrastinate's own tables.

Revision ID: 0002
Revises: 0001
"""

from alembic import op
from procrastinate.schema import SchemaManager

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    script = SchemaManager.get_schema()
    # Many statements with functions in them: asyncpg's own execute() takes them in one go.
    op.get_bind().connection.dbapi_connection.run_async(
        lambda connection: connection.execute(script)
    )


def downgrade() -> None:
    raise NotImplementedError("Migrations go forward only: write the next one.")
