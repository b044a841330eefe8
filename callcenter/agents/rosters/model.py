"""Who is on duty when: shifts, and the cover that there must be.

Pure. Times are aware; days and hours of a plan or a rule are read on the wall clock of the city.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Final
from uuid import UUID

from callcenter.platform.errors import Conflict, InvalidField, NotFound
from callcenter.platform.text import plain_text

#: A shift is no longer than this.
LONGEST_SHIFT: Final = timedelta(hours=16)
#: Days of one plan, and of one look at the cover.
MOST_DAYS: Final = 100
#: Shifts that one plan may make.
MOST_SHIFTS: Final = 5000
#: Characters of a note, of a title.
MOST_NOTE: Final = 200
MOST_TITLE: Final = 100
MINUTES_A_DAY: Final = 24 * 60
MOST_AT_LEAST: Final = 500


class NoSuchShift(NotFound):
    """There is no such shift."""

    slug = "no-such-shift"


class NoSuchCoverRule(NotFound):
    """There is no such rule of cover."""

    slug = "no-such-cover-rule"


class CoverRuleExists(Conflict):
    """There is a rule of cover of this name already."""

    slug = "cover-rule-exists"


class ShiftsOverlap(Conflict):
    """The agent has another shift in that time."""

    slug = "shifts-overlap"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """An agent's time on duty, from `starts_at` up to, not including, `ends_at`."""

    shift_id: UUID
    agent_id: str
    starts_at: datetime
    ends_at: datetime
    note: str = ""
    version: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class DayHours:
    """Duty on one weekday (1 Monday … 7 Sunday), in minutes of that day; `end` may lie in the next
    day (up to 48 × 60)."""

    weekday: int
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CoverRule:
    """How many must be on duty: `at_least` agents who serve `queue`, have `skill` and speak
    `language` (None: whoever), in `hours` (empty: day and night, every day)."""

    name: str
    title: str
    at_least: int
    queue: str | None = None
    skill: str | None = None
    language: str | None = None
    hours: tuple[DayHours, ...] = ()
    version: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Able:
    """What an agent can serve. Who has no language entered speaks the city's own."""

    agent_id: str
    queues: frozenset[str] = field(default_factory=frozenset)
    skills: frozenset[str] = field(default_factory=frozenset)
    languages: frozenset[str] = field(default_factory=frozenset)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hole:
    """A time in which fewer are on duty than a rule wants."""

    rule: str
    starts_at: datetime
    ends_at: datetime
    there: int
    wanted: int


def checked_times(starts_at: datetime, ends_at: datetime) -> tuple[datetime, datetime]:
    """Both in UTC. Raises `InvalidField`."""
    start, end = starts_at.astimezone(UTC), ends_at.astimezone(UTC)
    if end <= start:
        raise InvalidField("ends_at", "must be after starts_at")
    if end - start > LONGEST_SHIFT:
        hours = int(LONGEST_SHIFT / timedelta(hours=1))
        raise InvalidField("ends_at", f"a shift has at most {hours} hours")
    return start, end


def checked_rule(rule: CoverRule) -> CoverRule:
    """The rule as it is kept. Raises `InvalidField`."""
    if not 1 <= rule.at_least <= MOST_AT_LEAST:
        raise InvalidField("at_least", f"1 to {MOST_AT_LEAST}")
    return CoverRule(
        name=rule.name,
        title=plain_text("title", rule.title, least=1, most=MOST_TITLE),
        at_least=rule.at_least,
        queue=rule.queue,
        skill=rule.skill,
        language=rule.language,
        hours=checked_hours(rule.hours),
        version=rule.version,
    )


def checked_hours(hours: Collection[DayHours]) -> tuple[DayHours, ...]:
    """In order of the week. Raises `InvalidField`."""
    if len(hours) > 50:
        raise InvalidField("hours", "at most 50")
    for one in hours:
        if not 1 <= one.weekday <= 7:
            raise InvalidField("hours", "weekday: 1 (Monday) to 7 (Sunday)")
        if not 0 <= one.start < MINUTES_A_DAY or not one.start < one.end <= 2 * MINUTES_A_DAY:
            raise InvalidField("hours", "from 00:00 on, to a later time of that day or the next")
    return tuple(sorted(set(hours), key=lambda one: (one.weekday, one.start, one.end)))


def moments(day: date, hours: DayHours, zone: tzinfo) -> tuple[datetime, datetime]:
    """Begin and end of `hours` on `day`, in UTC: what the clock on the wall shows."""
    midnight = datetime.combine(day, time(0))
    start = (midnight + timedelta(minutes=hours.start)).replace(tzinfo=zone)
    end = (midnight + timedelta(minutes=hours.end)).replace(tzinfo=zone)
    return start.astimezone(UTC), end.astimezone(UTC)


