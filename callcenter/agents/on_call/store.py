"""Rows of rotas, turns, alerts, their steps and calls; all in the caller's transaction."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import cast
from uuid import UUID

from sqlalchemy import delete, exists, func, insert, select, tuple_, update
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.access.tables import users
from callcenter.agents.on_call.model import Alert, AlertState, Rota, Step, StepKind, Turn
from callcenter.agents.on_call.ringing import AlertCall, CallOutcome
from callcenter.agents.on_call.tables import alert_calls, alert_steps, alerts, rota_turns, rotas
from callcenter.agents.tables import agents
from callcenter.calls.tables import calls
from callcenter.cases.tables import cases
from callcenter.lines.tables import lines


def _alert(row: RowMapping) -> Alert:
    return Alert(**{**row, "state": AlertState(row["state"])})


async def list_rotas(connection: AsyncConnection) -> Sequence[Rota]:
    rows = await connection.execute(select(rotas).order_by(rotas.c.name))
    return [Rota(**row) for row in rows.mappings()]


async def rota_of(
    connection: AsyncConnection, name: str, *, for_update: bool = False
) -> Rota | None:
    wanted = select(rotas).where(rotas.c.name == name)
    result = await connection.execute(wanted.with_for_update() if for_update else wanted)
    row = result.mappings().first()
    return None if row is None else Rota(**row)


async def write_rota(connection: AsyncConnection, rota: Rota, *, new: bool) -> None:
    if new:
        await connection.execute(insert(rotas).values(**asdict(rota)))
    else:
        await connection.execute(
            update(rotas).where(rotas.c.name == rota.name).values(**asdict(rota))
        )


async def has_alerts(connection: AsyncConnection, name: str) -> bool:
    return bool(await connection.scalar(select(exists().where(alerts.c.rota == name))))


async def remove_rota(connection: AsyncConnection, name: str) -> None:
    await connection.execute(delete(rotas).where(rotas.c.name == name))


async def turns_of(
    connection: AsyncConnection, rota: str, begin: datetime, end: datetime
) -> Sequence[Turn]:
    """Turns that touch the range, by their start."""
    rows = await connection.execute(
        select(rota_turns)
        .where(rota_turns.c.rota == rota, rota_turns.c.ends_at > begin)
        .where(rota_turns.c.starts_at < end)
        .order_by(rota_turns.c.starts_at, rota_turns.c.level, rota_turns.c.turn_id)
    )
    return [Turn(**row) for row in rows.mappings()]


async def add_turn(connection: AsyncConnection, turn: Turn) -> None:
    await connection.execute(insert(rota_turns).values(**asdict(turn)))


async def remove_turn(connection: AsyncConnection, rota: str, turn_id: UUID) -> bool:
    gone = await connection.scalar(
        delete(rota_turns)
        .where(rota_turns.c.rota == rota, rota_turns.c.turn_id == turn_id)
        .returning(rota_turns.c.turn_id)
    )
    return gone is not None


async def is_case(connection: AsyncConnection, case_number: str) -> bool:
    return bool(await connection.scalar(select(exists().where(cases.c.case_number == case_number))))


async def add_alert(connection: AsyncConnection, alert: Alert) -> None:
    await connection.execute(insert(alerts).values(**asdict(alert)))


async def save_alert(connection: AsyncConnection, alert: Alert) -> None:
    await connection.execute(
        update(alerts).where(alerts.c.alert_id == alert.alert_id).values(**asdict(alert))
    )


async def add_steps(connection: AsyncConnection, alert_id: UUID, steps: Sequence[Step]) -> None:
    """Behind those there are. The alert's row is locked by whoever calls this."""
    before = await connection.scalar(
        select(func.coalesce(func.max(alert_steps.c.step), 0)).where(
            alert_steps.c.alert_id == alert_id
        )
    )
    if steps:
        await connection.execute(
            insert(alert_steps),
            [
                {"alert_id": alert_id, "step": int(before or 0) + number, **asdict(step)}
                for number, step in enumerate(steps, 1)
            ],
        )


async def steps_of(connection: AsyncConnection, alert_id: UUID) -> Sequence[Step]:
    rows = await connection.execute(
        select(alert_steps.c.at, alert_steps.c.level, alert_steps.c.what, alert_steps.c.agent_id)
        .where(alert_steps.c.alert_id == alert_id)
        .order_by(alert_steps.c.step)
    )
    return [Step(**{**row, "what": StepKind(row["what"])}) for row in rows.mappings()]


