"""Queue visits, talks, states of agents, acts, audit.

Revision ID: 0011
Revises: 0010
"""

from pathlib import Path

from callcenter.platform.migrate import run_script

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_script(Path(__file__).with_suffix(".sql"))


def downgrade() -> None:
    raise NotImplementedError("Migrations go forward only: write the next one.")
