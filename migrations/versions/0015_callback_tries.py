"""Callbacks that are dialled, missed calls.

Revision ID: 0015
Revises: 0014
"""

from pathlib import Path

from callcenter.platform.migrate import run_script

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_script(Path(__file__).with_suffix(".sql"))


def downgrade() -> None:
    raise NotImplementedError("Migrations go forward only: write the next one.")
