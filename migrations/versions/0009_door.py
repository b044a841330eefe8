"""What a line does at its door.

Revision ID: 0009
Revises: 0008
"""

from pathlib import Path

from callcenter.platform.migrate import run_script

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_script(Path(__file__).with_suffix(".sql"))


def downgrade() -> None:
    raise NotImplementedError("Migrations go forward only: write the next one.")
