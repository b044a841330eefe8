"""SQL of the figures of agents: for how long each talked, wrapped up, was free or away.

Spans are cut at the edges of the parts they reach into. Within a part no moment counts twice: who
talks is not free meanwhile, whatever the log of states says, and two legs of one agent at once are
one talk.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ARRAY, bindparam, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.platform.db import Moment
from callcenter.queues.tables import queue_members
from callcenter.reports.model import AgentFigure, Asked, Ratio, Span

#: No talk is longer: CC_MAX_CALL_SECONDS ends a call before.
_LONGEST_TALK: Final = timedelta(hours=24)

# The last span of each agent that began before the time asked for may reach into it; spans of one
# agent follow each other, so no older one does.
_SPANS: Final = """
  SELECT agent AS agent_id, 'talk' AS kind, began_at, coalesce(ended_at, :now) AS ended_at
  FROM agent_talks
  WHERE began_at >= :earliest_talk AND began_at < :end
    AND (ended_at IS NULL OR ended_at > :begin)
    AND (CAST(:agents AS text[]) IS NULL OR agent = ANY(:agents))
  UNION ALL
  SELECT agent_id, state, began_at, coalesce(ended_at, :now)
  FROM agent_activity
  WHERE began_at >= :begin AND began_at < :end
    AND (CAST(:agents AS text[]) IS NULL OR agent_id = ANY(:agents))
  UNION ALL
  SELECT before.agent_id, before.state, before.began_at, coalesce(before.ended_at, :now)
  FROM (
    SELECT agent_id FROM agents
    UNION SELECT agent_id FROM agent_activity WHERE began_at >= :begin AND began_at < :end
  ) AS known
  CROSS JOIN LATERAL (
    SELECT * FROM agent_activity
    WHERE agent_activity.agent_id = known.agent_id AND began_at < :begin
    ORDER BY began_at DESC LIMIT 1
  ) AS before
  WHERE (before.ended_at IS NULL OR before.ended_at > :begin)
    AND (CAST(:agents AS text[]) IS NULL OR before.agent_id = ANY(:agents))
"""

_TIMES: Final = text(
    f"""
WITH spans AS ({_SPANS}),
edges AS (
  SELECT edge, lead(edge) OVER (ORDER BY edge) AS next, row_number() OVER (ORDER BY edge) AS part
  FROM unnest(CAST(:edges AS timestamptz[])) AS edge
),
pieces AS (
  SELECT agent_id, kind, part,
    tstzrange(greatest(began_at, edge), least(ended_at, coalesce(next, :end), :now)) AS piece
  FROM spans
  CROSS JOIN LATERAL generate_series(
    greatest(1, width_bucket(began_at, CAST(:edges AS timestamptz[]))),
    greatest(1, width_bucket(least(ended_at, :now), CAST(:edges AS timestamptz[])))
  ) AS reached
  JOIN edges ON edges.part = reached
  WHERE greatest(began_at, edge) < least(ended_at, coalesce(next, :end), :now)
),
sorted AS (
  SELECT agent_id, part,
    coalesce(range_agg(piece) FILTER (WHERE kind = 'talk'), '{{}}') AS talk,
    coalesce(range_agg(piece) FILTER (WHERE kind = 'wrap_up'), '{{}}') AS wrap_up,
    coalesce(range_agg(piece) FILTER (WHERE kind IN ('ready', 'ringing')), '{{}}') AS idle,
    coalesce(range_agg(piece) FILTER (WHERE kind = 'paused'), '{{}}') AS paused,
    bool_or(kind <> 'talk') AS logged
  FROM pieces GROUP BY agent_id, part
)
SELECT agent_id, part - 1 AS part, logged, talk_s, wrap_up_s, idle_s, paused_s
FROM sorted
CROSS JOIN LATERAL (SELECT coalesce(sum(extract(epoch FROM upper(r) - lower(r))), 0)
  FROM unnest(talk) AS r) AS t (talk_s)
CROSS JOIN LATERAL (SELECT coalesce(sum(extract(epoch FROM upper(r) - lower(r))), 0)
  FROM unnest(wrap_up - talk) AS r) AS w (wrap_up_s)
CROSS JOIN LATERAL (SELECT coalesce(sum(extract(epoch FROM upper(r) - lower(r))), 0)
  FROM unnest(idle - talk - wrap_up) AS r) AS i (idle_s)
CROSS JOIN LATERAL (SELECT coalesce(sum(extract(epoch FROM upper(r) - lower(r))), 0)
  FROM unnest(paused - talk - wrap_up - idle) AS r) AS p (paused_s)
ORDER BY agent_id, part
"""  # noqa: S608 - the inner text is the constant above
).bindparams(
    bindparam("edges", type_=ARRAY(Moment)),
    bindparam("begin", type_=Moment),
    bindparam("end", type_=Moment),
    bindparam("now", type_=Moment),
    bindparam("earliest_talk", type_=Moment),
)

_TALKS: Final = """
SELECT talk.call_id, talk.uniqueid, talk.agent, talk.began_at, talk.ended_at,
  visit.queue,
  extract(epoch FROM talk.ended_at - talk.began_at) AS talk_s,
  wrap_up.seconds AS wrap_up_s,
  talk.ended_at IS NOT NULL AND NOT wrap_up.going_on AS over
