"""Whether a line asks, what callers answered, and the figures."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from callcenter.lines.service import NoSuchLine
from callcenter.lines.surveys import store
from callcenter.lines.surveys.model import Answer, AnswerFilter, Figures, GroupBy, LineSurvey
from callcenter.platform.clock import Clock
from callcenter.platform.db import Database
from callcenter.platform.errors import Stale
from callcenter.platform.news import announce


class SurveyService:
    """Use cases of the REST API."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def of_line(self, line: str) -> LineSurvey:
        """Raises `NoSuchLine`."""
        async with self._database.transaction() as connection:
            survey = await store.survey_of(connection, line)
        if survey is None:
            raise NoSuchLine
        return survey

    async def switch(
        self, line: str, *, enabled: bool, based_on: int | None, by: str
    ) -> LineSurvey:
        """In force for the next call. Raises `NoSuchLine`, `Stale`."""
        async with self._database.transaction() as connection:
            now = await store.survey_of(connection, line, for_update=True)
            if now is None:
                raise NoSuchLine
            if based_on is not None and based_on != now.version:
                raise Stale
            survey = LineSurvey(line=line, enabled=enabled, version=now.version + 1)
            await store.set_survey(connection, survey, by=by, at=self._clock())
            await announce(connection, "line", line)
        return survey

    async def answers(
        self, by: AnswerFilter, *, behind: tuple[datetime, UUID] | None, limit: int
    ) -> Sequence[Answer]:
        """Newest first, those behind that place."""
        async with self._database.transaction() as connection:
            return await store.answers(connection, by, behind=behind, limit=limit)

    async def figures(
        self, by: AnswerFilter, group: GroupBy, *, after: str, limit: int
    ) -> Sequence[Figures]:
        """In order of the group, those behind `after`."""
        async with self._database.transaction() as connection:
            return await store.figures(connection, by, group, after=after, limit=limit)
