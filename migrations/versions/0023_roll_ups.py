"""Roll-ups of figures, and who was a member of which queue when.

Revision ID: 0023
Revises: 0020
"""

from pathlib import Path

from callcenter.platform.migrate import run_script

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_script(Path(__file__).with_suffix(".sql"))


def downgrade() -> None:
    raise NotImplementedError("Migrations go forward only: write the next one.")
