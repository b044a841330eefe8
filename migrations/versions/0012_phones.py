"""Agents' phones, skills, teams.

Revision ID: 0012
Revises: 0011
"""

from pathlib import Path

from callcenter.platform.migrate import run_script

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_script(Path(__file__).with_suffix(".sql"))


def downgrade() -> None:
    raise NotImplementedError("Migrations go forward only: write the next one.")
