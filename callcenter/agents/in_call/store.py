"""SQL of acts in calls. Every function runs in the caller's transaction."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, func, insert, null, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.access.model import Principal
from callcenter.agents.in_call.model import (
    CallNow,
    HeldBy,
    Hold,
    LegNow,
    Party,
    PauseNow,
    Purpose,
    Result,
)
from callcenter.agents.in_call.tables import call_holds, call_parties, phone_holds
from callcenter.agents.tables import agent_states, agents
from callcenter.calls.tables import agent_talks, call_legs, calls
from callcenter.queues.queries import serving
from callcenter.queues.tables import queues
from callcenter.recordings.tables import recording_pauses, recordings
from callcenter.switch.tables import switch_acts


async def agent_of_user(connection: AsyncConnection, who: Principal) -> str | None:
    """The agent whose login this is."""
    found: str | None = await connection.scalar(
        select(agents.c.agent_id).where(agents.c.user_id == who.user_id)
    )
    return found


async def call_now(
    connection: AsyncConnection, call_id: UUID, *, for_update: bool = False
) -> CallNow | None:
    """The call as the rows tell it; `for_update`: one act at a time is ordered in it."""
    wanted = select(calls).where(calls.c.call_id == call_id)
    if for_update:
        # Not the call's row: the journal's consumer writes that one all the time.
        await connection.execute(
            select(func.pg_advisory_xact_lock(func.hashtextextended(f"in_call/{call_id}", 0)))
        )
    row = (await connection.execute(wanted)).mappings().first()
    if row is None:
        return None
    talking = await connection.execute(
        select(agent_talks.c.uniqueid, agent_talks.c.agent)
        .join(
            call_legs,
            (call_legs.c.call_id == agent_talks.c.call_id)
            & (call_legs.c.uniqueid == agent_talks.c.uniqueid),
        )
        .where(
            agent_talks.c.call_id == call_id,
            agent_talks.c.ended_at.is_(None),
            call_legs.c.ended_at.is_(None),
        )
        .order_by(agent_talks.c.began_at)
    )
    held_since: datetime | None = await connection.scalar(
        select(call_holds.c.began_at).where(
            call_holds.c.call_id == call_id, call_holds.c.ended_at.is_(None)
        )
    )
    records = await connection.scalar(
        select(recordings.c.recording_id)
        .where(
            recordings.c.call_id == call_id,
            recordings.c.kind == "conversation",
            recordings.c.state == "recording",
        )
        .limit(1)
    )
    pause = (
        await connection.execute(
            select(recording_pauses).where(
                recording_pauses.c.call_id == call_id, recording_pauses.c.ended_at.is_(None)
            )
        )
    ).one_or_none()
    return CallNow(
        call_id=call_id,
        direction=row["direction"],
        line=row["line"],
        caller_number=row["caller_number"],
        ended=row["ended_at"] is not None,
        citizen=LegNow(uniqueid=row["uniqueid"]),
        language=row["language"],
        talking=tuple(LegNow(uniqueid=talk.uniqueid, agent=talk.agent) for talk in talking),
        parties=tuple(await parties_of(connection, call_id)),
        held_since=held_since,
        holds=tuple(await holds_of(connection, call_id)),
        recording=records is not None,
        pause=None
        if pause is None
        else PauseNow(
            began_at=pause.began_at,
            began_by=pause.began_by,
            reason=pause.reason,
            until_at=pause.until_at,
        ),
    )


def _party(row: RowMapping) -> Party:
    values = {name: row[name] for name in Party.__dataclass_fields__}
    values["purpose"] = Purpose(row["purpose"])
    values["result"] = Result(row["result"]) if row["result"] else None
    return Party(**values)


async def parties_of(connection: AsyncConnection, call_id: UUID) -> list[Party]:
    rows = await connection.execute(
        select(call_parties)
        .where(call_parties.c.call_id == call_id)
        .order_by(call_parties.c.number)
    )
    return [_party(row) for row in rows.mappings()]


async def add_party(connection: AsyncConnection, row: Mapping[str, Any]) -> None:
    await connection.execute(insert(call_parties).values(**row))


async def party_by_leg(connection: AsyncConnection, uniqueid: str) -> RowMapping | None:
    found = await connection.execute(
        select(call_parties).where(call_parties.c.uniqueid == uniqueid)
    )
    row: RowMapping | None = found.mappings().one_or_none()
    return row


async def tell_party(
    connection: AsyncConnection, uniqueid: str, values: Mapping[str, Any]
) -> RowMapping | None:
    """Write what the journal tells of a party; its row, None where no act called it in."""
    found = await connection.execute(
        update(call_parties)
        .where(call_parties.c.uniqueid == uniqueid)
        .values(**values)
        .returning(call_parties)
    )
    row: RowMapping | None = found.mappings().one_or_none()
    return row


async def end_consultation(connection: AsyncConnection, call_id: UUID, at: datetime) -> None:
    """The citizen came back to whoever was asked."""
    await connection.execute(
        update(call_parties)
        .where(
            call_parties.c.call_id == call_id,
            call_parties.c.purpose == Purpose.CONSULTATION.value,
            call_parties.c.answered_at.is_not(None),
            call_parties.c.ended_at.is_(None),
            call_parties.c.joined_at.is_(None),
        )
        .values(joined_at=at)
    )


async def set_result(
    connection: AsyncConnection, call_id: UUID, number: int, result: Result, by: str
) -> None:
    await connection.execute(
        update(call_parties)
        .where(call_parties.c.call_id == call_id, call_parties.c.number == number)
        .values(result=result.value, result_by=by)
    )


async def begin_hold(connection: AsyncConnection, call_id: UUID, at: datetime) -> None:
    await connection.execute(
        upsert(call_holds).values(call_id=call_id, began_at=at).on_conflict_do_nothing()
    )


async def end_hold(connection: AsyncConnection, call_id: UUID, at: datetime) -> None:
    await connection.execute(
        update(call_holds)
        .where(call_holds.c.call_id == call_id, call_holds.c.ended_at.is_(None))
        .values(ended_at=func.greatest(call_holds.c.began_at, at))
    )


async def begin_phone_hold(
    connection: AsyncConnection, call_id: UUID, uniqueid: str, agent: str, at: datetime
) -> None:
    values = {"call_id": call_id, "uniqueid": uniqueid, "agent": agent, "began_at": at}
    await connection.execute(upsert(phone_holds).values(**values).on_conflict_do_nothing())


async def end_phone_hold(
    connection: AsyncConnection, call_id: UUID, uniqueid: str, at: datetime
) -> None:
    await connection.execute(
        update(phone_holds)
        .where(
            phone_holds.c.call_id == call_id,
            phone_holds.c.uniqueid == uniqueid,
            phone_holds.c.ended_at.is_(None),
        )
        .values(ended_at=func.greatest(phone_holds.c.began_at, at))
    )


async def holds_of(connection: AsyncConnection, call_id: UUID) -> list[Hold]:
    """Every span in which somebody of the call was held, oldest first."""
    by_acts = select(call_holds.c.began_at, call_holds.c.ended_at, null().label("agent")).where(
        call_holds.c.call_id == call_id
    )
    by_phones = select(phone_holds.c.began_at, phone_holds.c.ended_at, phone_holds.c.agent).where(
        phone_holds.c.call_id == call_id
    )
    rows = await connection.execute(by_acts.union_all(by_phones).order_by("began_at"))
    return [
        Hold(
            by=HeldBy.PHONE if row.agent else HeldBy.ACT,
            agent=row.agent,
            began_at=row.began_at,
            ended_at=row.ended_at,
        )
        for row in rows
    ]


async def line_of_call(connection: AsyncConnection, call_id: UUID) -> tuple[bool, str | None]:
    """Whether the call is a citizen's, and its line."""
    row = (
        await connection.execute(
            select(calls.c.direction, calls.c.line).where(calls.c.call_id == call_id)
        )
    ).one_or_none()
    return (row is not None and row.direction != "internal", row.line if row else None)


