"""Articles.

Revision ID: 0005
Revises: 0004
"""

from pathlib import Path

from callcenter.platform.migrate import run_script

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_script(Path(__file__).with_suffix(".sql"))


def downgrade() -> None:
    raise NotImplementedError("Migrations go forward only: write the next one.")
