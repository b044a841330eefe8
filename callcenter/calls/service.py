"""Reading calls, and the one row another room may write: the seed of a call."""

from __future__ import annotations

import builtins
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.calls import queries, store
from callcenter.calls.model import CallState, Disposition
from callcenter.calls.numbers import normalise_number
from callcenter.calls.seed import CallSeed, seed_row
from callcenter.calls.tables import calls
from callcenter.calls.timeline import TimelineItem, timeline
from callcenter.platform.db import Database
from callcenter.platform.errors import InvalidField, NotFound

__all__ = ["CallFilter", "CallSeed", "CallService", "NoSuchCall", "remember_call"]


class NoSuchCall(NotFound):
    """There is no call with that id."""

    slug = "no-such-call"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFilter:
    """What a list is narrowed to; None does not narrow. Times are aware; `started_before` is
    exclusive."""

    state: CallState | None = None
    disposition: Disposition | None = None
    line: str | None = None
    queue: str | None = None
    agent: str | None = None
    caller_number: str | None = None
    started_after: datetime | None = None
    started_before: datetime | None = None


@dataclass(frozen=True, slots=True)
class CallView:
    """A row of `calls` with what other rooms know of it."""

    row: Mapping[str, Any]
    case_number: str | None = None
    recordings: Sequence[Mapping[str, Any]] = field(default=())
    legs: Sequence[Mapping[str, Any]] = field(default=())
    priority_reason: str | None = None


async def remember_call(connection: AsyncConnection, seed: CallSeed) -> None:
    """Make sure that the call has a row, in the transaction of a case that refers to it.

    Does nothing where the journal, or an earlier attempt, was there first.
    """
    await connection.execute(insert(calls).values(seed_row(seed)).on_conflict_do_nothing())


class CallService:
    """Calls as the outside sees them. `region` reads national numbers in filters."""

    def __init__(self, database: Database, *, region: str) -> None:
        self._database = database
        self._region = region

    async def list(
        self, wanted: CallFilter, *, behind: tuple[datetime, UUID] | None, limit: int
    ) -> list[CallView]:
        """The youngest `limit` calls behind that place, youngest first."""
        equal: dict[str, object] = {
            name: value
            for name in ("state", "disposition", "line", "queue", "agent")
            if (value := getattr(wanted, name)) is not None
        }
        if wanted.caller_number is not None:
            number = normalise_number(wanted.caller_number, self._region)
            if number is None:
                raise InvalidField("caller_number", "must be a telephone number")
            equal["caller_number"] = number
        async with self._database.transaction() as connection:
            rows = await queries.list_rows(
                connection,
                equal=equal,
                started_after=wanted.started_after,
                started_before=wanted.started_before,
                behind=behind,
                limit=limit,
            )
            return await self._views(connection, rows)

    async def get(self, call_id: UUID) -> CallView:
        """Raises `NoSuchCall`."""
        async with self._database.transaction() as connection:
            row = await queries.call_by_id(connection, call_id)
            if row is None:
                raise NoSuchCall
            return (await self._views(connection, [row]))[0]

    async def timeline(self, call_id: UUID) -> builtins.list[TimelineItem]:
        """What mattered in the call, by time. Raises `NoSuchCall`."""
        async with self._database.transaction() as connection:
            row = await queries.call_by_id(connection, call_id)
            if row is None:
                raise NoSuchCall
            events = await store.read_events(connection, [call_id])
        return timeline(call_id, row["node"], (event for _, event in events))

    async def _views(
        self, connection: AsyncConnection, rows: Sequence[Mapping[str, Any]]
    ) -> builtins.list[CallView]:
        # Four statements for any number of calls.
        ids = [row["call_id"] for row in rows]
        cases = await queries.case_numbers(connection, ids)
        recordings = await queries.recordings_of(connection, ids)
        legs = await queries.legs_of(connection, ids)
        reasons = await queries.priority_reasons(
            connection, {row["priority_entry"] for row in rows if row["priority_entry"]}
        )
        return [
            CallView(
                row,
                cases.get(call_id),
                recordings.get(call_id, ()),
                legs.get(call_id, ()),
                reasons.get(row["priority_entry"]) or _reason_of_flow(row),
            )
            for call_id, row in zip(ids, rows, strict=True)
        ]


def _reason_of_flow(row: Mapping[str, Any]) -> str | None:
    """Why a caller on no list came first: the queue node of the flow said so."""
    return f"flow {row['ivr_flow']}" if row["priority"] and row["ivr_flow"] else None
