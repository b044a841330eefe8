"""SQL of the figures of self-service, fax and messages.

Each figure is one list of rows: when, which call, what of it is in the numerator and what in the
denominator. The number is its sum, the calls behind it are its rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ARRAY, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.platform.db import Moment
from callcenter.reports.model import MESSAGE_TURN_ROUND, Asked, ChannelFigure, Part, Ratio, Span

# Citizens' calls that are over, by when they rang. A whole answer: an article heard to its end or
# taken by fax, how a case stands, a fax that went out.
_SELF_SERVICE: Final = """
SELECT started_at AS at, calls.call_id, 'call' AS ref,
  CAST(coalesce(disposition IN ('self_served', 'fax'), false)
    AND (plays.whole OR coalesce(tries.whole, false) OR fax.whole) AS integer) AS counted,
  1 AS due
FROM calls
LEFT JOIN LATERAL (SELECT count(*) > 0 AS chosen,
    coalesce(bool_or(outcome IN ('finished', 'faxed')), false) AS whole
  FROM article_plays WHERE article_plays.call_id = calls.call_id) AS plays ON true
LEFT JOIN (SELECT call_id, bool_or(outcome = 'told') AS whole FROM case_progress_tries
  WHERE at >= :begin AND at < :end + interval '1 day' AND call_id IS NOT NULL GROUP BY call_id)
  AS tries ON tries.call_id = calls.call_id
LEFT JOIN LATERAL (SELECT count(*) > 0 AS chosen, coalesce(bool_or(state = 'sent'), false) AS whole
  FROM faxes WHERE faxes.call_id = calls.call_id AND faxes.direction = 'out'
    AND faxes.created_by = 'system:agi') AS fax ON true
WHERE started_at >= :begin AND started_at < :end AND calls.direction = 'inbound'
  AND ended_at IS NOT NULL AND (plays.chosen OR tries.call_id IS NOT NULL OR fax.chosen)
"""

# Faxes out that are over, by when they were ordered; one that was called off was not to go.
_FAX_PAGES: Final = """
SELECT created_at AS at, call_id, CAST(fax_id AS text) AS ref,
  least(pages_done, pages) AS counted, pages AS due
FROM faxes
WHERE created_at >= :begin AND created_at < :end AND direction = 'out'
  AND state IN ('sent', 'partial', 'failed') AND pages > 0
"""

# Messages by when they were left; an empty one asks for nothing, one that is not due is left out
# unless somebody took it.
_MESSAGE_TAKEN: Final = """
SELECT left_at AS at, call_id, 'message' AS ref,
  CAST(coalesce(taken_at <= left_at + :turn_round, false) AS integer) AS counted,
  1 AS due
FROM messages
WHERE left_at >= :begin AND left_at < :end AND state <> 'empty'
  AND (left_at + :turn_round <= :now OR taken_at <= left_at + :turn_round)
"""

_ROWS: Final = {
    ChannelFigure.SELF_SERVICE: _SELF_SERVICE,
    ChannelFigure.FAX_PAGES: _FAX_PAGES,
    ChannelFigure.MESSAGE_TAKEN: _MESSAGE_TAKEN,
}


def _values(asked: Asked, figure: ChannelFigure) -> dict[str, Any]:
    values: dict[str, Any] = {"begin": asked.begin, "end": asked.end}
    if figure is ChannelFigure.MESSAGE_TAKEN:
        values |= {"now": asked.now, "turn_round": MESSAGE_TURN_ROUND}
    return values


async def counted(
    connection: AsyncConnection, asked: Asked, figure: ChannelFigure, parts: Sequence[Span]
) -> list[Ratio]:
    """One for each part."""
    statement = text(
        f"""
        SELECT width_bucket(at, :edges) AS part, sum(counted) AS counted, sum(due) AS due
        FROM ({_ROWS[figure]}) AS counted_rows GROUP BY 1
        """  # noqa: S608 - the inner text is one of the constants above
    ).bindparams(
        bindparam("edges", type_=ARRAY(Moment)),
        bindparam("begin", type_=Moment),
        bindparam("end", type_=Moment),
    )
    values = _values(asked, figure) | {"edges": [span.begin for span in parts]}
    found = [Ratio() for _ in parts]
    for row in await connection.execute(statement, values):
        found[row.part - 1] = Ratio(float(row.counted), float(row.due))
    return found


async def calls_of(
    connection: AsyncConnection,
    asked: Asked,
    figure: ChannelFigure,
    part: Part,
    *,
    behind: tuple[datetime, UUID, str] | None,
    limit: int,
) -> list[Mapping[str, Any]]:
    """What a figure counts, in order of coming."""
    at, call_id, ref = behind or (None, None, None)
    statement = text(
        f"""
        SELECT * FROM ({_ROWS[figure]}) AS counted_rows
        WHERE (:whole OR counted > 0)
          AND (CAST(:at AS timestamptz) IS NULL
            OR (at, call_id, ref) > (:at, CAST(:call_id AS uuid), :ref))
        ORDER BY at, call_id, ref LIMIT :limit
        """  # noqa: S608 - the inner text is one of the constants above
    ).bindparams(
        bindparam("at", type_=Moment),
        bindparam("begin", type_=Moment),
        bindparam("end", type_=Moment),
    )
    found = await connection.execute(
        statement,
        _values(asked, figure)
        | {
            "whole": part is Part.DENOMINATOR,
            "at": at,
            "call_id": call_id,
            "ref": ref,
            "limit": limit,
        },
    )
    return [dict(row) for row in found.mappings()]
