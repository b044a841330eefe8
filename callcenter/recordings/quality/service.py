"""Judging conversations: forms are versioned, recordings drawn, scores never changed."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from callcenter.access import audit
from callcenter.access.model import Principal, Role
from callcenter.platform.clock import Clock
from callcenter.platform.db import Database
from callcenter.platform.errors import InvalidField, NotAllowed, Stale
from callcenter.platform.text import plain_text
from callcenter.recordings.quality import store
from callcenter.recordings.quality.model import (
    MOST_TEXT,
    MOST_TITLE,
    AgentFigures,
    CorrectedAlready,
    Form,
    FormExists,
    FormRetired,
    NoSuchForm,
    NoSuchScore,
    NothingToHear,
    ObjectedAlready,
    Question,
    Sample,
    Score,
    ScoredAlready,
    checked_name,
    checked_questions,
    drawn,
    judged,
)


class QualityService:
    """Use cases of the REST API. `new_seed` gives chance where the client brings none; `zone` says
    when a week begins."""

    def __init__(
        self, database: Database, clock: Clock, *, zone: ZoneInfo, new_seed: Callable[[], int]
    ) -> None:
        self._database = database
        self._clock = clock
        self._zone = zone
        self._new_seed = new_seed

    # Forms -------------------------------------------------------------------------------------

    async def forms(self, *, after: str, limit: int) -> Sequence[Form]:
        """The newest version of each, by name."""
        async with self._database.transaction() as connection:
            return await store.newest_forms(connection, after, limit)

    async def form(self, name: str, version: int | None = None) -> Form:
        """That version; None: the newest. Raises `NoSuchForm`."""
        async with self._database.transaction() as connection:
            found = await store.form(connection, name, version)
        if found is None:
            raise NoSuchForm
        return found

    async def versions(self, name: str) -> Sequence[Form]:
        """Newest first. Raises `NoSuchForm`."""
        async with self._database.transaction() as connection:
            found = await store.versions(connection, name)
        if not found:
            raise NoSuchForm
        return found

    async def add_form(
        self, name: str, title: str, questions: Sequence[Question], pass_mark: int, *, by: str
    ) -> Form:
        """Version 1. Raises `InvalidField`, `FormExists`."""
        checked_name(name)
        return await self._new_version(name, title, questions, pass_mark, by=by, based_on=0)

    async def edit_form(
        self,
        name: str,
        title: str,
        questions: Sequence[Question],
        pass_mark: int,
        *,
        based_on: int | None,
        by: str,
    ) -> Form:
        """The next version; scores by the one before stay. `based_on` None: any version.

        Raises `InvalidField`, `NoSuchForm`, `FormRetired`, `Stale`.
        """
        return await self._new_version(name, title, questions, pass_mark, by=by, based_on=based_on)

    async def _new_version(
        self,
        name: str,
        title: str,
        questions: Sequence[Question],
        pass_mark: int,
        *,
        by: str,
        based_on: int | None,
    ) -> Form:
        kept = checked_questions(questions)
        title = plain_text("title", title, least=1, most=MOST_TITLE)
        async with self._database.transaction() as connection:
            await store.hold_form(connection, name)
            now = await store.form(connection, name)
            if based_on == 0:
                if now is not None:
                    raise FormExists
            elif now is None:
                raise NoSuchForm
            elif based_on is not None and based_on != now.version:
                raise Stale
            elif now.retired:
                raise FormRetired
            await store.add_form(
                connection,
                name=name,
                version=1 if now is None else now.version + 1,
                title=title,
                questions=kept,
                pass_mark=pass_mark,
                by=by,
                at=self._clock(),
            )
            made = await store.form(connection, name)
        assert made is not None
        return made

    async def retire_form(self, name: str, *, by: str) -> Form:
        """It scores nothing any more; what it scored stays. Raises `NoSuchForm`."""
        async with self._database.transaction() as connection:
            if await store.form(connection, name) is None:
                raise NoSuchForm
            await store.retire(connection, name, by=by, at=self._clock())
            retired = await store.form(connection, name)
        assert retired is not None
        return retired

    # Samples -----------------------------------------------------------------------------------

    async def draw(
        self, week: date, per_agent: int, seed: int | None, *, by: str
    ) -> builtins.list[Sample]:
        """Draw recordings of the week that begins on the Monday `week`, for each agent who has any
        and for whom none were drawn. What was drawn once stays: nobody draws until it suits.

        Raises `InvalidField`.
        """
        if week.isoweekday() != 1 or not 1900 <= week.year <= 9000:
            raise InvalidField("week", "must be a Monday of the years 1900 to 9000")
        begins_at = datetime.combine(week, time(), self._zone)
        ends_at = datetime.combine(week + timedelta(days=7), time(), self._zone)
        now = self._clock()
        if ends_at > now:
            raise InvalidField("week", "must be over: later recordings would have no chance")
        chosen = self._new_seed() if seed is None else seed
        made: list[Sample] = []
        async with self._database.transaction() as connection:
            await store.hold_form(connection, f"week {week.isoformat()}")
            done = await store.agents_drawn(connection, week)
            there = await store.hearable_between(connection, begins_at, ends_at)
            for agent, recordings in sorted(there.items()):
                if agent in done:
                    continue
                made += [
                    Sample(
                        week=week,
                        recording_id=recording_id,
                        call_id=recordings[recording_id],
                        agent=agent,
                        seed=chosen,
                        drawn_from=len(recordings),
                        drawn_by=by,
                        drawn_at=now,
                    )
                    for recording_id in drawn(
                        list(recordings), seed=chosen, week=week, agent=agent, wanted=per_agent
                    )
                ]
            await store.add_samples(connection, made)
        return made

    async def samples(
        self,
        *,
        week: date | None,
        agent: str | None,
        after: tuple[date, UUID] | None,
        limit: int,
    ) -> Sequence[Sample]:
        """By week and recording, those behind `after`."""
        async with self._database.transaction() as connection:
            return await store.samples(connection, week=week, agent=agent, after=after, limit=limit)

    # Scores ------------------------------------------------------------------------------------

    async def add_score(
        self,
        recording_id: UUID,
        form: str,
        answers: Mapping[str, int],
        comment: str,
        *,
        by: str,
    ) -> Score:
        """Score a recording by the newest version of a form.

        Raises `NoSuchForm`, `FormRetired`, `NothingToHear`, `InvalidField`, `ScoredAlready`.
        """
        said = plain_text("comment", comment, most=MOST_TEXT, lines=True)
        async with self._database.transaction() as connection:
            used = await store.form(connection, form)
            if used is None:
                raise NoSuchForm
            if used.retired:
                raise FormRetired
            recording = await store.hearable(connection, recording_id)
            if recording is None:
                raise NothingToHear
            result = judged(used.questions, used.pass_mark, answers)
            score_id = await store.add_score(
                connection,
                form_id=used.form_id,
                recording=recording,
                answers=answers,
                result=result,
                comment=said,
                by=by,
                at=self._clock(),
            )
            if score_id is None:
                raise ScoredAlready
            made = await store.score(connection, score_id)
        assert made is not None
        return made

    async def correct(
        self, score_id: int, answers: Mapping[str, int], comment: str, reason: str, *, by: str
    ) -> Score:
        """A new score in the old one's place, by the same version of the form; the old one stays.

        Raises `NoSuchScore`, `InvalidField`, `CorrectedAlready`.
        """
        said = plain_text("comment", comment, most=MOST_TEXT, lines=True)
        why = plain_text("reason", reason, least=1, most=audit.MOST_REASON)
        async with self._database.transaction() as connection:
            old = await store.score(connection, score_id)
            if old is None:
                raise NoSuchScore
            used = await store.form_by_id(connection, await store.form_id_of(connection, score_id))
            recording = await store.hearable(connection, old.recording_id)
            if recording is None:
                raise NothingToHear
            new_id = await store.add_score(
                connection,
                form_id=used.form_id,
                recording=recording,
                answers=answers,
                result=judged(used.questions, used.pass_mark, answers),
                comment=said,
                by=by,
                at=self._clock(),
                corrects=score_id,
            )
            if new_id is None:
                raise CorrectedAlready
            await audit.record(
                connection,
                who=by,
                act="quality.correct",
                subject=f"score/{score_id}",
                reason=why,
                at=self._clock(),
                detail={"new_score": new_id},
            )
            made = await store.score(connection, new_id)
        assert made is not None
        return made

    async def score(self, score_id: int, *, who: Principal) -> Score:
        """Agents see their own. Raises `NoSuchScore`."""
        async with self._database.transaction() as connection:
            found = await store.score(connection, score_id)
            if found is None:
                raise NoSuchScore
            if not who.reaches(Role.SUPERVISOR):
                own = await store.agent_of_user(connection, who.user_id)
                if own != found.agent:
                    raise NoSuchScore
        return found

    async def scores(
        self,
        *,
        agent: str | None,
        scored_after: datetime | None,
        scored_before: datetime | None,
        before: int | None,
        limit: int,
        who: Principal,
    ) -> Sequence[Score]:
        """Newest first, those before the score `before`. Whoever is no supervisor gets the scores
        of the agent they are, whichever `agent` is asked for; who is none gets none."""
        async with self._database.transaction() as connection:
            if not who.reaches(Role.SUPERVISOR):
                agent = await store.agent_of_user(connection, who.user_id)
                if agent is None:
                    return []
            return await store.scores(
                connection,
                agent=agent,
                scored_after=scored_after,
                scored_before=scored_before,
                before=before,
                limit=limit,
            )

    async def object(self, score_id: int, text: str, *, who: Principal) -> Score:
        """The agent's word against a score of their own.

        Raises `NoSuchScore`, `NotAllowed`, `InvalidField`, `ObjectedAlready`.
        """
        said = plain_text("text", text, least=1, most=MOST_TEXT, lines=True)
        async with self._database.transaction() as connection:
            found = await store.score(connection, score_id)
            if found is None:
                raise NoSuchScore
            if await store.agent_of_user(connection, who.user_id) != found.agent:
                raise NotAllowed("Only the agent who was scored objects.")
            if not await store.add_objection(
                connection, score_id, said, by=who.name, at=self._clock()
            ):
                raise ObjectedAlready
            made = await store.score(connection, score_id)
        assert made is not None
        return made

    async def figures(
        self,
        *,
        scored_after: datetime | None,
        scored_before: datetime | None,
        after: str,
        limit: int,
    ) -> Sequence[AgentFigures]:
        """By agent, those behind `after`."""
        async with self._database.transaction() as connection:
            return await store.figures(
                connection,
                scored_after=scored_after,
                scored_before=scored_before,
                after=after,
                limit=limit,
            )
