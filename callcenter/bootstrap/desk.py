"""The desk of a flow: what other rooms do for a caller, each in one short transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID
from zoneinfo import ZoneInfo

from callcenter.bootstrap.cases import case_title
from callcenter.bootstrap.fax import PublishedArticles
from callcenter.calls.numbers import NotDialled, NumberRule
from callcenter.calls.seed import CallSeed
from callcenter.calls.service import remember_call
from callcenter.cases.progress import CaseProgress
from callcenter.cases.service import CaseService
from callcenter.channels.fax.document import Printable
from callcenter.channels.fax.service import FaxService
from callcenter.ivr.desk import FaxWish, NoDesk, NotToThere
from callcenter.ivr.progress_words import progress_parts
from callcenter.platform.clock import Clock
from callcenter.platform.db import Database
from callcenter.platform.errors import InvalidField
from callcenter.queues.callbacks.model import Policy
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
    faxes: FaxService | None = None
    articles: PublishedArticles | None = None
    #: Which numbers are called back, and when; without them people dial, whatever number it is.
    callback_rule: NumberRule | None = None
    callback_policy: Policy | None = None

    async def case_progress(
        self, call_id: UUID, case_number: str, last_four: str, *, caller: str | None, language: str
    ) -> Sequence[str] | None:
        told = await self.progress.progress(
            case_number, last_four, caller=caller, at=self.clock(), call_id=call_id
        )
        return None if told is None else progress_parts(told, language, self.zone)

    async def order_fax(self, call_id: UUID, line: str, wish: FaxWish) -> UUID:
        """The article that is faxed is the version that was heard."""
        if self.faxes is None or self.articles is None:
            raise NoDesk
        what: str | Printable
        if wish.document is not None:
            what = wish.document
        elif wish.article is not None:
            what = await self.articles.heard(wish.article, wish.article_version, wish.language)
        else:
            raise NoDesk
        try:
            return await self.faxes.order(
                call_id,
                what,
                wish.language,
                wish.number,
                by="system:agi",
                seed=self.seeds.get(call_id),
            )
        except NotDialled as exc:
            raise NotToThere from exc

    async def take_callback(
        self, call_id: UUID, line: str, *, queue: str, number: str, language: str
    ) -> None:
        """Call, case and wish, or nothing of it."""
        at, rule = self.clock(), self.callback_rule
        try:
            if rule is not None:
                number = replace(rule, dials=True).allowed(number)
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
                    connection,
                    call_id,
                    queue=queue,
                    number=number,
                    language=language,
                    at=at,
                    line=line,
                    policy=self.callback_policy,
                    dials=rule is not None and rule.dials,
                )
        except InvalidField as exc:
            raise NotToThere from exc
