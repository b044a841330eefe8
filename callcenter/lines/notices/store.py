"""Rows of recording notices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import Select, and_, func, insert, select
from sqlalchemy.dialects.postgresql import insert as insert_or
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.lines.notices.model import NoticeVersion, RecordingNotice
from callcenter.lines.notices.tables import recording_notice_versions as versions
from callcenter.lines.notices.tables import recording_notices as notices
from callcenter.lines.tables import lines


async def add_notice(connection: AsyncConnection, name: str, title: str, at: datetime) -> bool:
    """False when there is one of that name."""
    done = await connection.execute(
        insert_or(notices).values(name=name, title=title, created_at=at).on_conflict_do_nothing()
    )
    return done.rowcount == 1


async def add_version(
    connection: AsyncConnection,
    name: str,
    words: Mapping[str, str],
    *,
    comment: str,
    by: str,
    at: datetime,
) -> None:
    """Write the next version. The caller holds the notice's row (`hold`) or has just made it."""
    last = await connection.scalar(
        select(func.max(versions.c.version)).where(versions.c.notice == name)
    )
    await connection.execute(
        insert(versions).values(
            notice=name,
            version=int(last or 0) + 1,
            words=dict(words),
            comment=comment,
            published_at=at,
            published_by=by,
        )
    )


async def hold(connection: AsyncConnection, name: str) -> bool:
    """Until the end of the transaction nobody else publishes this notice or gives it to a line;
    False when it is not there.
    """
    wanted = select(notices.c.name).where(notices.c.name == name).with_for_update()
    return await connection.scalar(wanted) is not None


def _with_latest() -> Select[tuple[object, ...]]:
    newest = (
        select(versions.c.notice, func.max(versions.c.version).label("version"))
        .group_by(versions.c.notice)
        .subquery()
    )
    return (
        select(notices, versions)
        .join(newest, newest.c.notice == notices.c.name)
        .join(
            versions,
            and_(versions.c.notice == notices.c.name, versions.c.version == newest.c.version),
        )
    )


def _notice(row: RowMapping) -> RecordingNotice:
    return RecordingNotice(row["name"], row["title"], row["created_at"], _version(row))


def _version(row: RowMapping) -> NoticeVersion:
    return NoticeVersion(**{column.name: row[column.name] for column in versions.c})


async def notice(connection: AsyncConnection, name: str) -> RecordingNotice | None:
    result = await connection.execute(_with_latest().where(notices.c.name == name))
    row = result.mappings().first()
    return None if row is None else _notice(row)


async def notices_after(
    connection: AsyncConnection, name: str | None = None, limit: int | None = None
) -> Sequence[RecordingNotice]:
    """Notices in order of name, after `name`."""
    wanted = _with_latest().order_by(notices.c.name).limit(limit)
    if name is not None:
        wanted = wanted.where(notices.c.name > name)
    return [_notice(row) for row in (await connection.execute(wanted)).mappings()]


async def version(connection: AsyncConnection, name: str, number: int) -> NoticeVersion | None:
    wanted = select(versions).where(versions.c.notice == name, versions.c.version == number)
    row = (await connection.execute(wanted)).mappings().first()
    return None if row is None else _version(row)


async def versions_before(
    connection: AsyncConnection, name: str, before: int | None, limit: int
) -> Sequence[NoticeVersion]:
    """Versions of a notice, newest first, older than `before`."""
    wanted = (
        select(versions)
        .where(versions.c.notice == name)
        .order_by(versions.c.version.desc())
        .limit(limit)
    )
    if before is not None:
        wanted = wanted.where(versions.c.version < before)
    return [_version(row) for row in (await connection.execute(wanted)).mappings()]


async def languages_needed(connection: AsyncConnection, name: str) -> frozenset[str]:
    """Languages of the lines that play this notice."""
    wanted = select(lines.c.language).where(lines.c.recording_notice == name)
    return frozenset((await connection.scalars(wanted)).all())


async def lines_playing(
    connection: AsyncConnection, names: Sequence[str]
) -> Mapping[str, Sequence[str]]:
    """Numbers of the lines that play each notice."""
    found: dict[str, list[str]] = {name: [] for name in names}
    rows = await connection.execute(
        select(lines.c.recording_notice, lines.c.number)
        .where(lines.c.recording_notice.in_(list(names)))
        .order_by(lines.c.number)
    )
    for row in rows:
        found[row.recording_notice].append(row.number)
    return found
