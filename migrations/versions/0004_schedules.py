"""Opening hours and the work calendar.

Revision ID: 0004
Revises: 0003
"""

from pathlib import Path

from callcenter.platform.migrate import run_script

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_script(Path(__file__).with_suffix(".sql"))


def downgrade() -> None:
    raise NotImplementedError("Migrations go forward only: write the next one.")
