"""alembic's entry: migrations run forward on a live database, each with a short lock time-out."""

from __future__ import annotations

import asyncio

from alembic import context
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from callcenter.platform.db import metadata
from callcenter.tables import import_all_tables

import_all_tables()


def _migrate(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=metadata,
        compare_server_default=False,
        include_object=lambda _object, name, kind, *_: (
            not (kind == "table" and str(name).startswith("procrastinate_"))
        ),
    )
    with context.begin_transaction():
        # Two processes may start at once: one migrates, the other waits and finds nothing to do.
        connection.execute(text("SELECT pg_advisory_xact_lock(7411001)"))
        context.run_migrations()


async def _run() -> None:
    engine = create_async_engine(context.config.attributes["url"], poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            await connection.run_sync(_migrate)
            await connection.commit()
    finally:
        await engine.dispose()


given = context.config.attributes.get("connection")
if given is not None:
    _migrate(given)
else:
    asyncio.run(_run())
