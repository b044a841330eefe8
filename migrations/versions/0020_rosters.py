"""Shifts, expert groups, on-call rota.

Revision ID: 0020
Revises: 0019
"""

from pathlib import Path

from callcenter.platform.migrate import run_script

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_script(Path(__file__).with_suffix(".sql"))


def downgrade() -> None:
    raise NotImplementedError("Migrations go forward only: write the next one.")
