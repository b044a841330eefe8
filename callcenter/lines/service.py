"""What is done with lines: opened, changed, closed, and confirmed once the next caller meets it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.ivr.door import texts_of_door
from callcenter.ivr.model import languages_of, parse_flow
from callcenter.ivr.spoken import PromptRef
from callcenter.lines import store
from callcenter.lines.model import Line, LineEdit, Mode
from callcenter.lines.notices import store as notices
from callcenter.platform.db import Database
from callcenter.platform.errors import Conflict, InvalidField, NotFound, Stale
from callcenter.platform.news import announce
from callcenter.prompts.library import PromptLibrary
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
    """A line after a change, and whether the next caller meets it; `detail` says why not."""

    line: Line
    in_force: bool
    detail: str | None


class LineService:
    """Use cases of the REST API. `limit`: how long a reply waits for Asterisk.

    What a line says is spoken before it is saved. Asterisk must load its number, mode, queue and
    language; the rest each call reads anew, so that it is in force once it is written.
    """

    def __init__(
        self,
        database: Database,
        switch: SwitchRequests,
        library: PromptLibrary,
        *,
        limit: timedelta = CONFIRMATION_LIMIT,
    ) -> None:
        self._database = database
        self._switch = switch
        self._library = library
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
        """Raises `LineExists`, `InvalidField` for what it names and is not there or not said in its
        language, `NotRendered`.
        """
        await self._make_ready(edit)
        try:
            async with self._database.transaction() as connection:
                await _must_fit(connection, edit)
                await store.add_line(connection, number, edit)
                change_id = await self._tell(connection, number)
        except IntegrityError as exc:
            raise LineExists from exc
        return await self._confirmed(number, change_id)

    async def change(self, number: str, edit: LineEdit, *, based_on: int | None) -> Changed:
        """Raises `NoSuchLine`, `Stale` when it was edited after `based_on` (None: any version), and
        as `open`.
        """
        await self._make_ready(edit)
        async with self._database.transaction() as connection:
            line = await self._held(connection, number, based_on)
            await _must_fit(connection, edit)
            if line.in_force and line.known_to_asterisk == edit.known_to_asterisk:
                await store.replace_line(connection, number, edit, in_force=True)
                await announce(connection, "line", number)
                change_id = None
            else:
                await store.replace_line(connection, number, edit)
                change_id = await self._tell(connection, number)
        if change_id is None:
            return Changed(await self.line(number), True, None)
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

    async def render_all(self) -> int:
        """See that everything the doors can say has its audio (a new machine, a new voice); how
        many texts were spoken. At start, before the first call.

        Raises `NotRendered`, `SpeechFailed`.
        """
        async with self._database.transaction() as connection:
            lines = await store.lines_after(connection)
            known = await notices.notices_after(connection)
        texts = {text for line in lines for text in _texts(line)}
        texts |= {text for notice in known for text in notice.latest.words.items()}
        return await self._library.ensure(sorted(texts))

    async def _make_ready(self, edit: LineEdit) -> None:
        """What it says can be heard in its language."""
        prompts: Mapping[str, frozenset[str]] | None = None
        for field, said in (("welcome", edit.welcome), ("closed_say", edit.closed_say)):
            if isinstance(said, PromptRef):
                prompts = prompts or await self._library.available()
                if edit.language not in prompts.get(said.prompt, ()):
                    rule = f"there is no prompt “{said.prompt}” in “{edit.language}”"
                    raise InvalidField(field, rule)
            elif said is not None and edit.language not in said:
                raise InvalidField(field, f"the line begins in “{edit.language}”: say it in that")
        await self._library.ensure(_texts(edit))

    async def _held(self, connection: AsyncConnection, number: str, based_on: int | None) -> Line:
        line = await store.line_of(connection, number, for_update=True)
        if line is None:
            raise NoSuchLine
        if based_on is not None and based_on != line.version:
            raise Stale
        return line

    async def _tell(self, connection: AsyncConnection, number: str) -> int:
        await announce(connection, "line", number)
        return await self._switch.request(connection, SUBJECT)

    async def _confirmed(self, number: str, change_id: int) -> Changed:
        outcome = await self._switch.wait(change_id, self._limit)
        line = await self.line(number)
        if outcome.in_force and not line.in_force:
            return Changed(line, False, "Asterisk loaded an older state of this line.")
        return Changed(line, outcome.in_force and line.in_force, outcome.detail)


def _texts(line: Line | LineEdit) -> list[tuple[str, str]]:
    return texts_of_door(line.welcome, line.closed_say, line.emergency_key)


async def _must_fit(connection: AsyncConnection, edit: LineEdit) -> None:
    if not await store.queue_exists(connection, edit.queue):
        raise InvalidField("queue", f"there is no queue “{edit.queue}”")
    if not await store.flow_exists(connection, edit.flow):
        raise InvalidField("flow", f"there is no flow “{edit.flow}”")
    if edit.schedule is not None and not await store.schedule_exists(connection, edit.schedule):
        raise InvalidField("schedule", f"there is no schedule “{edit.schedule}”")
    await _must_be_told(connection, edit)
    if edit.mode is not Mode.MENU:
        return
    definition = await store.active_definition(connection, edit.flow)
    if definition is None:
        raise InvalidField("flow", f"“{edit.flow}” was never published")
    spoken = languages_of(parse_flow(definition))
    if spoken and edit.language not in spoken:
        raise InvalidField("language", f"“{edit.flow}” speaks {', '.join(spoken)} only")


async def _must_be_told(connection: AsyncConnection, edit: LineEdit) -> None:
    """The notice is there, in the line's language."""
    name = edit.recording_notice
    if name is None:
        return
    # Held: a version that is published meanwhile would not know of this line's language.
    known = await notices.notice(connection, name) if await notices.hold(connection, name) else None
    if known is None:
        raise InvalidField("recording_notice", f"there is no recording notice “{name}”")
    if edit.language not in known.latest.words:
        rule = f"“{name}” is not said in “{edit.language}”"
        raise InvalidField("recording_notice", rule)
