"""Background jobs on procrastinate: rows in our own Postgres, run by `callcenter worker`.

A room offers its jobs by a function that takes the `App` and registers them (`bootstrap.worker`).
"""

from __future__ import annotations

from procrastinate import App, PsycopgConnector
from sqlalchemy.engine import URL

from callcenter.platform.db import dsn


def jobs_app(url: URL) -> App:
    """The job queue on the database at `url`; open it with `async with app.open_async()`."""
    return App(connector=PsycopgConnector(conninfo=dsn(url), min_size=1, max_size=4))
