"""Why agents take no calls: reasons as data, with a limit and a key on the phone."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from enum import StrEnum
from typing import Final

from sqlalchemy import RowMapping, delete, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.agents.tables import agent_states, pause_reasons
from callcenter.platform.db import Database
from callcenter.platform.errors import Conflict, InvalidField, NotFound, Stale
from callcenter.platform.text import plain_text
from callcenter.switch.model import SwitchOutcome, SwitchRequests

#: Of a reason's name.
NAME: Final = "[a-z][a-z0-9_]{0,39}"
MOST_TITLE: Final = 60
#: Seconds.
SHORTEST_LIMIT: Final = 10
LONGEST_LIMIT: Final = 86_400
_NAME = re.compile(NAME, re.ASCII)


class ChosenBy(StrEnum):
    """Who may give a reason."""

    AGENT = "agent"
    SUPERVISOR = "supervisor"
    SYSTEM = "system"  #: nobody: the system does


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseReason:
    """`productive`: work without calls. `limit_seconds`: over it the pause is shown as too long.

    `digit` behind *47 on a phone gives this reason; only agents' reasons have one.
    """

    name: str
    title_zh: str
    title_en: str
    productive: bool
    limit_seconds: int | None = None
    digit: str | None = None
    chosen_by: ChosenBy = ChosenBy.AGENT
    version: int = 1


class NoSuchReason(NotFound):
    """There is no such pause reason."""

    slug = "no-such-pause-reason"


class ReasonExists(Conflict):
    """There is a pause reason of this name, or with this digit, already."""

    slug = "pause-reason-exists"


class ReasonIsNeeded(Conflict):
    """The system gives this reason itself, or an agent is paused with it now."""

    slug = "pause-reason-needed"


def checked(reason: PauseReason) -> PauseReason:
    """The reason as it is kept. Raises `InvalidField`."""
    if _NAME.fullmatch(reason.name) is None:
        raise InvalidField("name", "1 to 40 of a-z, 0-9 and underscore, the first a letter")
    for field in ("title_zh", "title_en"):
        plain_text(f"title.{field[-2:]}", getattr(reason, field), least=1, most=MOST_TITLE)
    limit = reason.limit_seconds
    if limit is not None and not SHORTEST_LIMIT <= limit <= LONGEST_LIMIT:
        raise InvalidField("limit_seconds", f"{SHORTEST_LIMIT} to {LONGEST_LIMIT}, or null")
    if reason.digit is not None:
        if re.fullmatch("[0-9]", reason.digit, re.ASCII) is None:
            raise InvalidField("digit", "one of 0 to 9, or null")
        if reason.chosen_by is not ChosenBy.AGENT:
            raise InvalidField("digit", "only a reason that agents give has one")
    return reason


async def givable(connection: AsyncConnection, *, supervisor: bool) -> Sequence[str]:
    """Names of the reasons that an agent (a supervisor) may give, in order."""
    givers = [ChosenBy.AGENT, ChosenBy.SUPERVISOR] if supervisor else [ChosenBy.AGENT]
    names = await connection.scalars(
        select(pause_reasons.c.name)
        .where(pause_reasons.c.chosen_by.in_(givers))
        .order_by(pause_reasons.c.name)
    )
    return names.all()


async def pause_codes(connection: AsyncConnection) -> Sequence[tuple[str, str]]:
    """Digit and name of each reason that can be given by phone."""
    rows = await connection.execute(
        select(pause_reasons.c.digit, pause_reasons.c.name)
        .where(pause_reasons.c.digit.is_not(None))
        .order_by(pause_reasons.c.digit)
    )
    return [(row.digit, row.name) for row in rows]


#: What the switch is asked to load: the codes behind *47.
SUBJECT: Final = "pause_reasons"
#: How long a reply waits for the node.
WAIT: Final = timedelta(seconds=5)


class PauseReasonService:
    """Keeping reasons. A code on the phone is in force when the node says so."""

    def __init__(
        self, database: Database, switch: SwitchRequests, *, wait: timedelta = WAIT
    ) -> None:
        self._database = database
        self._switch = switch
        self._wait = wait

    async def list(self, *, after: str = "", limit: int = 50) -> Sequence[PauseReason]:
        """By name, those behind `after`."""
        wanted = (
            select(pause_reasons)
            .where(pause_reasons.c.name > after)
            .order_by(pause_reasons.c.name)
            .limit(limit)
        )
        async with self._database.transaction() as connection:
            return [_reason(row) for row in (await connection.execute(wanted)).mappings()]

    async def get(self, name: str) -> PauseReason:
        """Raises `NoSuchReason`."""
        async with self._database.transaction() as connection:
            return await _found(connection, name)

    async def add(self, reason: PauseReason) -> tuple[PauseReason, SwitchOutcome]:
        """Raises `InvalidField`, `ReasonExists`."""
        if checked(reason).chosen_by is ChosenBy.SYSTEM:
            raise InvalidField("chosen_by", "agent or supervisor")
        async with self._database.transaction() as connection:
            made = await connection.scalar(
                upsert(pause_reasons)
                .values(**asdict(reason))
                .on_conflict_do_nothing()
                .returning(pause_reasons.c.name)
            )
            if made is None:
                raise ReasonExists
            change_id = await self._switch.request(connection, SUBJECT)
        return reason, await self._switch.wait(change_id, self._wait)

    async def change(
        self, reason: PauseReason, *, expected: int | None
    ) -> tuple[PauseReason, SwitchOutcome]:
        """All but who may give it.

        Raises `InvalidField`, `NoSuchReason`, `Stale`, `ReasonExists`.
        """
        async with self._database.transaction() as connection:
            before = await _found(connection, reason.name, for_update=True)
            if expected is not None and before.version != expected:
                raise Stale
            reason = checked(
                replace(reason, chosen_by=before.chosen_by, version=before.version + 1)
            )
            if reason.digit is not None:
                taken = await connection.scalar(
                    select(pause_reasons.c.name).where(
                        pause_reasons.c.digit == reason.digit, pause_reasons.c.name != reason.name
                    )
                )
                if taken is not None:
                    raise ReasonExists(f"The digit {reason.digit} gives the reason {taken}.")
            await connection.execute(
                update(pause_reasons)
                .where(pause_reasons.c.name == reason.name)
                .values(**asdict(reason))
            )
            change_id = await self._switch.request(connection, SUBJECT)
        return reason, await self._switch.wait(change_id, self._wait)

    async def remove(self, name: str) -> SwitchOutcome:
        """States of the past keep the name. Raises `NoSuchReason`, `ReasonIsNeeded`."""
        async with self._database.transaction() as connection:
            reason = await _found(connection, name, for_update=True)
            if reason.chosen_by is ChosenBy.SYSTEM or await connection.scalar(
                select(agent_states.c.agent_id).where(agent_states.c.pause_reason == name).limit(1)
            ):
                raise ReasonIsNeeded
            await connection.execute(delete(pause_reasons).where(pause_reasons.c.name == name))
            change_id = await self._switch.request(connection, SUBJECT)
        return await self._switch.wait(change_id, self._wait)


async def _found(
    connection: AsyncConnection, name: str, *, for_update: bool = False
) -> PauseReason:
    if _NAME.fullmatch(name) is None:
        raise NoSuchReason
    wanted = select(pause_reasons).where(pause_reasons.c.name == name)
    if for_update:
        wanted = wanted.with_for_update()
    row = (await connection.execute(wanted)).mappings().first()
    if row is None:
        raise NoSuchReason
    return _reason(row)


def _reason(row: RowMapping) -> PauseReason:
    return PauseReason(**{**row, "chosen_by": ChosenBy(row["chosen_by"])})
