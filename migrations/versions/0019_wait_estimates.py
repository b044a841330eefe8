"""Estimates and figures.

Revision ID: 0019
Revises: 0018
"""

from pathlib import Path

from callcenter.platform.migrate import run_script

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_script(Path(__file__).with_suffix(".sql"))


def downgrade() -> None:
    raise NotImplementedError("Migrations go forward only: write the next one.")
