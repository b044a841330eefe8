"""Flagging a call, and reading what was flagged."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from callcenter.access import audit
from callcenter.calls.service import NoSuchCall
from callcenter.lines.flags import store
from callcenter.lines.flags.model import (
    MOST_REASON,
    AlreadyFlagged,
    CallFlag,
    FlagKind,
    NothingToFlag,
)
from callcenter.platform.clock import Clock
from callcenter.platform.db import Database
from callcenter.platform.text import plain_text


class FlagService:
    """Use cases of the REST API."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def abuse(self, call_id: UUID, reason: str, *, by: str) -> CallFlag:
        """The caller insults or threatens.

        Raises `NoSuchCall`, `NothingToFlag`, `AlreadyFlagged`, `InvalidField`.
        """
        flag = CallFlag(
            call_id=call_id,
            kind=FlagKind.ABUSE,
            flagged_by=by,
            flagged_at=self._clock(),
            reason=plain_text("reason", reason, least=1, most=MOST_REASON),
        )
        async with self._database.transaction() as connection:
            found = await store.call_state(connection, call_id)
            if found is None:
                raise NoSuchCall
            state, answered = found
            if state == "ended" or not answered:
                raise NothingToFlag
            if not await store.add(connection, flag):
                raise AlreadyFlagged
            await audit.record(
                connection,
                who=by,
                act="call.abuse",
                subject=f"call/{call_id}",
                reason=flag.reason,
                at=flag.flagged_at,
            )
        return flag

    async def flags(self, call_id: UUID) -> Sequence[CallFlag]:
        """Raises `NoSuchCall`."""
        async with self._database.transaction() as connection:
            if await store.call_state(connection, call_id) is None:
                raise NoSuchCall
            return await store.flags_of(connection, call_id)

    async def newest(
        self, *, behind: tuple[datetime, UUID] | None, limit: int
    ) -> Sequence[CallFlag]:
        """Newest first, those behind that place."""
        async with self._database.transaction() as connection:
            return await store.newest(connection, behind=behind, limit=limit)