async def alert_of(
    connection: AsyncConnection, alert_id: UUID, *, for_update: bool = False
) -> Alert | None:
    wanted = select(alerts).where(alerts.c.alert_id == alert_id)
    result = await connection.execute(wanted.with_for_update() if for_update else wanted)
    row = result.mappings().first()
    return None if row is None else _alert(row)


async def waiting_alerts(
    connection: AsyncConnection, limit: int, *, of: Collection[str] | None = None
) -> Sequence[Alert]:
    """Open ones (`of` these rotas), the longest on their level first, locked; those another process
    holds are left to it."""
    open_ones = select(alerts).where(alerts.c.state == AlertState.OPEN.value)
    if of is not None:
        open_ones = open_ones.where(alerts.c.rota.in_(of))
    rows = await connection.execute(
        open_ones.order_by(alerts.c.level_since).limit(limit).with_for_update(skip_locked=True)
    )
    return [_alert(row) for row in rows.mappings()]


async def alerts_before(
    connection: AsyncConnection,
    *,
    rota: str | None,
    state: AlertState | None,
    before: tuple[datetime, UUID] | None,
    limit: int,
) -> Sequence[Alert]:
    """Newest first."""
    wanted = (
        select(alerts).order_by(alerts.c.raised_at.desc(), alerts.c.alert_id.desc()).limit(limit)
    )
    if rota is not None:
        wanted = wanted.where(alerts.c.rota == rota)
    if state is not None:
        wanted = wanted.where(alerts.c.state == state.value)
    if before is not None:
        wanted = wanted.where(tuple_(alerts.c.raised_at, alerts.c.alert_id) < before)
    return [_alert(row) for row in (await connection.execute(wanted)).mappings()]


# Calls that tell of an alert ----------------------------------------------------------------------


def _call(row: RowMapping) -> AlertCall:
    outcome = row["outcome"]
    return AlertCall(**{**row, "outcome": None if outcome is None else CallOutcome(outcome)})


async def calls_of(connection: AsyncConnection, alert_id: UUID) -> Sequence[AlertCall]:
    """In the order they were made."""
    rows = await connection.execute(
        select(alert_calls)
        .where(alert_calls.c.alert_id == alert_id)
        .order_by(alert_calls.c.attempt)
    )
    return [_call(row) for row in rows.mappings()]


async def calls_named(
    connection: AsyncConnection, call_ids: Collection[UUID]
) -> Mapping[UUID, AlertCall]:
    """Those of these calls that tell of an alert."""
    rows = await connection.execute(select(alert_calls).where(alert_calls.c.call_id.in_(call_ids)))
    return {row["call_id"]: _call(row) for row in rows.mappings()}


async def call_of(connection: AsyncConnection, call_id: UUID) -> AlertCall | None:
    """Locked."""
    rows = await connection.execute(
        select(alert_calls).where(alert_calls.c.call_id == call_id).with_for_update()
    )
    row = rows.mappings().first()
    return None if row is None else _call(row)


async def add_call(connection: AsyncConnection, call: AlertCall) -> None:
    await connection.execute(insert(alert_calls).values(**asdict(call)))


async def save_call(connection: AsyncConnection, call: AlertCall) -> None:
    await connection.execute(
        update(alert_calls).where(alert_calls.c.call_id == call.call_id).values(**asdict(call))
    )


async def under_way(
    connection: AsyncConnection, node: str
) -> Sequence[tuple[AlertCall, bool, bool]]:
    """Calls of this node that are not over; with each whether the journal has it, and whether its
    alert is still open."""
    has_call = exists().where(calls.c.call_id == alert_calls.c.call_id).label("has_call")
    rows = await connection.execute(
        select(alert_calls, has_call, (alerts.c.state == AlertState.OPEN.value).label("is_open"))
        .join(alerts, alerts.c.alert_id == alert_calls.c.alert_id)
        .where(alert_calls.c.node == node, alert_calls.c.ended_at.is_(None))
    )
    found = []
    for row in rows.mappings():
        values = dict(row)
        known, is_open = values.pop("has_call"), values.pop("is_open")
        found.append((_call(cast("RowMapping", values)), bool(known), bool(is_open)))
    return found


async def user_of(connection: AsyncConnection, agent_id: str) -> str | None:
    """The name of the agent's user; None: no user is linked."""
    name: str | None = await connection.scalar(
        select(users.c.name)
        .join(agents, agents.c.user_id == users.c.user_id)
        .where(agents.c.agent_id == agent_id)
    )
    return name


async def line_shown(connection: AsyncConnection) -> str:
    """The hotline's number that people on call see; empty: there is none."""
    found: str | None = await connection.scalar(
        select(func.min(lines.c.number)).where(lines.c.mode != "fax")
    )
    return found or ""
