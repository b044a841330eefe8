"""What a flow refers to, and the stamp that tells callers' caches that something changed.

Revision ID: 0003
Revises: 0002
"""

from pathlib import Path

from callcenter.platform.migrate import run_script

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_script(Path(__file__).with_suffix(".sql"))


def downgrade() -> None:
    raise NotImplementedError("Migrations go forward only: write the next one.")
