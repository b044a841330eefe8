"""Live state, screen pop.

Revision ID: 0018
Revises: 0017
"""

from pathlib import Path

from callcenter.platform.migrate import run_script

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_script(Path(__file__).with_suffix(".sql"))


def downgrade() -> None:
    raise NotImplementedError("Migrations go forward only: write the next one.")
