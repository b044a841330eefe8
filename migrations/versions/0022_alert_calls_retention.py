"""Alerts that ring phones; what may be deleted when it is old.

Revision ID: 0022
Revises: 0020
"""

from pathlib import Path

from callcenter.platform.migrate import run_script

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_script(Path(__file__).with_suffix(".sql"))


def downgrade() -> None:
    raise NotImplementedError("Migrations go forward only: write the next one.")
