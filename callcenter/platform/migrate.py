"""Bringing the schema up to date, by alembic, and saying how far it is."""

from __future__ import annotations

import asyncio
from importlib.util import find_spec
from pathlib import Path

from alembic import command, op
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.engine import URL

from callcenter.platform.db import Database, DatabaseUnavailable, is_away
from callcenter.platform.errors import Misconfigured


def _configuration(url: URL | None = None) -> Config:
    spec = find_spec("callcenter")
    assert spec is not None
    assert spec.origin is not None
    folder = Path(spec.origin).parent.parent / "migrations"
    if not folder.is_dir():
        raise Misconfigured(f"no migrations at {folder}: run from a checkout of the project")
    config = Config()
    config.set_main_option("script_location", str(folder))
    config.attributes["url"] = url
    return config


def newest_revision() -> str:
    """The revision this code needs."""
    head = ScriptDirectory.from_config(_configuration()).get_current_head()
    assert head is not None
    return head


async def upgrade(url: URL) -> None:
    """Run every migration that is missing. Safe to call from several processes at once.

    Raises `DatabaseUnavailable`.
    """
    try:
        # env.py runs an event loop of its own, so it needs a thread without one.
        await asyncio.to_thread(command.upgrade, _configuration(url), "head")
    except Exception as exc:
        if is_away(exc):
            raise DatabaseUnavailable from exc
        raise


async def current_revision(database: Database) -> str | None:
    """The revision the database is at; None for an empty one."""
    async with database.transaction() as connection:
        if await connection.scalar(text("SELECT to_regclass('alembic_version')")) is None:
            return None
        revision: str | None = await connection.scalar(
            text("SELECT version_num FROM alembic_version")
        )
        return revision


def run_script(file: Path) -> None:
    """Inside a migration: run the statements of a .sql file, parted by lines of `-- ----`.

    asyncpg prepares one statement at a time.
    """
    op.execute("SET LOCAL lock_timeout = '5s'")
    for statement in file.read_text("utf-8").split("\n-- ----\n"):
        if any(line and not line.startswith("--") for line in statement.splitlines()):
            op.execute(statement)
