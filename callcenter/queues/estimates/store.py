"""SQL of wait estimates: how a queue stands now, and what its last calls showed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import RowMapping, bindparam, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.platform.db import Moment
from callcenter.queues.estimates.model import (
    TALKS,
    Drawn,
    EstimateError,
    Pace,
    PastWait,
    Standing,
)
from callcenter.queues.estimates.tables import queue_paces

#: Callers of higher priority are counted for so long back.
_OVERTAKING: Final = timedelta(hours=1)
#: A wait that ended so long before the last drawing may have got its talk's end since.
_TALKED_SINCE: Final = timedelta(minutes=15)

# One query while a caller listens. Who talks is at work whatever the states say; of the others the
# states tell. `crew`: members at work, of this queue and of those that share an agent with it.
_STANDING: Final = text(
    """
WITH crew AS (
  SELECT member.queue, member.agent_id,
    state.state = 'ready' AND talk.agent IS NULL AS free
  FROM queue_members AS member
  LEFT JOIN agent_states AS state ON state.agent_id = member.agent_id
  LEFT JOIN LATERAL (
    SELECT agent FROM agent_talks WHERE agent = member.agent_id AND ended_at IS NULL LIMIT 1
  ) AS talk ON true
  WHERE NOT EXISTS (SELECT FROM agent_queue_logouts AS gone
      WHERE gone.agent_id = member.agent_id AND gone.queue = member.queue)
    AND (talk.agent IS NOT NULL OR (state.logged_in AND NOT state.paused
      AND state.state <> 'offline' AND state.phone <> 'away'))
),
shared AS (
  SELECT queue, CAST(count(*) FILTER (WHERE agent_id IN (
      SELECT agent_id FROM crew WHERE queue = :queue)) AS double precision) / count(*) AS share
  FROM crew WHERE queue <> :queue GROUP BY queue
),
ringing AS (
  SELECT queue, count(*) AS calls FROM agent_states WHERE state = 'ringing' GROUP BY queue
),
waiting AS (
  SELECT visit.queue,
    greatest(0, count(*) - coalesce(max(ringing.calls), 0)) AS callers,
    count(*) FILTER (WHERE coalesce(visit.priority, 0) >= :priority)
      - coalesce(max(ringing.calls), 0) AS before
  FROM queue_visits AS visit LEFT JOIN ringing ON ringing.queue = visit.queue
  WHERE visit.outcome IS NULL GROUP BY visit.queue
)
SELECT
  greatest(0, coalesce((SELECT before FROM waiting WHERE queue = :queue), 0)) AS ahead,
  (SELECT count(*) FROM crew WHERE queue = :queue AND free) AS free,
  (SELECT count(*) FROM crew WHERE queue = :queue AND free IS NOT TRUE) AS busy,
  coalesce((SELECT sum(share * callers) FROM shared JOIN waiting USING (queue)), 0) AS elsewhere,
  (SELECT count(*) FROM queue_visits WHERE queue = :queue AND entered_at >= :since
    AND coalesce(priority, 0) > :priority) AS overtaking,
  pace.*
FROM (SELECT) AS nothing LEFT JOIN queue_paces AS pace ON pace.queue = :queue
"""
).bindparams(bindparam("since", type_=Moment))

_PAST: Final = text(
    """
SELECT queue.name AS queue, past.*
FROM queues AS queue
LEFT JOIN queue_paces AS pace ON pace.queue = queue.name
CROSS JOIN LATERAL (
  SELECT visit.left_at - visit.entered_at AS waited, visit.outcome = 'answered' AS answered,
    visit.estimate_seconds, work.handling, leg.ringing
  FROM (
    SELECT * FROM queue_visits
    WHERE queue = queue.name AND outcome IN ('answered', 'abandoned') AND why <> 'callback'
    ORDER BY left_at DESC LIMIT :talks
  ) AS visit
  LEFT JOIN LATERAL (
    SELECT answered_at - started_at AS ringing FROM call_legs
    WHERE call_id = visit.call_id AND agent = visit.agent AND answered_at <= visit.answered_at
    ORDER BY started_at DESC LIMIT 1
  ) AS leg ON visit.outcome = 'answered'
  LEFT JOIN LATERAL (
    SELECT talk.ended_at - talk.began_at
      + coalesce(leg.ringing, INTERVAL '0') + coalesce(wrap_up.length, INTERVAL '0') AS handling
    FROM agent_talks AS talk
    LEFT JOIN LATERAL (
      SELECT coalesce(ended_at, :now) - began_at AS length FROM agent_activity
      WHERE call_id = talk.call_id AND agent_id = talk.agent AND state = 'wrap_up'
        AND began_at >= talk.began_at
      ORDER BY began_at LIMIT 1
    ) AS wrap_up ON true
    WHERE talk.call_id = visit.call_id AND talk.visit = visit.visit
  ) AS work ON visit.outcome = 'answered'
) AS past
WHERE pace.queue IS NULL OR pace.drawn_at - CAST(:talked_since AS interval) < (
  SELECT max(newest.left_at) FROM queue_visits AS newest
  WHERE newest.queue = queue.name AND newest.outcome IN ('answered', 'abandoned')
)
"""
).bindparams(bindparam("now", type_=Moment))


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A queue now, and what its last calls showed; `drawn_at` None: never looked at."""

    standing: Standing
    drawn: Drawn
    drawn_at: datetime | None


