"""The database: an engine a process, a transaction a use case, driver errors in our words."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import asyncpg
from sqlalchemy import DateTime, MetaData, event
from sqlalchemy.engine import URL, ExceptionContext, make_url
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from callcenter.platform.errors import Unavailable

#: All tables of all rooms; `migrations/` is compared with it by a test.
metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


#: Column type of every `_at`: aware, UTC.
Moment = DateTime(timezone=True)


class DatabaseUnavailable(Unavailable):
    """The database does not answer. Calls go on; what they leave is written when it is back."""

    slug = "database-unavailable"


#: SQLSTATE classes of a server that is away, starting, stopping or out of means.
_AWAY = ("08", "53", "57")


def is_away(error: BaseException) -> bool:
    """Whether a driver's error means that the server is away, not that it refused something."""
    if isinstance(error, PoolTimeout | InterfaceError | OSError | TimeoutError):
        return True
    if isinstance(error, DBAPIError):
        if error.connection_invalidated:
            return True
        state = getattr(error.orig, "sqlstate", None) or ""
        return isinstance(error, OperationalError) or state[:2] in _AWAY
    if isinstance(error, asyncpg.PostgresError):
        return (getattr(error, "sqlstate", None) or "")[:2] in _AWAY
    return isinstance(error, asyncpg.InterfaceError)


def _leave_out_values(context: ExceptionContext) -> None:
    """Cut PostgreSQL's DETAIL ("Failing row contains …") off: tracebacks are logged."""
    error: BaseException | None = context.sqlalchemy_exception or context.original_exception
    while error is not None:
        if error.args and isinstance(error.args[0], str):
            error.args = (error.args[0].split("\nDETAIL:", 1)[0], *error.args[1:])
        if isinstance(error, asyncpg.PostgresError):
            error.detail = None
        error = error.__cause__ or getattr(error, "orig", None)


class Database:
    """A pool of connections to one PostgreSQL.

    `transaction()` is the only way in: it commits at its end or rolls back everything.
    """

    def __init__(
        self,
        url: str | URL,
        *,
        name: str = "callcenter",
        pool_size: int = 10,
        connect_timeout: timedelta = timedelta(seconds=3),
        command_timeout: timedelta = timedelta(seconds=15),
    ) -> None:
        self.url = make_url(url).set(drivername="postgresql+asyncpg")
        self.engine: AsyncEngine = create_async_engine(
            self.url,
            pool_size=pool_size,
            max_overflow=pool_size,
            pool_timeout=connect_timeout.total_seconds(),
            pool_pre_ping=True,
            # What is bound to a statement is personal data; it must not stand in a traceback.
            hide_parameters=True,
            connect_args={
                "timeout": connect_timeout.total_seconds(),
                "command_timeout": command_timeout.total_seconds(),
                "server_settings": {"application_name": name, "timezone": "UTC"},
            },
        )

        event.listen(self.engine.sync_engine, "handle_error", _leave_out_values)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """One transaction: committed at the end of the block, rolled back if it raises.

        Raises `DatabaseUnavailable` when the server is away, also in the middle.
        """
        try:
            async with self.engine.begin() as connection:
                yield connection
        except Exception as exc:
            if is_away(exc):
                raise DatabaseUnavailable from exc
            raise

    async def listen_connection(self) -> asyncpg.Connection[Any]:
        """A connection of its own for LISTEN, outside the pool. The caller closes it."""
        try:
            return await asyncpg.connect(dsn=dsn(self.url), timeout=3)
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as exc:
            raise DatabaseUnavailable from exc

    async def close(self) -> None:
        await self.engine.dispose()


def dsn(url: URL) -> str:
    """The same address in the form libpq, asyncpg and psycopg read."""
    return url.set(drivername="postgresql").render_as_string(hide_password=False)
