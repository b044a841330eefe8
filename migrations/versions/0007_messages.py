"""Messages to be worked off.

Revision ID: 0007
Revises: 0006
"""

from pathlib import Path

from callcenter.platform.migrate import run_script

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_script(Path(__file__).with_suffix(".sql"))


def downgrade() -> None:
    raise NotImplementedError("Migrations go forward only: write the next one.")
