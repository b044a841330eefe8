"""The desk of a flow: what other rooms do for a caller, each in one short transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID
from zoneinfo import ZoneInfo

from callcenter.bootstrap.cases import case_title
from callcenter.calls.seed import CallSeed
from callcenter.calls.service import remember_call
from callcenter.cases.progress import CaseProgress
from callcenter.cases.service import CaseService
from callcenter.ivr.desk import FaxWish, NoDesk, NotToThere
from callcenter.ivr.progress_words import progress_parts
from callcenter.platform.clock import Clock
from callcenter.platform.db import Database
from callcenter.platform.errors import InvalidField
from callcenter.queues.callbacks.service import take_callback


@dataclass
class HotlineDesk:
    """Implements `ivr.desk.Desk`. `seeds`: the calls being served, by id."""

    database: Database
    cases: CaseService
    progress: CaseProgress
    clock: Clock
    zone: ZoneInfo
    seeds: dict[UUID, CallSeed] = field(default_factory=dict)

    async def case_progress(
        self, call_id: UUID, case_number: str, last_four: str, *, caller: str | None, language: str
    ) -> Sequence[str] | None:
        told = await self.progress.progress(
            case_number, last_four, caller=caller, at=self.clock(), call_id=call_id
        )
        return None if told is None else progress_parts(told, language, self.zone)

    async def order_fax(self, call_id: UUID, line: str, wish: FaxWish) -> UUID:
        raise NoDesk

    async def take_callback(
        self, call_id: UUID, line: str, *, queue: str, number: str, language: str
    ) -> None:
        """Call, case and wish, or nothing of it."""
        at = self.clock()
        try:
            async with self.database.transaction() as connection:
                await remember_call(connection, self.seeds[call_id])
                await self.cases.open_for_call(
                    connection,
                    call_id,
                    title=case_title(line),
                    opened_by="system:agi",
                    at=at,
                )
                await take_callback(
                    connection, call_id, queue=queue, number=number, language=language, at=at
                )
        except InvalidField as exc:
            raise NotToThere from exc