def planned(
    agents: Sequence[str],
    week: Collection[DayHours],
    first_day: date,
    last_day: date,
    zone: tzinfo,
    *,
    leave_out: Collection[date] = (),
) -> Iterator[tuple[str, datetime, datetime]]:
    """The shifts of a weekly plan from `first_day` to `last_day`, both included; none begins on a
    day of `leave_out`. Raises `InvalidField`."""
    days = (last_day - first_day).days + 1
    if not 1 <= days <= MOST_DAYS:
        raise InvalidField("last_day", f"1 to {MOST_DAYS} days")
    by_day: dict[int, list[DayHours]] = {}
    for one in checked_hours(week):
        by_day.setdefault(one.weekday, []).append(one)
    count = 0
    for offset in range(days):
        day = first_day + timedelta(days=offset)
        if day in leave_out:
            continue
        for hours in by_day.get(day.isoweekday(), ()):
            for agent_id in agents:
                count += 1
                if count > MOST_SHIFTS:
                    raise InvalidField("agents", f"a plan makes at most {MOST_SHIFTS} shifts")
                yield agent_id, *checked_times(*moments(day, hours, zone))


def serves(able: Able, rule: CoverRule, default_language: str) -> bool:
    """Whether an agent counts for a rule."""
    languages = able.languages or {default_language}
    return (
        (rule.queue is None or rule.queue in able.queues)
        and (rule.skill is None or rule.skill in able.skills)
        and (rule.language is None or rule.language in languages)
    )


def holes(
    rules: Sequence[CoverRule],
    shifts: Sequence[Shift],
    agents: Sequence[Able],
    begin: datetime,
    end: datetime,
    zone: tzinfo,
    *,
    default_language: str,
) -> list[Hole]:
    """Every time between `begin` and `end` in which a rule is not kept, by rule, then by time.

    Neighbouring times of the same shortage are one hole. An agent counts once, however many shifts.
    """
    found: list[Hole] = []
    able = {agent.agent_id: agent for agent in agents}
    for rule in rules:
        counted = [
            shift
            for shift in shifts
            if shift.agent_id in able and serves(able[shift.agent_id], rule, default_language)
        ]
        for start, stop in _wanted(rule, begin, end, zone):
            found += _holes_of(rule, counted, start, stop)
    return found


def _wanted(
    rule: CoverRule, begin: datetime, end: datetime, zone: tzinfo
) -> list[tuple[datetime, datetime]]:
    """The times the rule holds, cut to the range, those that touch joined."""
    if not rule.hours:
        return [(begin, end)]
    spans: list[tuple[datetime, datetime]] = []
    day = begin.astimezone(zone).date() - timedelta(days=1)  # what began the day before
    last = end.astimezone(zone).date()
    while day <= last:
        for hours in rule.hours:
            if hours.weekday == day.isoweekday():
                start, stop = moments(day, hours, zone)
                start, stop = max(start, begin), min(stop, end)
                if start < stop:
                    spans.append((start, stop))
        day += timedelta(days=1)
    joined: list[tuple[datetime, datetime]] = []
    for start, stop in sorted(spans):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(stop, joined[-1][1]))
        else:
            joined.append((start, stop))
    return joined


def _holes_of(
    rule: CoverRule, shifts: Sequence[Shift], begin: datetime, end: datetime
) -> list[Hole]:
    """Sweep over the shifts' ends: between two of them nothing changes."""
    steps: list[tuple[datetime, int, str]] = []
    for shift in shifts:
        start, stop = max(shift.starts_at, begin), min(shift.ends_at, end)
        if start < stop:
            steps += [(start, 1, shift.agent_id), (stop, -1, shift.agent_id)]
    # Who leaves and comes at the same moment is there all the time: coming counts first.
    steps.sort(key=lambda step: (step[0], -step[1]))
    found: list[Hole] = []
    there: dict[str, int] = {}
    at = begin
    for moment, change, agent_id in [*steps, (end, 0, "")]:
        count = len(there)
        if moment > at and count < rule.at_least:
            if found and found[-1].ends_at == at and found[-1].there == count:
                at = found.pop().starts_at
            found.append(
                Hole(
                    rule=rule.name, starts_at=at, ends_at=moment, there=count, wanted=rule.at_least
                )
            )
        at = moment
        if change:
            left = there.get(agent_id, 0) + change
            if left:
                there[agent_id] = left
            else:
                del there[agent_id]
    return found