async def begun_by_agent(connection: AsyncConnection, call_id: UUID) -> tuple[str, str | None]:
    """Of a call between agents: whose phone began it, and what was dialled."""
    row = (
        await connection.execute(
            select(calls.c.dialled_number, call_legs.c.agent)
            .select_from(
                calls.outerjoin(
                    call_legs,
                    (call_legs.c.call_id == calls.c.call_id)
                    & (call_legs.c.uniqueid == calls.c.uniqueid),
                )
            )
            .where(calls.c.call_id == call_id)
            .limit(1)
        )
    ).one_or_none()
    return ("", None) if row is None else (row.agent or "", row.dialled_number)


async def citizen_of_leg(connection: AsyncConnection, uniqueid: str) -> tuple[UUID, str] | None:
    """The open call that a leg belongs to, and the citizen's channel in it."""
    row = (
        await connection.execute(
            select(calls.c.call_id, calls.c.uniqueid)
            .join(call_legs, call_legs.c.call_id == calls.c.call_id)
            .where(
                call_legs.c.uniqueid == uniqueid,
                call_legs.c.moved_to.is_(None),
                calls.c.ended_at.is_(None),
            )
            .limit(1)
        )
    ).one_or_none()
    return None if row is None else (row.call_id, row.uniqueid)


async def agent_is_there(connection: AsyncConnection, agent_id: str) -> bool:
    found = await connection.scalar(
        select(agents.c.agent_id).where(agents.c.agent_id == agent_id, agents.c.active)
    )
    return found is not None


async def ready_in(
    connection: AsyncConnection,
    queue: str,
    language: str | None,
    *,
    default_language: str,
    now: datetime,
) -> list[str]:
    """Agents who serve the queue now and are ready at their phones, by penalty, then the longest
    ready. Where it has agents for the citizen's language, those."""
    ready = await connection.execute(
        select(agent_states.c.agent_id, agent_states.c.since).where(
            agent_states.c.state == "ready", agent_states.c.phone == "there"
        )
    )
    since = {row.agent_id: row.since for row in ready}
    places = [
        place
        for place in await serving(
            connection, list(since), default_language=default_language, now=now
        )
        if place.of == queue and place.agent_id in since
    ]
    own = [place for place in places if place.queue == f"{queue}-{language}"]
    best: dict[str, int] = {}
    for place in own or places:
        best[place.agent_id] = min(place.penalty, best.get(place.agent_id, place.penalty))
    return sorted(best, key=lambda agent_id: (best[agent_id], since[agent_id], agent_id))


async def queue_is_there(connection: AsyncConnection, name: str) -> bool:
    return await connection.scalar(select(queues.c.name).where(queues.c.name == name)) is not None


async def forget_digits(connection: AsyncConnection, act_id: int) -> None:
    """Keyed digits are not kept."""
    await connection.execute(
        update(switch_acts)
        .where(switch_acts.c.act_id == act_id)
        .values(arguments=switch_acts.c.arguments.op("-")("digits"))
    )


async def party_not_called(
    connection: AsyncConnection, call_id: UUID, number: int, at: datetime
) -> None:
    """Nobody was called after all. The row stays: its leg's name is never given again."""
    await connection.execute(
        update(call_parties)
        .where(
            call_parties.c.call_id == call_id,
            call_parties.c.number == number,
            call_parties.c.ended_at.is_(None),
        )
        .values(ended_at=func.greatest(call_parties.c.began_at, at))
    )
