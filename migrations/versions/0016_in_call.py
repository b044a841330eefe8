"""Acts in a call, directory, pauses of recordings.

Revision ID: 0016
Revises: 0015
"""

from pathlib import Path

from callcenter.platform.migrate import run_script

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_script(Path(__file__).with_suffix(".sql"))


def downgrade() -> None:
    raise NotImplementedError("Migrations go forward only: write the next one.")
