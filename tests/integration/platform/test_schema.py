"""The tables the code knows are the tables the migrations make."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection
from sqlalchemy.engine import URL

from callcenter.platform.db import Database, DatabaseUnavailable, metadata
from callcenter.platform.migrate import current_revision, newest_revision, upgrade
from callcenter.tables import import_all_tables

pytestmark = pytest.mark.integration


async def test_the_migrations_make_exactly_the_tables_the_code_knows(database: Database) -> None:
    import_all_tables()

    def differences(connection: Connection) -> list[object]:
        return list(
            compare_metadata(
                MigrationContext.configure(
                    connection,
                    opts={
                        "include_object": lambda _o, name, kind, *_: (
                            not (kind == "table" and name.startswith("procrastinate_"))
                        )
                    },
                ),
                metadata,
            )
        )

    async with database.transaction() as connection:
        assert await connection.run_sync(differences) == []


async def test_a_migrated_database_is_at_the_newest_revision(database: Database) -> None:
    assert await current_revision(database) == newest_revision()


async def test_a_migration_without_a_database_says_so(tmp_path: Path) -> None:
    nowhere = URL.create("postgresql+asyncpg", username="x", query={"host": str(tmp_path)})
    with pytest.raises(DatabaseUnavailable):
        await upgrade(nowhere)