FROM agent_talks AS talk
LEFT JOIN queue_visits AS visit ON visit.call_id = talk.call_id AND visit.visit = talk.visit
CROSS JOIN LATERAL (
  SELECT coalesce(sum(extract(epoch FROM ended_at - began_at)), 0) AS seconds,
    coalesce(bool_or(ended_at IS NULL), false) AS going_on
  FROM agent_activity AS spans
  WHERE spans.call_id = talk.call_id AND spans.agent_id = talk.agent AND spans.state = 'wrap_up'
    AND spans.began_at >= talk.began_at
    AND NOT EXISTS (
      SELECT FROM agent_talks AS later
      WHERE later.call_id = talk.call_id AND later.agent = talk.agent
        AND later.began_at > talk.began_at AND later.began_at <= spans.began_at
    )
) AS wrap_up
WHERE talk.began_at >= :begin AND talk.began_at < :end
  AND (CAST(:agents AS text[]) IS NULL OR talk.agent = ANY(:agents))
"""

_HANDLED: Final = text(
    f"""
SELECT agent AS agent_id, width_bucket(began_at, CAST(:edges AS timestamptz[])) - 1 AS part,
  count(*) AS talks, count(*) FILTER (WHERE over) AS over,
  coalesce(sum(talk_s) FILTER (WHERE over), 0) AS talk_s,
  coalesce(sum(talk_s + wrap_up_s) FILTER (WHERE over), 0) AS handling_s
FROM ({_TALKS}) AS talks
GROUP BY 1, 2
"""  # noqa: S608
).bindparams(
    bindparam("edges", type_=ARRAY(Moment)),
    bindparam("begin", type_=Moment),
    bindparam("end", type_=Moment),
)

_PAGE: Final = text(
    f"""
SELECT * FROM ({_TALKS}) AS talks
WHERE CAST(:at AS timestamptz) IS NULL
  OR (began_at, call_id, uniqueid) > (:at, CAST(:call_id AS uuid), :uniqueid)
ORDER BY began_at, call_id, uniqueid LIMIT :limit
"""  # noqa: S608
).bindparams(
    bindparam("begin", type_=Moment), bindparam("end", type_=Moment), bindparam("at", type_=Moment)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Worked:
    """One agent (None: several together) in one part of the time, by number of the part from 0.

    Seconds are disjoint. `talks` began in the part, each with its whole length in the averages.
    """

    agent_id: str | None
    part: int
    talks: int
    talking: float
    wrap_up: float
    free: float
    paused: float
    figures: Mapping[AgentFigure, Ratio]


async def worked(
    connection: AsyncConnection, asked: Asked, parts: Sequence[Span], agents: Sequence[str] | None
) -> list[Worked]:
    """Every agent and part of which anything is known. `agents` None: all."""
    values: dict[str, Any] = {
        "edges": [span.begin for span in parts],
        "begin": asked.begin,
        "end": asked.end,
        "agents": None if agents is None else list(agents),
    }
    handled = {(row.agent_id, row.part): row for row in await connection.execute(_HANDLED, values)}
    times = {
        (row.agent_id, row.part): row
        for row in await connection.execute(
            _TIMES, values | {"now": asked.now, "earliest_talk": asked.begin - _LONGEST_TALK}
        )
    }
    found = []
    for key in sorted({*handled, *times}):
        talks, time = handled.get(key), times.get(key)
        talking, wrap_up, free, paused = (
            (float(time.talk_s), float(time.wrap_up_s), float(time.idle_s), float(time.paused_s))
            if time is not None
            else (0.0, 0.0, 0.0, 0.0)
        )
        busy = talking + wrap_up
        # Without a log of states nobody knows who was free: no occupancy rather than a full one.
        occupancy = Ratio(busy, busy + free) if time is not None and time.logged else Ratio()
        over = 0 if talks is None else talks.over
        found.append(
            Worked(
                agent_id=key[0],
                part=key[1],
                talks=0 if talks is None else talks.talks,
                talking=talking,
                wrap_up=wrap_up,
                free=free,
                paused=paused,
                figures={
                    AgentFigure.HANDLING_TIME: Ratio(
                        0.0 if talks is None else float(talks.handling_s), over
                    ),
                    AgentFigure.TALK_TIME: Ratio(
                        0.0 if talks is None else float(talks.talk_s), over
                    ),
                    AgentFigure.OCCUPANCY: occupancy,
                },
            )
        )
    return found


async def talks_of(
    connection: AsyncConnection,
    asked: Asked,
    agents: Sequence[str] | None,
    *,
    behind: tuple[datetime, UUID, str] | None,
    limit: int,
) -> list[Mapping[str, Any]]:
    """Talks that began in the time asked for, in order."""
    at, call_id, uniqueid = behind or (None, None, None)
    found = await connection.execute(
        _PAGE,
        {
            "begin": asked.begin,
            "end": asked.end,
            "agents": None if agents is None else list(agents),
            "at": at,
            "call_id": call_id,
            "uniqueid": uniqueid,
            "limit": limit,
        },
    )
    return [dict(row) for row in found.mappings()]


async def members_of(connection: AsyncConnection, queue: str) -> list[str]:
    """Who is a member of a queue now."""
    found = await connection.execute(
        select(queue_members.c.agent_id).where(queue_members.c.queue == queue)
    )
    return [row.agent_id for row in found]
