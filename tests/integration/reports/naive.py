"""The figures once more, from Python objects, as docs/figures.md says them in words."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from callcenter.reports.model import AgentFigure, Figure, Ratio
from tests.integration.reports.conftest import NOW, Journey, Rows, Wait

SHORT = timedelta(seconds=5)
T20 = timedelta(seconds=20)


class Waited(NamedTuple):
    call_id: UUID
    visit: int
    queue: str
    entered_at: datetime
    outcome: str | None
    wait: timedelta | None
    from_ring: timedelta | None
    handling: timedelta | None


def _wrap_up(rows: Rows, call: Journey, agent: str, began: datetime) -> tuple[timedelta, bool]:
    """Of this talk, and whether one still goes on."""
    later = [start for who, start, _end in _talks(call) if who == agent and start > began]
    until = min(later, default=None)
    spans = [
        one
        for one in rows.states
        if one.state == "wrap_up"
        and one.call_id == call.call_id
        and one.agent == agent
        and one.began_at >= began
        and (until is None or one.began_at < until)
    ]
    length = sum(
        ((one.ended_at - one.began_at) for one in spans if one.ended_at is not None), timedelta()
    )
    return length, any(one.ended_at is None for one in spans)


def _talks(call: Journey) -> list[tuple[str, datetime, datetime | None]]:
    own = [(wait.agent or "", *wait.talk) for wait in call.waits if wait.talk is not None]
    return [*own, *call.talks]


def _handling(
    rows: Rows, call: Journey, talks: Iterable[tuple[str, datetime, datetime | None]]
) -> timedelta | None:
    length = timedelta()
    for agent, began, ended in talks:
        wrap_up, going_on = _wrap_up(rows, call, agent, began)
        if ended is None or going_on:
            return None
        length += ended - began + wrap_up
    return length


def waits(rows: Rows, begin: datetime, end: datetime) -> list[Waited]:
    found = []
    for call in rows.calls:
        if call.direction != "inbound":
            continue
        for number, wait in enumerate(call.waits, 1):
            if wait.why == "callback" or not begin <= wait.entered_at < end:
                continue
            handling = (
                _handling(rows, call, [(wait.agent or "", *wait.talk)]) if wait.talk else None
            )
            found.append(_waited(call, number, wait, wait.outcome, wait.left_at, handling))
    return found


def journeys(rows: Rows, begin: datetime, end: datetime) -> list[Waited]:
    found = []
    for call in rows.calls:
        counted = [(n, w) for n, w in enumerate(call.waits, 1) if w.why != "callback"]
        if call.direction != "inbound" or not counted:
            continue
        number, first = counted[0]
        if not begin <= first.entered_at < end:
            continue
        answered = next((w for _n, w in counted if w.outcome == "answered"), None)
        last = counted[-1][1]
        outcome: str | None
        if answered is not None:
            outcome, left_at = "answered", answered.left_at
        elif call.ended_at is not None:
            outcome, left_at = last.outcome, last.left_at
        else:
            outcome, left_at = None, None
        talks = _talks(call)
        handling = _handling(rows, call, talks) if talks else None
        found.append(_waited(call, number, first, outcome, left_at, handling))
    return found


def _waited(
    call: Journey,
    number: int,
    first: Wait,
    outcome: str | None,
    left_at: datetime | None,
    handling: timedelta | None,
) -> Waited:
    return Waited(
        call.call_id,
        number,
        first.queue,
        first.entered_at,
        outcome,
        None if left_at is None else left_at - first.entered_at,
        None if left_at is None else left_at - call.started_at,
        handling,
    )


def figures(found: list[Waited], threshold: timedelta, rows: Rows) -> dict[Figure, Ratio]:
    over = [one for one in found if one.outcome is not None]
    answered = [one for one in over if one.outcome == "answered"]
    abandoned = [one for one in over if one.outcome == "abandoned"]
    numbers = {call.call_id: call.number for call in rows.calls}
    result = {
        Figure.CONNECTION: Ratio(len(answered), len(over)),
        Figure.ANSWERED_WITHIN_OF_ANSWERED: Ratio(
            sum(_wait(one) <= threshold for one in answered), len(answered)
        ),
        Figure.SPEED_OF_ANSWER: Ratio(_sum(_wait(one) for one in answered), len(answered)),
        Figure.SPEED_OF_ANSWER_FROM_RING: Ratio(
            _sum(_ring(one) for one in answered), len(answered)
        ),
    }
    handled = [one.handling for one in answered if one.handling is not None]
    result[Figure.HANDLING_TIME] = Ratio(_sum(handled), len(handled))
    due = [
        one
        for one in abandoned
        if _wait(one) > SHORT
        and numbers[one.call_id] is not None
        and one.entered_at + _wait(one) + timedelta(minutes=30) <= NOW
    ]
    result[Figure.FOLLOW_UP] = Ratio(0, len(due))
    for clock, within, second, gone in (
        (
            _wait,
            Figure.ANSWERED_WITHIN,
            Figure.ANSWERED_WITHIN_20,
            Figure.ABANDONMENT,
        ),
        (
            _ring,
            Figure.ANSWERED_WITHIN_FROM_RING,
            Figure.ANSWERED_WITHIN_20_FROM_RING,
            Figure.ABANDONMENT_FROM_RING,
        ),
    ):
        short = sum(clock(one) <= SHORT for one in abandoned)
        offered = len(over) - short
        result[within] = Ratio(sum(clock(one) <= threshold for one in answered), offered)
        result[second] = Ratio(sum(clock(one) <= T20 for one in answered), offered)
        result[gone] = Ratio(len(abandoned) - short, offered)
    return result


def _wait(one: Waited) -> timedelta:
    assert one.wait is not None
    return one.wait


def _ring(one: Waited) -> timedelta:
    assert one.from_ring is not None
    return one.from_ring


def _sum(lengths: Iterable[timedelta]) -> float:
    return sum(lengths, timedelta()).total_seconds()


def lowest_connection(found: list[Waited], begin: datetime, end: datetime) -> Ratio | None:
    """By trying every window whose begin or end lies a microsecond beside a wait."""
    day, tick = timedelta(hours=24), timedelta(microseconds=1)
    over = [one for one in found if one.outcome is not None]
    begins = {begin}
    for one in over:
        for at in (one.entered_at, one.entered_at + tick, one.entered_at - tick):
            begins |= {at, at - day}
    worst: Ratio | None = None
    for at in begins:
        if not begin <= at <= end - day:
            continue
        inside = [one for one in over if at <= one.entered_at < at + day]
        if not inside:
            continue
        ratio = Ratio(sum(one.outcome == "answered" for one in inside), len(inside))
        if worst is None or ratio.numerator / ratio.denominator < (worst.value or 0):
            worst = ratio
    return worst


def worked(
    rows: Rows, agent: str, begin: datetime, end: datetime
) -> tuple[dict[str, int], dict[AgentFigure, Ratio]]:
    """Second by second (all times of the rows are whole seconds)."""
    clock: dict[datetime, str] = {}
    logged: set[datetime] = set()

    def of(began: datetime, ended: datetime | None) -> list[datetime]:
        at = max(began, begin)
        until = min(ended or NOW, end, NOW)
        return [at + timedelta(seconds=n) for n in range(int((until - at).total_seconds()))]

    def paint(what: str, began: datetime, ended: datetime | None) -> None:
        clock.update(dict.fromkeys(of(began, ended), what))

    order = ("paused", "ready", "ringing", "wrap_up")
    for one in rows.states:
        if one.agent == agent:
            logged.update(of(one.began_at, one.ended_at))
    for state in order:
        for one in rows.states:
            if one.agent == agent and one.state == state:
                paint(
                    "free" if state in ("ready", "ringing") else state, one.began_at, one.ended_at
                )
    talks = []
    for call in rows.calls:
        for who, began, ended in _talks(call):
            if who != agent:
                continue
            paint("talk", began, ended)
            if begin <= began < end:
                talks.append((call, began, ended))
    seconds = {
        what: sum(value == what for value in clock.values())
        for what in ("talk", "wrap_up", "free", "paused")
    }
    busy = seconds["wrap_up"] + sum(value == "talk" and at in logged for at, value in clock.items())
    over = [
        (call, began, ended)
        for call, began, ended in talks
        if ended is not None and not _wrap_up(rows, call, agent, began)[1]
    ]
    talked = _sum(ended - began for _c, began, ended in over if ended)
    wrapped = _sum(_wrap_up(rows, call, agent, began)[0] for call, began, _e in over)
    return seconds, {
        AgentFigure.OCCUPANCY: Ratio(busy, busy + seconds["free"]),
        AgentFigure.TALK_TIME: Ratio(talked, len(over)),
        AgentFigure.HANDLING_TIME: Ratio(talked + wrapped, len(over)),
    }
