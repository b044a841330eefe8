"""`callcenter user add`."""

from __future__ import annotations

from callcenter.access.model import Role
from callcenter.access.service import AccessService
from callcenter.platform.clock import system_clock
from callcenter.platform.db import Database
from callcenter.platform.errors import InvalidField
from callcenter.platform.postgres import database_url
from callcenter.platform.settings import Settings


async def add_user(settings: Settings, name: str, role: str, password: str) -> None:
    """Add a user. Raises `InvalidField` naming the rule a value breaks."""
    if role not in set(Role):
        raise InvalidField("role", f"must be one of {', '.join(Role)}")
    database = Database(database_url(settings), name="callcenter-cli", pool_size=1)
    try:
        access = AccessService(database, system_clock, settings.token_ttl)
        await access.create_user(name, password, Role(role))
    finally:
        await database.close()
