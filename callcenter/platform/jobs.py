"""Background jobs on procrastinate: rows in our own Postgres, run by `callcenter worker`.

A room offers its jobs by a function that takes the `App` and registers them (`bootstrap.worker`).
"""

from __future__ import annotations

import json
from typing import Any

from procrastinate import App, PsycopgConnector
from sqlalchemy import text
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.platform.db import dsn


def jobs_app(url: URL) -> App:
    """The job queue on the database at `url`; open it with `async with app.open_async()`."""
    return App(connector=PsycopgConnector(conninfo=dsn(url), min_size=1, max_size=4))


async def enqueue(
    connection: AsyncConnection, task: str, arguments: dict[str, Any], *, queue: str = "default"
) -> None:
    """Enqueue a job of `task` in the running transaction: it leaves with the commit or not at all.

    By procrastinate's own SQL function, so that who only enqueues needs no second pool of
    connections, and a row that announces a job never stands without it.
    """
    await connection.execute(
        text(
            "SELECT procrastinate_defer_jobs_v1(ARRAY["
            "ROW(:queue, :task, 0, NULL, NULL, CAST(:arguments AS jsonb), NULL)"
            "::procrastinate_job_to_defer_v1])"
        ),
        {"queue": queue, "task": task, "arguments": json.dumps(arguments)},
    )
