"""What the rooms make of the facts of calls, in the transaction of the calls' own rows."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.agents.experts.service import owe_by_extension
from callcenter.bootstrap.cases import case_title
from callcenter.calls.facts import (
    CallEnded,
    CallerQueued,
    CallHandedOn,
    Fact,
    MessageLeft,
    NoExpertTook,
)
from callcenter.cases.service import CaseService
from callcenter.ivr.plays import heard_articles
from callcenter.knowledge.plays import remember_play
from callcenter.knowledge.store import version_of

log = logging.getLogger(__name__)

#: One room's share. What it raises undoes the batch; the consumer then goes on record by record.
OnFacts = Callable[[AsyncConnection, Sequence[Fact]], Awaitable[None]]


class FactsToRooms:
    """Tells every room, in this order."""

    def __init__(self, cases: CaseService, rooms: Sequence[OnFacts]) -> None:
        self._cases = cases
        self._rooms = rooms

    async def __call__(self, connection: AsyncConnection, facts: Sequence[Fact]) -> None:
        for fact in facts:
            match fact:
                case CallerQueued() | CallHandedOn() | MessageLeft():
                    # Most calls have their case from the flow; the others get it here.
                    line = await _inbound_line(connection, fact)
                    if line is not None:
                        await self._cases.open_for_call(
                            connection,
                            fact.call_id,
                            title=case_title(line),
                            opened_by="system:node",
                            at=fact.at,
                        )
                case NoExpertTook():
                    await owe_by_extension(connection, fact.extension, fact.call_id, at=fact.at)
                case CallEnded():
                    await _count_articles(connection, fact.call_id)
                case _:
                    pass
        for on_facts in self._rooms:
            await on_facts(connection, facts)


async def _inbound_line(connection: AsyncConnection, fact: Fact) -> str | None:
    """The line of a citizen's call; None for a call between agents."""
    line: str | None = await connection.scalar(
        text("SELECT coalesce(line, '') FROM calls WHERE call_id = :id AND direction = 'inbound'"),
        {"id": fact.call_id},
    )
    return line


async def _count_articles(connection: AsyncConnection, call_id: UUID) -> None:
    """What the caller did with each article that was read; counted once, whatever is replayed."""
    row = (
        await connection.execute(
            text(
                "SELECT ivr_path, language, queued_at IS NOT NULL AS queued,"
                " hangup_by = 'caller' AS hung_up FROM calls WHERE call_id = :id"
            ),
            {"id": call_id},
        )
    ).first()
    if row is None:
        return
    for heard in heard_articles(row.ivr_path, queued=row.queued, hung_up=bool(row.hung_up)):
        if await version_of(connection, heard.article, heard.version) is None:
            log.error("call %s heard an article there is not", call_id)
            continue
        await remember_play(
            connection,
            call_id=call_id,
            seq=heard.seq,
            article=heard.article,
            version=heard.version,
            language=row.language or "zh",
            at=heard.at,
            outcome=heard.outcome,
        )


async def node_types(connection: AsyncConnection, flow: str, version: int) -> dict[str, str]:
    """Node id → type of a published version: the fold asks whether an article was heard."""
    definition = await connection.scalar(
        text("SELECT definition FROM ivr_versions WHERE flow = :flow AND version = :version"),
        {"flow": flow, "version": version},
    )
    nodes = (definition or {}).get("nodes", {})
    return {name: str(node.get("type", "")) for name, node in nodes.items()}
