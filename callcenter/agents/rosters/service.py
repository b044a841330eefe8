"""Planning who is on duty, and finding where too few are."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta, tzinfo
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.agents.model import NoSuchAgent
from callcenter.agents.rosters import store
from callcenter.agents.rosters.model import (
    MOST_DAYS,
    MOST_NOTE,
    CoverRule,
    CoverRuleExists,
    DayHours,
    Hole,
    NoSuchCoverRule,
    NoSuchShift,
    Shift,
    checked_rule,
    checked_times,
    holes,
    planned,
)
from callcenter.platform.clock import Clock
from callcenter.platform.db import Database
from callcenter.platform.errors import Conflict, InvalidField, Stale
from callcenter.platform.ids import Ids, random_ids
from callcenter.platform.text import plain_text
from callcenter.queues import store as queue_store
from callcenter.schedules.store import work_calendar
from callcenter.schedules.work_calendar import DayKind

#: Rules of cover that an instance may have.
MOST_RULES = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class OnDuty:
    """Somebody whose shift it is. `state`: how they are now; None where nobody knows."""

    shift: Shift
    state: str | None
    skills: frozenset[str]
    languages: frozenset[str]

    @property
    def is_missing(self) -> bool:
        """On duty, and not there."""
        return self.state in (None, "offline")


class RosterService:
    """Use cases of the REST API. `zone` is the city's clock on the wall."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        *,
        zone: tzinfo,
        default_language: str,
        ids: Ids = random_ids,
    ) -> None:
        self._database = database
        self._clock = clock
        self._zone = zone
        self._default_language = default_language
        self._ids = ids

    async def shifts(
        self,
        begin: datetime,
        end: datetime,
        *,
        agent_id: str | None,
        after: tuple[datetime, UUID] | None,
        limit: int,
    ) -> Sequence[Shift]:
        """Shifts that touch the range, by their start. Raises `InvalidField`."""
        begin, end = _range(begin, end)
        async with self._database.transaction() as connection:
            return await store.shifts_between(
                connection, begin, end, agent_id=agent_id, after=after, limit=limit
            )

    async def shift(self, shift_id: UUID) -> Shift:
        """Raises `NoSuchShift`."""
        async with self._database.transaction() as connection:
            found = await store.shift_of(connection, shift_id)
        if found is None:
            raise NoSuchShift
        return found

    async def add(
        self, agent_id: str, starts_at: datetime, ends_at: datetime, note: str, *, by: str
    ) -> Shift:
        """Raises `InvalidField`, `NoSuchAgent`, `ShiftsOverlap`."""
        start, end = checked_times(starts_at, ends_at)
        shift = Shift(
            shift_id=self._ids(),
            agent_id=agent_id,
            starts_at=start,
            ends_at=end,
            note=plain_text("note", note, most=MOST_NOTE),
        )
        async with self._database.transaction() as connection:
            if not await store.existing_agents(connection, [agent_id]):
                raise NoSuchAgent
            await store.add_shifts(connection, [shift], by=by)
        return shift

    async def plan(
        self,
        agents: Sequence[str],
        week: Collection[DayHours],
        first_day: date,
        last_day: date,
        *,
        workdays_only: bool,
        by: str,
    ) -> Sequence[Shift]:
        """Make the shifts of a weekly plan, all or none; with `workdays_only` none begins on a
        public holiday. Raises `InvalidField`, `NoSuchAgent`, `ShiftsOverlap`."""
        wanted = list(dict.fromkeys(agents))
        async with self._database.transaction() as connection:
            if set(wanted) - await store.existing_agents(connection, wanted):
                raise NoSuchAgent
            leave_out: set[date] = set()
            if workdays_only:
                calendar = await work_calendar(connection)
                days = max(0, min((last_day - first_day).days + 1, MOST_DAYS))
                for offset in range(days):
                    day = first_day + timedelta(days=offset)
                    listed = calendar.on(day)
                    if listed is not None and listed.kind is DayKind.HOLIDAY:
                        leave_out.add(day)
            made = [
                Shift(shift_id=self._ids(), agent_id=agent_id, starts_at=start, ends_at=end)
                for agent_id, start, end in planned(
                    wanted, week, first_day, last_day, self._zone, leave_out=leave_out
                )
            ]
            await store.add_shifts(connection, made, by=by)
        return made

    async def change(
        self,
        shift_id: UUID,
        starts_at: datetime,
        ends_at: datetime,
        note: str,
        *,
        version: int | None,
    ) -> Shift:
        """Raises `NoSuchShift`, `Stale`, `InvalidField`, `ShiftsOverlap`."""
        start, end = checked_times(starts_at, ends_at)
        async with self._database.transaction() as connection:
            found = await store.shift_of(connection, shift_id, for_update=True)
            if found is None:
                raise NoSuchShift
            if version is not None and version != found.version:
                raise Stale
            changed = replace(
                found,
                starts_at=start,
                ends_at=end,
                note=plain_text("note", note, most=MOST_NOTE),
                version=found.version + 1,
            )
            await store.change_shift(connection, changed)
        return changed

    async def remove(self, shift_id: UUID) -> None:
        """Raises `NoSuchShift`."""
        async with self._database.transaction() as connection:
            if not await store.remove_shift(connection, shift_id):
                raise NoSuchShift

    async def on_duty(self, at: datetime | None) -> Sequence[OnDuty]:
        """Whose shift it is at `at` (None: now), with their skills, and whether they are there."""
        moment = (at or self._clock()).astimezone(UTC)
        async with self._database.transaction() as connection:
            found = await store.shifts_between(
                connection, moment, moment + timedelta(microseconds=1)
            )
            able = {one.agent_id: one for one in await store.able_agents(connection)}
            states = await store.states_of(connection, [shift.agent_id for shift in found])
        return [
            OnDuty(
                shift=shift,
                state=states.get(shift.agent_id),
                skills=able[shift.agent_id].skills,
                languages=able[shift.agent_id].languages or frozenset({self._default_language}),
            )
            for shift in found
            if shift.agent_id in able
        ]

    async def holes(self, begin: datetime, end: datetime) -> Sequence[Hole]:
        """Where fewer are on duty than the rules want. Raises `InvalidField`."""
        begin, end = _range(begin, end)
        async with self._database.transaction() as connection:
            rules = await store.list_rules(connection)
            found = await store.shifts_between(connection, begin, end)
            able = await store.able_agents(connection)
        return holes(
            rules,
            found,
            able,
            begin,
            end,
            self._zone,
            default_language=self._default_language,
        )

    async def rules(self) -> Sequence[CoverRule]:
        """All, by name: there are few."""
        async with self._database.transaction() as connection:
            return await store.list_rules(connection)

    async def rule(self, name: str) -> CoverRule:
        """Raises `NoSuchCoverRule`."""
        async with self._database.transaction() as connection:
            found = await store.rule_of(connection, name)
        if found is None:
            raise NoSuchCoverRule
        return found

    async def add_rule(self, rule: CoverRule) -> CoverRule:
        """Raises `InvalidField`, `CoverRuleExists`."""
        new = checked_rule(rule)
        async with self._database.transaction() as connection:
            await self._check_queue(connection, new)
            if await store.count_rules(connection) >= MOST_RULES:
                raise Conflict(f"There are {MOST_RULES} rules of cover already: remove some first.")
            if await store.rule_of(connection, new.name):
                raise CoverRuleExists
            await store.write_rule(connection, new, new=True)
        return new

    async def change_rule(self, rule: CoverRule, *, version: int | None) -> CoverRule:
        """Raises `NoSuchCoverRule`, `Stale`, `InvalidField`."""
        changed = checked_rule(rule)
        async with self._database.transaction() as connection:
            await self._check_queue(connection, changed)
            found = await store.rule_of(connection, rule.name, for_update=True)
            if found is None:
                raise NoSuchCoverRule
            if version is not None and version != found.version:
                raise Stale
            changed = replace(changed, version=found.version + 1)
            await store.write_rule(connection, changed, new=False)
        return changed

    async def remove_rule(self, name: str) -> None:
        """Raises `NoSuchCoverRule`."""
        async with self._database.transaction() as connection:
            if await store.rule_of(connection, name, for_update=True) is None:
                raise NoSuchCoverRule
            await store.remove_rule(connection, name)

    @staticmethod
    async def _check_queue(connection: AsyncConnection, rule: CoverRule) -> None:
        if rule.queue is not None and not await queue_store.existing(connection, [rule.queue]):
            raise InvalidField("queue", "the name of a queue (GET /api/v1/queues)")


def _range(begin: datetime, end: datetime) -> tuple[datetime, datetime]:
    begin, end = begin.astimezone(UTC), end.astimezone(UTC)
    if not timedelta() < end - begin <= timedelta(days=MOST_DAYS):
        raise InvalidField("to", f"after `from`, by at most {MOST_DAYS} days")
    return begin, end