async def known_of(
    connection: AsyncConnection, queue: str, *, priority: int, now: datetime
) -> Known:
    """What a caller of that priority meets. One query, by indexes."""
    found = await connection.execute(
        _STANDING, {"queue": queue, "priority": priority, "since": now - _OVERTAKING}
    )
    row = found.mappings().one()
    standing = Standing(
        ahead=row["ahead"],
        free=row["free"],
        busy=row["busy"],
        elsewhere=float(row["elsewhere"]),
        overtaking=row["overtaking"] / _OVERTAKING.total_seconds(),
    )
    return Known(standing=standing, drawn=_drawn(row), drawn_at=row["drawn_at"])


def _drawn(row: RowMapping) -> Drawn:
    pace = None
    if row["talks"]:
        patience = row["patience_ms"]
        pace = Pace(
            handling=_length(row["handling_ms"]),
            answering=_length(row["answering_ms"]),
            talks=row["talks"],
            patience=None if patience is None else _length(patience),
        )
    return Drawn(pace=pace, error=_error(row, ""), error_when_waiting=_error(row, "long_"))


def _error(row: RowMapping, kind: str) -> EstimateError | None:
    if not row[f"{kind}calls"]:
        return None
    return EstimateError(
        median=_length(row[f"{kind}median_ms"]),
        p90=_length(row[f"{kind}p90_ms"]),
        calls=row[f"{kind}calls"],
    )


def _length(ms: int) -> timedelta:
    return timedelta(milliseconds=ms)


async def past_waits(connection: AsyncConnection, now: datetime) -> dict[str, list[PastWait]]:
    """The last waits of every queue where something ended since it was looked at."""
    found = await connection.execute(
        _PAST, {"talks": TALKS, "now": now, "talked_since": _TALKED_SINCE}
    )
    waits: dict[str, list[PastWait]] = {}
    for row in found:
        told = row.estimate_seconds
        waits.setdefault(row.queue, []).append(
            PastWait(
                waited=row.waited,
                answered=row.answered,
                told=None if told is None else timedelta(seconds=told),
                ringing=row.ringing,
                handling=row.handling,
            )
        )
    return waits


async def keep(connection: AsyncConnection, drawn: Mapping[str, Drawn], now: datetime) -> None:
    """What was drawn, by queue; a queue that was removed meanwhile is passed over."""
    there = await connection.execute(
        text("SELECT name FROM queues WHERE name = ANY(:names) FOR KEY SHARE"),
        {"names": sorted(drawn)},
    )
    for name in sorted(row.name for row in there):
        values = _values(drawn[name]) | {"drawn_at": now}
        await connection.execute(
            insert(queue_paces)
            .values(queue=name, **values)
            .on_conflict_do_update(index_elements=["queue"], set_=values)
        )


def _values(drawn: Drawn) -> dict[str, Any]:
    pace, error, long = drawn.pace, drawn.error, drawn.error_when_waiting
    return {
        "talks": 0 if pace is None else pace.talks,
        "handling_ms": 0 if pace is None else _ms(pace.handling),
        "answering_ms": 0 if pace is None else _ms(pace.answering),
        "patience_ms": None if pace is None or pace.patience is None else _ms(pace.patience),
        "calls": 0 if error is None else error.calls,
        "median_ms": None if error is None else _ms(error.median),
        "p90_ms": None if error is None else _ms(error.p90),
        "long_calls": 0 if long is None else long.calls,
        "long_median_ms": None if long is None else _ms(long.median),
        "long_p90_ms": None if long is None else _ms(long.p90),
    }


def _ms(length: timedelta) -> int:
    return round(length / timedelta(milliseconds=1))


async def all_drawn(connection: AsyncConnection) -> Sequence[tuple[str, Drawn]]:
    """Of every queue that was looked at, by name."""
    rows = await connection.execute(select(queue_paces).order_by(queue_paces.c.queue))
    return [(row["queue"], _drawn(row)) for row in rows.mappings()]
