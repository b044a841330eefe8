"""Sessions of agents, pause reasons.

Revision ID: 0013
Revises: 0012
"""

from pathlib import Path

from callcenter.platform.migrate import run_script

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_script(Path(__file__).with_suffix(".sql"))


def downgrade() -> None:
    raise NotImplementedError("Migrations go forward only: write the next one.")
