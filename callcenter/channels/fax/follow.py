"""What becomes of faxes, by the journal's word: in the transaction of the call's own rows.

The journal is the only witness of a try: nothing here asks Asterisk, and nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.calls.facts import CallEnded, Fact, FaxFinished, FaxStarted
from callcenter.cases.service import CaseService
from callcenter.channels.fax import store
from callcenter.channels.fax.model import (
    ENDED,
    FaxState,
    FaxTryState,
    Policy,
    Way,
    attempt_call_id,
    dial_error,
    fax_error,
    note_of,
)
from callcenter.channels.fax.store import Row
from callcenter.platform.news import announce

#: Topic of the news about faxes; the key is the fax id.
TOPIC = "fax"
BY = "system:fax"
CASE_TITLE = "传真 Fax"


class FaxFollower:
    """Moves orders, tries and received faxes on as facts tell of them."""

    def __init__(self, cases: CaseService, policy: Policy) -> None:
        self._cases = cases
        self._policy = policy

    async def on_facts(self, connection: AsyncConnection, facts: Sequence[Fact]) -> None:
        """What this room does with the facts of a batch of calls."""
        for fact in facts:
            match fact:
                case FaxStarted():
                    await self._started(connection, fact)
                case FaxFinished():
                    await self._finished(connection, fact)
                case _:
                    pass
        over = {fact.call_id: fact.at for fact in facts if isinstance(fact, CallEnded)}
        if over:
            await self._calls_over(connection, over)

    async def _started(self, connection: AsyncConnection, fact: FaxStarted) -> None:
        fax_id = UUID(fact.fax)
        if fact.way == Way.IN:
            await store.add_fax(
                connection,
                {
                    "fax_id": fax_id,
                    "direction": "in",
                    "way": "in",
                    "call_id": fact.call_id,
                    "title": CASE_TITLE,
                    "state": FaxState.RECEIVING.value,
                    "created_at": fact.at,
                    "created_by": BY,
                },
            )
        else:
            fax = await store.fax_of(connection, fax_id, lock=True)
            if fax is None or FaxState(fax["state"]) in ENDED:
                return
            for tried in await store.deliveries_by_call(connection, [fact.call_id], only_open=True):
                await store.change_delivery(
                    connection, fax_id, tried["attempt"], {"state": FaxTryState.SENDING.value}
                )
            await store.change_fax(connection, fax_id, {"state": FaxState.SENDING.value})
        await announce(connection, TOPIC, str(fax_id))

    async def _finished(self, connection: AsyncConnection, fact: FaxFinished) -> None:
        fax = await store.fax_of(connection, UUID(fact.fax), lock=True)
        if fax is None:
            return
        said = {"mode": fact.mode or None, "station": fact.station or None}
        error = "" if fact.good else fax_error(fact.error)
        if fax["direction"] == "in":
            if fax["state"] == FaxState.RECEIVING:
                await store.change_fax(
                    connection,
                    fax["fax_id"],
                    {
                        **said,
                        "state": FaxState.CONVERTING.value,
                        "pages_done": fact.pages,
                        "error": error or None,
                    },
                )
                if fact.good or fact.pages:
                    # The case is there before the PDF is: whatever becomes of the conversion.
                    await self._cases.open_for_call(
                        connection, fact.call_id, title=CASE_TITLE, opened_by=BY, at=fact.at
                    )
                await announce(connection, TOPIC, fact.fax)
            return
        await store.change_fax(connection, fax["fax_id"], said)
        tries = await store.deliveries_by_call(connection, [fact.call_id])
        if tries:
            await self.settle(
                connection, tries[0], good=fact.good, pages=fact.pages, error=error, at=fact.at
            )
        elif fax["state"] in (FaxState.READY, FaxState.SENDING):
            await self._in_call_over(
                connection, fax, good=fact.good, pages=fact.pages, error=error, at=fact.at
            )

    async def _calls_over(self, connection: AsyncConnection, over: dict[UUID, datetime]) -> None:
        """Calls that ended without a word of their fax: engaged, not answered, refused."""
        for tried in await store.deliveries_by_call(connection, over.keys(), only_open=True):
            at = over[tried["call_id"]]
            error = dial_error(await store.hangup_cause(connection, tried["call_id"]))
            await self.settle(connection, tried, good=False, pages=0, error=error, at=at)
        for fax in await store.waiting_for_call(connection, over.keys()):
            error = "the caller hung up before the fax began"
            at = over[fax["call_id"]]
            await self._in_call_over(connection, fax, good=False, pages=0, error=error, at=at)

    async def _in_call_over(
        self,
        connection: AsyncConnection,
        fax: Row,
        *,
        good: bool,
        pages: int,
        error: str,
        at: datetime,
    ) -> None:
        if not good and fax["number"] is not None:
            await self._note(connection, fax, good=False, pages=pages, error=error, at=at)
            await self.try_again(connection, fax, 1, self._policy.first(at), error=error)
            return
        await self._end(connection, fax, good=good, pages=pages, error=error, at=at)

    async def settle(
        self,
        connection: AsyncConnection,
        tried: Row,
        *,
        good: bool,
        pages: int,
        error: str,
        at: datetime,
    ) -> None:
        """The outcome of one try is known: the fax is sent, or tried again, or given up."""
        if tried["state"] == FaxTryState.SENT or (not good and tried["ended_at"] is not None):
            return
        fax = await store.fax_of(connection, tried["fax_id"], lock=True)
        assert fax is not None, "a try has its fax"
        outcome = FaxTryState.SENT if good else FaxTryState.FAILED
        await store.change_delivery(
            connection,
            tried["fax_id"],
            tried["attempt"],
            {
                "state": outcome.value,
                "ended_at": at,
                "pages": pages,
                "error": error or None,
                # A try the journal tells of was made, whatever we had thought of it.
                "dialled_at": tried["dialled_at"] or at,
            },
        )
        if good:
            await store.cancel_waiting(connection, fax["fax_id"], at)
        if fax["state"] == FaxState.SENT:
            return
        due_at = None if good else self._policy.after(tried["attempt"], at)
        if fax["state"] == FaxState.CANCELLED and not good:
            return
        if due_at is not None:
            await self._note(connection, fax, good=False, pages=pages, error=error, at=at)
            await self.try_again(connection, fax, tried["attempt"] + 1, due_at, error=error)
            return
        await self._end(connection, fax, good=good, pages=pages, error=error, at=at)

    async def try_again(
        self, connection: AsyncConnection, fax: Row, attempt: int, due_at: datetime, *, error: str
    ) -> None:
        """Write down the next try. The fax is locked by the caller."""
        await store.add_delivery(
            connection,
            {
                "fax_id": fax["fax_id"],
                "attempt": attempt,
                "number": fax["number"],
                "call_id": attempt_call_id(fax["fax_id"], attempt),
                "state": FaxTryState.WAITING.value,
                "due_at": due_at,
            },
        )
        await store.change_fax(
            connection,
            fax["fax_id"],
            {
                "state": FaxState.WAITING.value,
                "way": Way.NUMBER.value,
                "error": error or None,
                "ended_at": None,
            },
        )
        await announce(connection, TOPIC, str(fax["fax_id"]))

    async def _end(
        self,
        connection: AsyncConnection,
        fax: Row,
        *,
        good: bool,
        pages: int,
        error: str,
        at: datetime,
    ) -> None:
        await store.change_fax(
            connection,
            fax["fax_id"],
            {
                "state": (FaxState.SENT if good else FaxState.FAILED).value,
                "pages_done": pages,
                "error": None if good else error,
                "ended_at": at,
            },
        )
        await self._note(connection, fax, good=good, pages=pages, error=error, at=at)
        await announce(connection, TOPIC, str(fax["fax_id"]))

    async def _note(
        self,
        connection: AsyncConnection,
        fax: Row,
        *,
        good: bool,
        pages: int,
        error: str,
        at: datetime,
    ) -> None:
        words = note_of(Way(fax["way"]), good=good, pages=pages, of=fax["pages"], error=error)
        await self._cases.note_for_call(
            connection,
            fax["call_id"],
            f"{words}\n{fax['title']}",
            title=CASE_TITLE,
            by=BY,
            at=at,
        )
