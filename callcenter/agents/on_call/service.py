"""Rotas, turns and alerts; and the keeper that lets no alert lie."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.access import audit
from callcenter.agents.model import NoSuchAgent
from callcenter.agents.on_call import store
from callcenter.agents.on_call.model import (
    MOST_WORDS,
    Alert,
    AlertState,
    NoSuchAlert,
    NoSuchRota,
    NoSuchTurn,
    Rota,
    RotaExists,
    RotaHasAlerts,
    Step,
    Turn,
    checked_rota,
    checked_turn,
    escalated,
    given,
    on_turn,
)
from callcenter.agents.on_call.ringing import AlertCall
from callcenter.agents.rosters.store import existing_agents
from callcenter.calls.numbers import NotDialled, NumberRule
from callcenter.platform.clock import Clock
from callcenter.platform.db import Database, DatabaseUnavailable
from callcenter.platform.errors import InvalidField, Stale
from callcenter.platform.ids import Ids, random_ids
from callcenter.platform.news import announce
from callcenter.platform.text import plain_text

log = logging.getLogger(__name__)

TOPIC: Final = "alert"
_INSTANT: Final = timedelta(microseconds=1)
_LOOK_EVERY: Final = timedelta(seconds=2)
_AT_ONCE: Final = 100


async def acknowledged(
    connection: AsyncConnection,
    alert_id: UUID,
    *,
    who: str,
    reason: str,
    at: datetime,
    agent_id: str | None = None,
) -> Alert:
    """Somebody has it: over REST, or `agent_id` by a key. Audited, in the caller's transaction.

    Raises `NoSuchAlert`, `WrongAlertState`.
    """
    found = await store.alert_of(connection, alert_id, for_update=True)
    if found is None:
        raise NoSuchAlert
    changed, step = found.acknowledge(who, at)
    await store.save_alert(connection, changed)
    await store.add_steps(connection, alert_id, [replace(step, agent_id=agent_id)])
    await announce(connection, TOPIC, str(alert_id))
    await audit.record(
        connection,
        who=who,
        act="alert.acknowledge",
        subject=f"alert/{alert_id}",
        reason=reason,
        at=at,
        detail={} if agent_id is None else {"agent": agent_id},
    )
    return changed


class OnCallService:
    """Use cases of the REST API. `rule`: which numbers are called over the trunk."""

    def __init__(
        self, database: Database, clock: Clock, rule: NumberRule, *, ids: Ids = random_ids
    ) -> None:
        self._database = database
        self._clock = clock
        self._rule = rule
        self._ids = ids

    async def rotas(self) -> Sequence[Rota]:
        """All, by name: there are few."""
        async with self._database.transaction() as connection:
            return await store.list_rotas(connection)

    async def rota(self, name: str) -> Rota:
        """Raises `NoSuchRota`."""
        async with self._database.transaction() as connection:
            found = await store.rota_of(connection, name)
        if found is None:
            raise NoSuchRota
        return found

    async def add_rota(self, rota: Rota) -> Rota:
        """Raises `InvalidField`, `RotaExists`."""
        new = checked_rota(rota)
        async with self._database.transaction() as connection:
            if await store.rota_of(connection, new.name):
                raise RotaExists
            await store.write_rota(connection, new, new=True)
        return new

    async def change_rota(self, rota: Rota, *, version: int | None) -> Rota:
        """Raises `NoSuchRota`, `Stale`, `InvalidField`."""
        changed = checked_rota(rota)
        async with self._database.transaction() as connection:
            found = await store.rota_of(connection, rota.name, for_update=True)
            if found is None:
                raise NoSuchRota
            if version is not None and version != found.version:
                raise Stale
            changed = replace(changed, version=found.version + 1)
            await store.write_rota(connection, changed, new=False)
        return changed

    async def remove_rota(self, name: str) -> None:
        """Raises `NoSuchRota`, `RotaHasAlerts`."""
        async with self._database.transaction() as connection:
            if await store.rota_of(connection, name, for_update=True) is None:
                raise NoSuchRota
            if await store.has_alerts(connection, name):
                raise RotaHasAlerts
            await store.remove_rota(connection, name)

    async def turns(self, name: str, begin: datetime, end: datetime) -> Sequence[Turn]:
        """Raises `NoSuchRota`, `InvalidField`."""
        begin, end = begin.astimezone(UTC), end.astimezone(UTC)
        if not timedelta() < end - begin <= timedelta(days=400):
            raise InvalidField("to", "after `from`, by at most 400 days")
        async with self._database.transaction() as connection:
            if await store.rota_of(connection, name) is None:
                raise NoSuchRota
            return await store.turns_of(connection, name, begin, end)

    async def add_turn(
        self,
        name: str,
        agent_id: str,
        level: int,
        starts_at: datetime,
        ends_at: datetime,
        phone_number: str | None = None,
    ) -> Turn:
        """`phone_number`: where alerts call the agent in this turn, over the trunk.

        Raises `NoSuchRota`, `NoSuchAgent`, `InvalidField`.
        """
        if phone_number is not None:
            try:
                phone_number = self._rule.allowed(phone_number)
            except NotDialled as exc:
                raise InvalidField("phone_number", exc.rule) from exc
        turn = checked_turn(
            Turn(
                turn_id=self._ids(),
                rota=name,
                level=level,
                agent_id=agent_id,
                starts_at=starts_at.astimezone(UTC),
                ends_at=ends_at.astimezone(UTC),
                phone_number=phone_number,
            )
        )
        async with self._database.transaction() as connection:
            if await store.rota_of(connection, name) is None:
                raise NoSuchRota
            if not await existing_agents(connection, [agent_id]):
                raise NoSuchAgent
            await store.add_turn(connection, turn)
        return turn

    async def remove_turn(self, name: str, turn_id: UUID) -> None:
        """Raises `NoSuchTurn`."""
        async with self._database.transaction() as connection:
            if not await store.remove_turn(connection, name, turn_id):
                raise NoSuchTurn

    async def on_call(self, name: str, at: datetime | None) -> Sequence[tuple[int, str]]:
        """Level and agent of those whose turn it is at `at` (None: now). Raises `NoSuchRota`."""
        moment = (at or self._clock()).astimezone(UTC)
        turns = await self.turns(name, moment, moment + _INSTANT)
        levels = sorted({turn.level for turn in turns})
        return [(level, who) for level in levels for who in on_turn(turns, level, moment)]

    async def raise_alert(
        self, name: str, words: str, case_number: str | None, *, by: str
    ) -> tuple[Alert, Sequence[Step]]:
        """Give an alert to whoever is on call. Raises `NoSuchRota`, `InvalidField`."""
        now = self._clock()
        alert = Alert(
            alert_id=self._ids(),
            rota=name,
            words=plain_text("words", words, least=1, most=MOST_WORDS, lines=True),
            case_number=case_number,
            raised_at=now,
            raised_by=by,
            level_since=now,
        )
        async with self._database.transaction() as connection:
            if await store.rota_of(connection, name) is None:
                raise NoSuchRota
            if case_number is not None and not await store.is_case(connection, case_number):
                raise InvalidField("case_number", "the number of a case")
            turns = await store.turns_of(connection, name, now, now + _INSTANT)
            alert, steps = given(alert, turns, now)
            await store.add_alert(connection, alert)
            await store.add_steps(connection, alert.alert_id, steps)
            await announce(connection, TOPIC, str(alert.alert_id))
        return alert, steps

    async def alerts(
        self,
        *,
        rota: str | None,
        state: AlertState | None,
        before: tuple[datetime, UUID] | None,
        limit: int,
    ) -> Sequence[Alert]:
        """Newest first."""
        async with self._database.transaction() as connection:
            return await store.alerts_before(
                connection, rota=rota, state=state, before=before, limit=limit
            )

    async def alert(self, alert_id: UUID) -> tuple[Alert, Sequence[Step]]:
        """Raises `NoSuchAlert`."""
        async with self._database.transaction() as connection:
            found = await store.alert_of(connection, alert_id)
            if found is None:
                raise NoSuchAlert
            return found, await store.steps_of(connection, alert_id)

    async def acknowledge(self, alert_id: UUID, *, who: str) -> tuple[Alert, Sequence[Step]]:
        """Raises `NoSuchAlert`, `WrongAlertState`."""
        async with self._database.transaction() as connection:
            changed = await acknowledged(
                connection, alert_id, who=who, reason="over REST", at=self._clock()
            )
            return changed, await store.steps_of(connection, alert_id)

    async def calls(self, alert_id: UUID) -> Sequence[AlertCall]:
        """By which people were, or are, told of the alert; in the order they were made."""
        async with self._database.transaction() as connection:
            return await store.calls_of(connection, alert_id)

    async def close(self, alert_id: UUID, note: str, *, who: str) -> tuple[Alert, Sequence[Step]]:
        """Raises `NoSuchAlert`, `WrongAlertState`, `InvalidField`."""
        async with self._database.transaction() as connection:
            found = await store.alert_of(connection, alert_id, for_update=True)
            if found is None:
                raise NoSuchAlert
            changed, step = found.close(who, note, self._clock())
            await store.save_alert(connection, changed)
            await store.add_steps(connection, alert_id, [step])
            await announce(connection, TOPIC, str(alert_id))
            return changed, await store.steps_of(connection, alert_id)


class AlertKeeper:
    """Hands on what nobody acknowledged in time. Any number may run: rows are locked. `run` is to
    be supervised."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def run(self) -> None:
        """For ever; a database that is away is tried again."""
        while True:
            try:
                await self.step()
            except DatabaseUnavailable as exc:
                log.warning("alerts are not handed on now: %s", exc.message)
            await asyncio.sleep(_LOOK_EVERY.total_seconds())

    async def step(self) -> int:
        """One round; how many alerts went on."""
        now = self._clock()
        moved = 0
        async with self._database.transaction() as connection:
            known = {rota.name: rota for rota in await store.list_rotas(connection)}
            for alert in await store.waiting_alerts(connection, _AT_ONCE):
                turns = await store.turns_of(connection, alert.rota, now, now + _INSTANT)
                outcome = escalated(alert, known[alert.rota], turns, now)
                if outcome is None:
                    continue
                changed, steps = outcome
                await store.save_alert(connection, changed)
                await store.add_steps(connection, alert.alert_id, steps)
                await announce(connection, TOPIC, str(alert.alert_id))
                moved += 1
        return moved
