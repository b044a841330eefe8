"""Queues as they are edited.

Revision ID: 0014
Revises: 0013
"""

from pathlib import Path

from callcenter.platform.migrate import run_script

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_script(Path(__file__).with_suffix(".sql"))


def downgrade() -> None:
    raise NotImplementedError("Migrations go forward only: write the next one.")
