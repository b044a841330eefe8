"""Databases for tests: one PostgreSQL a run, one database a test, copied from a template."""

from __future__ import annotations

import asyncio
import itertools
import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest

from callcenter.platform.db import Database
from callcenter.platform.migrate import upgrade
from callcenter.platform.postgres import EmbeddedPostgres

_numbers = itertools.count(1)

_HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Each test module says its tier, and it is the folder's."""
    for item in items:
        tier = item.path.relative_to(_HERE).parts[0]
        if item.get_closest_marker(tier) is None:
            raise pytest.UsageError(f"{item.path}: pytestmark must say pytest.mark.{tier}")


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedPostgres]:
    """A running PostgreSQL with the migrated database `template_callcenter`."""
    with tempfile.TemporaryDirectory(prefix="cc-test-") as folder:
        home = Path(folder)
        home.chmod(0o755)
        server = EmbeddedPostgres(
            data=home / "data", sockets=home / "run", log=home / "postgres.log", durable=False
        )

        async def prepare() -> None:
            await server.start()
            await server.create_database("template_callcenter")
            await upgrade(server.url("template_callcenter"))

        asyncio.run(prepare())
        try:
            yield server
        finally:
            asyncio.run(server.stop())


async def _administer(server: EmbeddedPostgres, statement: str) -> None:
    connection = await asyncpg.connect(
        host=str(server.sockets), user="postgres", database="postgres"
    )
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@pytest.fixture
async def database(postgres: EmbeddedPostgres) -> AsyncIterator[Database]:
    """An empty, migrated database of this test's own: NOTIFY and locks disturb nobody."""
    name = f"test_{os.getpid()}_{next(_numbers)}"
    await _administer(
        postgres, f'CREATE DATABASE "{name}" TEMPLATE template_callcenter STRATEGY FILE_COPY'
    )
    database = Database(postgres.url(name), name="test")
    try:
        yield database
    finally:
        await database.close()
        await _administer(postgres, f'DROP DATABASE "{name}" WITH (FORCE)')
