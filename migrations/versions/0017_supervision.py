"""Supervision, quality forms, surveys.

Revision ID: 0017
Revises: 0016
"""

from pathlib import Path

from callcenter.platform.migrate import run_script

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_script(Path(__file__).with_suffix(".sql"))


def downgrade() -> None:
    raise NotImplementedError("Migrations go forward only: write the next one.")
