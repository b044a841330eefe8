"""Figures of flows, callbacks.

Revision ID: 0010
Revises: 0009
"""

from pathlib import Path

from callcenter.platform.migrate import run_script

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_script(Path(__file__).with_suffix(".sql"))


def downgrade() -> None:
    raise NotImplementedError("Migrations go forward only: write the next one.")
