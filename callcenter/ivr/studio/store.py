"""Past calls of a flow, and what happened at its nodes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.calls.tables import calls
from callcenter.lines.tables import lines
from callcenter.queues.tables import queues


async def past_calls(
    connection: AsyncConnection, flow: str, *, begin: datetime, end: datetime, most: int
) -> Sequence[RowMapping]:
    """Ended calls that heard this flow, youngest first."""
    wanted = (
        select(
            calls.c.call_id,
            calls.c.started_at,
            calls.c.line,
            calls.c.caller_number.is_not(None).label("is_caller_known"),
            calls.c.language,
            lines.c.language.label("line_language"),
            calls.c.ivr_version,
            calls.c.ivr_path,
            calls.c.hangup_by,
            calls.c.disposition,
            calls.c.queued_at,
        )
        .outerjoin(lines, lines.c.number == calls.c.line)
        .where(
            calls.c.ivr_flow == flow,
            calls.c.ivr_version.is_not(None),
            calls.c.started_at >= begin,
            calls.c.started_at < end,
            calls.c.ended_at.is_not(None),
        )
        .order_by(calls.c.started_at.desc())
        .limit(most)
    )
    return (await connection.execute(wanted)).mappings().all()


async def where_a_person_is(connection: AsyncConnection, flow: str) -> tuple[str, str, str] | None:
    """Number, queue and language of the first line that runs this flow."""
    wanted = (
        select(lines.c.number, lines.c.queue, lines.c.language)
        .where(lines.c.flow == flow)
        .order_by(lines.c.number)
        .limit(1)
    )
    row = (await connection.execute(wanted)).first()
    return None if row is None else (row.number, row.queue, row.language)


async def default_queue(connection: AsyncConnection) -> str:
    found = await connection.scalar(select(queues.c.name).where(queues.c.is_default))
    return str(found or "general")


#: A visit is a run of steps at one node: a menu said three times is visited once. `left_by` is what
#: led to the next visit; who has none has left the flow there.
_VISITS = """
WITH paths AS (
  SELECT c.call_id, c.hangup_by, c.ended_at, c.queued_at, c.agent_answered_at, c.disposition, s.n,
         s.step->>'node' AS node, s.step->>'key' AS key, s.step->>'led_by' AS led_by,
         (s.step->>'at')::timestamptz AS at,
         coalesce(s.step->>'flow', c.ivr_flow) AS flow,
         coalesce((s.step->>'version')::integer, c.ivr_version) AS version
  FROM calls c CROSS JOIN LATERAL jsonb_array_elements(c.ivr_path) WITH ORDINALITY AS s(step, n)
  WHERE c.started_at >= :begin AND c.started_at < :end AND c.ended_at IS NOT NULL
    -- The line's own flow, or one that it runs.
    AND ((c.ivr_flow = :flow AND c.ivr_version = :version) OR c.ivr_path @>
      jsonb_build_array(jsonb_build_object('flow', CAST(:flow AS text),
                                           'version', CAST(:version AS integer))))
), marked AS (
  SELECT *, lag(flow || ':' || node) OVER calls_path IS DISTINCT FROM flow || ':' || node AS is_new
  FROM paths
  WINDOW calls_path AS (PARTITION BY call_id ORDER BY n)
), numbered AS (
  SELECT *, count(*) FILTER (WHERE is_new) OVER (PARTITION BY call_id ORDER BY n) AS visit
  FROM marked
), visits AS (
  SELECT call_id, visit, flow, version, node, min(at) AS came_at, count(*) AS steps,
         (array_agg(key ORDER BY n))[1] AS by_key, (array_agg(led_by ORDER BY n))[1] AS by,
         count(*) FILTER (WHERE led_by = 'wrong_key' AND NOT is_new) AS wrong_keys,
         min(hangup_by) AS hangup_by, min(ended_at) AS ended_at, min(queued_at) AS queued_at,
         min(agent_answered_at) AS agent_answered_at, min(disposition) AS disposition
  FROM numbered GROUP BY call_id, visit, flow, version, node
), left_ AS (
  SELECT *, lead(by_key) OVER way AS left_key, lead(by) OVER way AS left_by,
         lead(came_at) OVER way AS left_at, lead(visit) OVER way IS NULL AS is_last
  FROM visits WINDOW way AS (PARTITION BY call_id ORDER BY visit)
)
"""

_FIGURES = text(
    _VISITS
    + """
SELECT node, count(*) AS entered,
       count(*) FILTER (WHERE left_by = 'silence') AS timed_out,
       count(*) FILTER (WHERE left_by = 'flow') AS went_on,
       coalesce(sum(wrong_keys), 0)::bigint AS wrong_keys,
       count(*) FILTER (WHERE is_last AND hangup_by = 'caller' AND queued_at IS NULL) AS hung_up,
       count(*) FILTER (WHERE is_last) AS ended_here,
       count(DISTINCT call_id) AS calls,
       count(DISTINCT call_id) FILTER (WHERE queued_at IS NOT NULL) AS went_to_a_person,
       count(DISTINCT call_id) FILTER (WHERE agent_answered_at IS NOT NULL) AS reached_a_person,
       coalesce(sum(extract(epoch FROM
         greatest(coalesce(left_at, queued_at, ended_at) - came_at, interval '0'))), 0)::float
         AS seconds,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM
         greatest(coalesce(left_at, queued_at, ended_at) - came_at, interval '0')))::float
         AS median_seconds
FROM left_ WHERE flow = :flow AND version = :version GROUP BY node ORDER BY node
"""
)
_KEYS = text(
    _VISITS
    + """
SELECT node, left_key AS key, count(*) AS times FROM left_
WHERE flow = :flow AND version = :version
  AND left_by IN ('key', 'wrong_key') AND left_key IS NOT NULL
GROUP BY node, left_key ORDER BY node, left_key
"""
)


async def node_figures(
    connection: AsyncConnection, flow: str, version: int, *, begin: datetime, end: datetime
) -> tuple[Sequence[RowMapping], Sequence[RowMapping]]:
    """Figures by node; and how often each key left it."""
    values: dict[str, Any] = {"flow": flow, "version": version, "begin": begin, "end": end}
    figures = (await connection.execute(_FIGURES, values)).mappings().all()
    keys = (await connection.execute(_KEYS, values)).mappings().all()
    return figures, keys
