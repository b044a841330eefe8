"""What is done with lines: opened, changed, closed, and confirmed once Asterisk has loaded it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.ivr.model import languages_of, parse_flow
from callcenter.lines import store
from callcenter.lines.model import Line, LineEdit, Mode
from callcenter.platform.db import Database
from callcenter.platform.errors import Conflict, InvalidField, NotFound, Stale
from callcenter.platform.news import announce
from callcenter.switch.model import SwitchOutcome, SwitchRequests

#: What a change of lines is called in `switch_changes`.
SUBJECT: Final = "lines"
#: How long a reply of the API waits for Asterisk.
CONFIRMATION_LIMIT: Final = timedelta(seconds=5)


class NoSuchLine(NotFound):
    """There is no line of that number."""

    slug = "no-such-line"


class LineExists(Conflict):
    """There is a line of that number already."""

    slug = "line-exists"


@dataclass(frozen=True, slots=True)
class Changed:
    """A line after a change, and what came of it in Asterisk."""

    line: Line
    in_force: bool
    detail: str | None


class LineService:
    """Use cases of the REST API. `limit`: how long a reply waits for Asterisk."""

    def __init__(
        self, database: Database, switch: SwitchRequests, *, limit: timedelta = CONFIRMATION_LIMIT
    ) -> None:
        self._database = database
        self._switch = switch
        self._limit = limit

    async def lines(self, after: str | None, limit: int) -> Sequence[Line]:
        async with self._database.transaction() as connection:
            return await store.lines_after(connection, after, limit)

    async def line(self, number: str) -> Line:
        """Raises `NoSuchLine`."""
        async with self._database.transaction() as connection:
            line = await store.line_of(connection, number)
        if line is None:
            raise NoSuchLine
        return line

    async def open(self, number: str, edit: LineEdit) -> Changed:
        """Raises `LineExists`, `InvalidField` for a flow, queue or language that is not there."""
        try:
            async with self._database.transaction() as connection:
                await _must_fit(connection, edit)
                await store.add_line(connection, number, edit)
                change_id = await self._tell(connection, number)
        except IntegrityError as exc:
            raise LineExists from exc
        return await self._confirmed(number, change_id)

    async def change(self, number: str, edit: LineEdit, *, based_on: int | None) -> Changed:
        """Raises `NoSuchLine`, `Stale` when it was edited after `based_on` (None: any version),
        `InvalidField` for a flow, queue or language that is not there.
        """
        async with self._database.transaction() as connection:
            await self._held(connection, number, based_on)
            await _must_fit(connection, edit)
            await store.replace_line(connection, number, edit)
            change_id = await self._tell(connection, number)
        return await self._confirmed(number, change_id)

    async def close(self, number: str, *, based_on: int | None) -> SwitchOutcome:
        """The number is ours no more. In force: Asterisk refuses it.

        Raises `NoSuchLine`, `Stale`.
        """
        async with self._database.transaction() as connection:
            await self._held(connection, number, based_on)
            await store.remove_line(connection, number)
            change_id = await self._tell(connection, number)
        return await self._switch.wait(change_id, self._limit)

    async def _held(self, connection: AsyncConnection, number: str, based_on: int | None) -> None:
        line = await store.line_of(connection, number, for_update=True)
        if line is None:
            raise NoSuchLine
        if based_on is not None and based_on != line.version:
            raise Stale

    async def _tell(self, connection: AsyncConnection, number: str) -> int:
        await announce(connection, "line", number)
        return await self._switch.request(connection, SUBJECT)

    async def _confirmed(self, number: str, change_id: int) -> Changed:
        outcome = await self._switch.wait(change_id, self._limit)
        line = await self.line(number)
        if outcome.in_force and not line.in_force:
            return Changed(line, False, "Asterisk loaded an older state of this line.")
        return Changed(line, outcome.in_force and line.in_force, outcome.detail)


async def _must_fit(connection: AsyncConnection, edit: LineEdit) -> None:
    if not await store.queue_exists(connection, edit.queue):
        raise InvalidField("queue", f"there is no queue “{edit.queue}”")
    if not await store.flow_exists(connection, edit.flow):
        raise InvalidField("flow", f"there is no flow “{edit.flow}”")
    if edit.mode is Mode.DIRECT:
        return
    definition = await store.active_definition(connection, edit.flow)
    if definition is None:
        raise InvalidField("flow", f"“{edit.flow}” was never published")
    spoken = languages_of(parse_flow(definition))
    if spoken and edit.language not in spoken:
        raise InvalidField("language", f"“{edit.flow}” speaks {', '.join(spoken)} only")
