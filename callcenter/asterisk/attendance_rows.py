"""What the database says of agents at the moment of a look, and what follows with what is seen."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.agents.sessions import model, store
from callcenter.agents.sessions.model import Line, Record, Seen, State
from callcenter.asterisk.desk_phones import DeskPhone, DeskPhones
from callcenter.asterisk.members import SeenMember
from callcenter.queues import store as queue_store
from callcenter.queues.membership import Place
from callcenter.queues.queries import serving

#: Talks that began before are of no interest.
_LONGEST_CALL: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Rows:
    """What the database says at the moment of a look."""

    records: Mapping[str, Record]
    places: Sequence[Place]
    wrap_ups: Mapping[str, timedelta]
    limits: Mapping[str, timedelta]
    talks: Mapping[str, store.LastTalk]
    case_saved: frozenset[str]

    def seen(
        self, record: Record, phone: DeskPhone, rang: UUID | None, there: Sequence[SeenMember]
    ) -> Seen:
        """How this agent is seen now. `rang`: the call that rang there last, or was answered."""
        agent_id = record.session.agent_id
        talk = self.talks.get(agent_id)
        # AMI tells the queue at once, the journal a moment later the call.
        call_id, queue = rang, phone.queue
        if phone.line is not Line.RINGING and talk is not None and talk.ended_at is None:
            call_id, queue = talk.call_id, talk.queue or queue
        return Seen(
            there=phone.is_there,
            line=phone.line or Line.TALKING,
            paused_for=next((member.reason for member in there if member.paused), None),
            call_id=call_id,
            queue=queue,
            talk_ended_at=talk.ended_at if talk is not None else None,
            case_saved=agent_id in self.case_saved,
        )


async def read_rows(
    connection: AsyncConnection,
    agent_ids: Collection[str] | None,
    phones: DeskPhones,
    *,
    default_language: str,
    now: datetime,
) -> Rows:
    """The rows of these agents (None: of all)."""
    records = await store.records(connection, agent_ids)
    return Rows(
        records=records,
        places=await serving(connection, agent_ids, default_language=default_language, now=now),
        wrap_ups=await queue_store.wrap_ups(connection),
        limits=await store.limits(connection),
        talks=await store.last_talks(
            connection,
            [
                agent_id
                for agent_id, record in records.items()
                if record.state in model.BUSY or phones.of(agent_id).line is not Line.FREE
            ],
            now - _LONGEST_CALL,
        ),
        case_saved=await store.saved_cases(
            connection,
            [
                (agent_id, record.session.call_id, record.since)
                for agent_id, record in records.items()
                if record.state is State.WRAP_UP and record.session.call_id is not None
            ],
        ),
    )
