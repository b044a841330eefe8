"""Callbacks: queues that are gone, machines that answer, who hears of the offer.

Revision ID: 0024
Revises: 0023
"""

from pathlib import Path

from callcenter.platform.migrate import run_script

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_script(Path(__file__).with_suffix(".sql"))


def downgrade() -> None:
    raise NotImplementedError("Migrations go forward only: write the next one.")
