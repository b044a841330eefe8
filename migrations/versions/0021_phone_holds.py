"""Holds by the phones themselves.

Revision ID: 0021
Revises: 0020
"""

from pathlib import Path

from callcenter.platform.migrate import run_script

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_script(Path(__file__).with_suffix(".sql"))


def downgrade() -> None:
    raise NotImplementedError("Migrations go forward only: write the next one.")
