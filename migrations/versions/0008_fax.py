"""Fax documents and deliveries.

Revision ID: 0008
Revises: 0007
"""

from pathlib import Path

from callcenter.platform.migrate import run_script

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_script(Path(__file__).with_suffix(".sql"))


def downgrade() -> None:
    raise NotImplementedError("Migrations go forward only: write the next one.")
