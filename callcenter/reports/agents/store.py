"""SQL of the figures of agents: for how long each talked, wrapped up, was free or away.

Spans are cut at the edges of the parts they reach into. Within a part no moment counts twice: who
talks is not free meanwhile, whatever the log of states says, and two legs of one agent at once are
one talk.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ARRAY, bindparam, func, or_, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.agents.tables import agents as agent_table
from callcenter.platform.db import Moment
from callcenter.reports.model import AgentFigure, Asked, Ratio, Span
from callcenter.reports.rollups.tables import queue_member_spans

#: No talk is longer: CC_MAX_CALL_SECONDS ends a call before. One that is still open counts so far.
_LONGEST_TALK: Final = timedelta(hours=24)

# Spans that began a day before may reach into the time asked for, and the last one before these;
# states of one agent follow each other, so no older one does.
_SPANS: Final = """
  SELECT agent AS agent_id, 'talk' AS kind, began_at,
    least(coalesce(ended_at, :now), began_at + interval '24 hours') AS ended_at
  FROM agent_talks
  WHERE began_at >= :earliest AND began_at < :end
    AND (ended_at IS NULL OR ended_at > :begin)
    AND (CAST(:agents AS text[]) IS NULL OR agent = ANY(:agents))
  UNION ALL
  SELECT agent_id, state, began_at, coalesce(ended_at, :now)
  FROM agent_activity
  WHERE began_at >= :earliest AND began_at < :end
    AND (ended_at IS NULL OR ended_at > :begin)
    AND (CAST(:agents AS text[]) IS NULL OR agent_id = ANY(:agents))
  UNION ALL
  SELECT before.agent_id, before.state, before.began_at, coalesce(before.ended_at, :now)
  FROM (
    SELECT agent_id FROM agents
    UNION SELECT agent_id FROM agent_activity WHERE began_at >= :earliest AND began_at < :end
  ) AS known
  CROSS JOIN LATERAL (
    SELECT * FROM agent_activity
    WHERE agent_activity.agent_id = known.agent_id AND began_at < :earliest
    ORDER BY began_at DESC LIMIT 1
  ) AS before
  WHERE (before.ended_at IS NULL OR before.ended_at > :begin)
    AND (CAST(:agents AS text[]) IS NULL OR before.agent_id = ANY(:agents))
"""

_TIMES: Final = text(
    f"""
WITH spans AS ({_SPANS}),
members AS (
  SELECT agent_id, range_agg(tstzrange(began_at, ended_at)) AS spans
  FROM queue_member_spans WHERE queue = CAST(:queue AS text) GROUP BY agent_id
),
edges AS (
  SELECT edge, lead(edge) OVER (ORDER BY edge) AS next, row_number() OVER (ORDER BY edge) AS part
  FROM unnest(CAST(:edges AS timestamptz[])) AS edge
),
pieces AS (
  SELECT agent_id, kind, part,
    tstzmultirange(tstzrange(
      greatest(began_at, edge), least(ended_at, coalesce(next, :end), :now)))
      * coalesce(member.spans, '{{(,)}}') AS piece
  FROM spans
  CROSS JOIN LATERAL generate_series(
    greatest(1, width_bucket(began_at, CAST(:edges AS timestamptz[]))),
    greatest(1, width_bucket(least(ended_at, :now), CAST(:edges AS timestamptz[])))
  ) AS reached
  JOIN edges ON edges.part = reached
  LEFT JOIN members AS member USING (agent_id)
  WHERE greatest(began_at, edge) < least(ended_at, coalesce(next, :end), :now)
    AND (CAST(:queue AS text) IS NULL OR member.spans IS NOT NULL)
),
sorted AS (
  SELECT agent_id, part,
    coalesce(range_agg(piece) FILTER (WHERE kind = 'talk'), '{{}}') AS talk,
    coalesce(range_agg(piece) FILTER (WHERE kind = 'wrap_up'), '{{}}') AS wrap_up,
    coalesce(range_agg(piece) FILTER (WHERE kind IN ('ready', 'ringing')), '{{}}') AS idle,
    coalesce(range_agg(piece) FILTER (WHERE kind = 'paused'), '{{}}') AS paused,
    coalesce(range_agg(piece) FILTER (WHERE kind <> 'talk'), '{{}}') AS logged
  FROM pieces WHERE NOT isempty(piece) GROUP BY agent_id, part
)
SELECT agent_id, part - 1 AS part, talk_s, talk_logged_s, wrap_up_s, idle_s, paused_s
FROM sorted
CROSS JOIN LATERAL (SELECT coalesce(sum(extract(epoch FROM upper(r) - lower(r))), 0)
  FROM unnest(talk) AS r) AS t (talk_s)
