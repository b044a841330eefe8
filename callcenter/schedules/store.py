"""Rows of `schedules`, `work_calendar_days` and `work_calendar_years`."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Integer, Text, cast, delete, func, insert, literal, null, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.ivr.tables import ivr_flows, ivr_references
from callcenter.lines.tables import lines
from callcenter.schedules.model import Schedule, ScheduleEdit, parse_schedule
from callcenter.schedules.tables import schedules, work_calendar_days, work_calendar_years
from callcenter.schedules.work_calendar import DayKind, NamedDay, WorkCalendar


class Source(StrEnum):
    """Where a day or a year comes from."""

    PACKAGE = "package"  #: the State Council's notice, as the package chinesecalendar has it
    MANUAL = "manual"  #: somebody entered or confirmed it


@dataclass(frozen=True, slots=True)
class ScheduleRow:
    """A schedule as it is kept. `version` counts edits."""

    schedule: Schedule
    version: int
    edited_at: datetime
    edited_by: str


@dataclass(frozen=True, slots=True)
class ScheduleSummary:
    """A schedule in a list."""

    name: str
    title: str
    time_zone: str
    follow_work_calendar: bool
    version: int
    edited_at: datetime
    edited_by: str


@dataclass(frozen=True, slots=True)
class DayRow:
    """A listed day. `edited_at` and `edited_by` are None for one of the package."""

    day: date
    kind: DayKind
    name: str
    source: Source
    version: int
    edited_at: datetime | None
    edited_by: str | None


@dataclass(frozen=True, slots=True)
class YearRow:
    """A year known in full, with how many days of it are listed."""

    year: int
    source: Source
    seeded_at: datetime
    seeded_by: str
    holidays: int
    makeups: int


# For who decides calls ---------------------------------------------------------------------------


async def schedules_by_name(
    connection: AsyncConnection, names: Collection[str]
) -> dict[str, Schedule]:
    """Those of `names` that are there. One query.

    Raises `InvalidSchedule` for a row that breaks today's rules.
    """
    rows = await connection.execute(
        select(schedules.c.name, schedules.c.title, schedules.c.definition).where(
            schedules.c.name.in_(list(names))
        )
    )
    return {row.name: _schedule(row.name, row.title, row.definition) for row in rows}


async def work_calendar(connection: AsyncConnection) -> WorkCalendar:
    """Every listed day and every year with data. One query."""
    days = select(
        work_calendar_days.c.day,
        work_calendar_days.c.kind,
        work_calendar_days.c.name,
        cast(null(), Integer).label("year"),
    )
    years = select(
        cast(null(), work_calendar_days.c.day.type),
        cast(null(), Text),
        cast(null(), Text),
        work_calendar_years.c.year,
    )
    listed: dict[date, NamedDay] = {}
    known: set[int] = set()
    for row in await connection.execute(days.union_all(years)):
        if row.year is not None:
            known.add(row.year)
        else:
            listed[row.day] = NamedDay(DayKind(row.kind), row.name)
    return WorkCalendar(listed, frozenset(known))


async def missing_years(connection: AsyncConnection, needed: Collection[int]) -> list[int]:
    """Which of the `needed` years the calendar has no data for, in order."""
    rows = await connection.scalars(
        select(work_calendar_years.c.year).where(work_calendar_years.c.year.in_(list(needed)))
    )
    return sorted(set(needed) - set(rows))


# Schedules ---------------------------------------------------------------------------------------


async def schedule_named(
    connection: AsyncConnection, name: str, *, for_update: bool = False
) -> ScheduleRow | None:
    wanted = select(schedules).where(schedules.c.name == name)
    found = await connection.execute(wanted.with_for_update() if for_update else wanted)
    row = found.one_or_none()
    if row is None:
        return None
    return ScheduleRow(
        _schedule(row.name, row.title, row.definition), row.version, row.edited_at, row.edited_by
    )


async def schedules_after(
    connection: AsyncConnection, name: str = "", limit: int | None = None
) -> Sequence[ScheduleSummary]:
    """By name, those behind `name`. Definitions stay where they are: they may be long."""
    definition = schedules.c.definition
    rows = await connection.execute(
        select(
            schedules.c.name,
            schedules.c.title,
            definition["time_zone"].as_string().label("time_zone"),
            definition["follow_work_calendar"].as_boolean().label("follow_work_calendar"),
            schedules.c.version,
            schedules.c.edited_at,
            schedules.c.edited_by,
        )
        .where(schedules.c.name > name)
        .order_by(schedules.c.name)
        .limit(limit)
    )
    return [ScheduleSummary(*row) for row in rows]


async def add_schedule(
    connection: AsyncConnection, name: str, edit: ScheduleEdit, *, by: str, at: datetime
) -> None:
    await connection.execute(
        insert(schedules).values(name=name, **_columns(edit), edited_by=by, edited_at=at)
    )


async def replace_schedule(
    connection: AsyncConnection, name: str, edit: ScheduleEdit, *, by: str, at: datetime
) -> None:
    await connection.execute(
        update(schedules)
        .where(schedules.c.name == name)
        .values(**_columns(edit), version=schedules.c.version + 1, edited_by=by, edited_at=at)
    )


async def remove_schedule(connection: AsyncConnection, name: str) -> None:
    await connection.execute(delete(schedules).where(schedules.c.name == name))


async def users_of_schedule(connection: AsyncConnection, name: str) -> list[str]:
    """Who uses it: drafts and active versions of flows, lines; in words, in order."""
    rows = await connection.execute(
        select(ivr_references.c.flow, ivr_references.c.version)
        .join(ivr_flows, ivr_flows.c.name == ivr_references.c.flow)
        .where(
            ivr_references.c.kind == "schedule",
            ivr_references.c.name == name,
            or_(
                ivr_references.c.version == 0,
                ivr_references.c.version == ivr_flows.c.active_version,
            ),
        )
        .order_by(ivr_references.c.flow, ivr_references.c.version)
    )
    users = [
        f"flow {row.flow} ({f'version {row.version}' if row.version else 'draft'})" for row in rows
    ]
    numbers = await connection.scalars(
        select(lines.c.number).where(lines.c.schedule == name).order_by(lines.c.number)
    )
    return [*users, *(f"line {number}" for number in numbers)]


def _schedule(name: str, title: str, definition: Mapping[str, Any]) -> Schedule:
    return parse_schedule({**definition, "name": name, "title": title})


def _columns(edit: ScheduleEdit) -> dict[str, Any]:
    definition = edit.as_json()
    definition.pop("name", None)
    return {"title": definition.pop("title"), "definition": definition}


# The work calendar -------------------------------------------------------------------------------


async def calendar_day(
    connection: AsyncConnection, day: date, *, for_update: bool = False
) -> DayRow | None:
    wanted = select(work_calendar_days).where(work_calendar_days.c.day == day)
    found = await connection.execute(wanted.with_for_update() if for_update else wanted)
    row = found.mappings().one_or_none()
    return None if row is None else _day(row)


async def calendar_days_after(
    connection: AsyncConnection, year: int | None, after: date | None, limit: int
) -> Sequence[DayRow]:
    """In order, those of `year` (None: of any) behind `after`."""
    wanted = select(work_calendar_days).order_by(work_calendar_days.c.day).limit(limit)
    if year is not None:
        wanted = wanted.where(
            work_calendar_days.c.day.between(date(year, 1, 1), date(year, 12, 31))
        )
    if after is not None:
        wanted = wanted.where(work_calendar_days.c.day > after)
    return [_day(row) for row in (await connection.execute(wanted)).mappings()]


async def put_day(
    connection: AsyncConnection, day: date, named: NamedDay, *, by: str, at: datetime
) -> None:
    """List a day by hand, or change it."""
    values = {
        "kind": str(named.kind),
        "name": named.name,
        "source": Source.MANUAL.value,
        "edited_by": by,
        "edited_at": at,
    }
    await connection.execute(
        upsert(work_calendar_days)
        .values(day=day, **values)
        .on_conflict_do_update(
            index_elements=["day"],
            set_={**values, "version": work_calendar_days.c.version + 1},
        )
    )


async def remove_day(connection: AsyncConnection, day: date) -> bool:
    """False where it was not listed."""
    removed = await connection.execute(
        delete(work_calendar_days).where(work_calendar_days.c.day == day)
    )
    return removed.rowcount == 1


async def add_missing_days(connection: AsyncConnection, days: Mapping[date, NamedDay]) -> None:
    """Days of the package; what is listed already stays as it is."""
    if days:
        await connection.execute(
            upsert(work_calendar_days)
            .values(
                [
                    {
                        "day": day,
                        "kind": str(named.kind),
                        "name": named.name,
                        "source": Source.PACKAGE.value,
                    }
                    for day, named in sorted(days.items())
                ]
            )
            .on_conflict_do_nothing()
        )


async def known_years(connection: AsyncConnection) -> frozenset[int]:
    return frozenset(await connection.scalars(select(work_calendar_years.c.year)))


async def add_year(
    connection: AsyncConnection, year: int, source: Source, *, by: str, at: datetime
) -> bool:
    """From now on the year is known in full; False where it was already."""
    added = await connection.execute(
        upsert(work_calendar_years)
        .values(year=year, source=source.value, seeded_by=by, seeded_at=at)
        .on_conflict_do_nothing()
    )
    return added.rowcount == 1


async def remove_year(connection: AsyncConnection, year: int) -> bool:
    """From now on the year has no data; its days stay. False where it had none."""
    removed = await connection.execute(
        delete(work_calendar_years).where(work_calendar_years.c.year == year)
    )
    return removed.rowcount == 1


async def years_after(
    connection: AsyncConnection, after: int, limit: int, *, only: int | None = None
) -> Sequence[YearRow]:
    """In order, those behind `after`; with `only`, that one."""
    of_days = work_calendar_days.c
    counted = (
        select(
            func.count().filter(of_days.kind == literal(DayKind.HOLIDAY.value)).label("holidays"),
            func.count().filter(of_days.kind == literal(DayKind.MAKEUP.value)).label("makeups"),
        )
        .where(
            of_days.day.between(
                func.make_date(work_calendar_years.c.year, 1, 1),
                func.make_date(work_calendar_years.c.year, 12, 31),
            )
        )
        .lateral()
    )
    wanted = (
        select(work_calendar_years, counted.c.holidays, counted.c.makeups)
        .join(counted, literal(True))
        .where(work_calendar_years.c.year > after)
        .order_by(work_calendar_years.c.year)
        .limit(limit)
    )
    if only is not None:
        wanted = wanted.where(work_calendar_years.c.year == only)
    return [
        YearRow(**{**row, "source": Source(row["source"])})
        for row in (await connection.execute(wanted)).mappings()
    ]


def _day(row: RowMapping) -> DayRow:
    return DayRow(**{**row, "kind": DayKind(row["kind"]), "source": Source(row["source"])})