CROSS JOIN LATERAL (SELECT coalesce(sum(extract(epoch FROM upper(r) - lower(r))), 0)
  FROM unnest(talk * logged) AS r) AS l (talk_logged_s)
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
    bindparam("earliest", type_=Moment),
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
  AND (CAST(:queue AS text) IS NULL OR EXISTS (SELECT FROM queue_member_spans AS member
    WHERE member.queue = :queue AND member.agent_id = talk.agent
      AND (member.began_at IS NULL OR member.began_at <= talk.began_at)
      AND (member.ended_at IS NULL OR member.ended_at > talk.began_at)))
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

    `talking`, `wrap_up`, `free` and `paused` are disjoint seconds; `talking_logged` is what of the
    talk lies where the states of the agent are known. `talks` began in the part; `talk_seconds` and
    `handling_seconds` are whole lengths of those that are over.
    """

    agent_id: str | None
    part: int
    talks: int = 0
    talks_over: int = 0
    talk_seconds: float = 0.0
    handling_seconds: float = 0.0
    talking: float = 0.0
    talking_logged: float = 0.0
    wrap_up: float = 0.0
    free: float = 0.0
    paused: float = 0.0

    @property
    def figures(self) -> Mapping[AgentFigure, Ratio]:
        """Where no log of states says who was free, a talk is in no occupancy: it would be full."""
        busy = self.talking_logged + self.wrap_up
        return {
            AgentFigure.HANDLING_TIME: Ratio(self.handling_seconds, self.talks_over),
            AgentFigure.TALK_TIME: Ratio(self.talk_seconds, self.talks_over),
            AgentFigure.OCCUPANCY: Ratio(busy, busy + self.free),
        }


def together(agent_id: str | None, part: int, rows: Iterable[Worked]) -> Worked:
    """The sum of these."""
    found = list(rows)
    return Worked(
        agent_id=agent_id,
        part=part,
        talks=sum(row.talks for row in found),
        talks_over=sum(row.talks_over for row in found),
        talk_seconds=sum(row.talk_seconds for row in found),
        handling_seconds=sum(row.handling_seconds for row in found),
        talking=sum(row.talking for row in found),
        talking_logged=sum(row.talking_logged for row in found),
        wrap_up=sum(row.wrap_up for row in found),
        free=sum(row.free for row in found),
        paused=sum(row.paused for row in found),
    )


async def worked(
    connection: AsyncConnection,
    asked: Asked,
    parts: Sequence[Span],
    agents: Sequence[str] | None,
    queue: str | None = None,
) -> list[Worked]:
    """Every agent and part of which anything is known. `agents` None: all; `queue`: only while
    they were its members."""
    values: dict[str, Any] = {
        "edges": [span.begin for span in parts],
        "begin": asked.begin,
        "end": asked.end,
        "agents": None if agents is None else list(agents),
        "queue": queue,
    }
    handled = {(row.agent_id, row.part): row for row in await connection.execute(_HANDLED, values)}
    times = {
        (row.agent_id, row.part): row
        for row in await connection.execute(
            _TIMES, values | {"now": asked.now, "earliest": asked.begin - _LONGEST_TALK}
        )
    }
    found = []
    for key in sorted({*handled, *times}):
        values = {}
        if (talks := handled.get(key)) is not None:
            values |= {
                "talks": talks.talks,
                "talks_over": talks.over,
                "talk_seconds": float(talks.talk_s),
                "handling_seconds": float(talks.handling_s),
            }
        if (time := times.get(key)) is not None:
            values |= {
                "talking": float(time.talk_s),
                "talking_logged": float(time.talk_logged_s),
                "wrap_up": float(time.wrap_up_s),
                "free": float(time.idle_s),
                "paused": float(time.paused_s),
            }
        found.append(Worked(agent_id=key[0], part=key[1], **values))
    return found


async def talks_of(
    connection: AsyncConnection,
    asked: Asked,
    agents: Sequence[str] | None,
    queue: str | None = None,
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
            "queue": queue,
            "at": at,
            "call_id": call_id,
            "uniqueid": uniqueid,
            "limit": limit,
        },
    )
    return [dict(row) for row in found.mappings()]


async def members_of(connection: AsyncConnection, queue: str, asked: Asked) -> list[str]:
    """Who was a member of a queue at some moment of the time asked for."""
    spans = queue_member_spans.c
    found = await connection.scalars(
        select(spans.agent_id)
        .where(
            spans.queue == queue,
            or_(spans.began_at.is_(None), spans.began_at < asked.end),
            or_(spans.ended_at.is_(None), spans.ended_at > asked.begin),
        )
        .distinct()
        .order_by(spans.agent_id)
    )
    return list(found)


async def number(connection: AsyncConnection) -> int:
    """How many agents there are now."""
    return await connection.scalar(select(func.count()).select_from(agent_table)) or 0
