"""From the file ReceiveFAX wrote to a sealed PDF, or to the reason why there is none.

What is to be done stands in the rows (`converting`), so a restart loses nothing and doing it twice
makes the same file. The TIFF is put beside the PDF after the commit, never thrown away.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
from datetime import timedelta
from pathlib import Path
from typing import Final
from uuid import UUID

from callcenter.cases.service import CaseService
from callcenter.channels.fax import store
from callcenter.channels.fax.files import FaxFiles
from callcenter.channels.fax.follow import BY, CASE_TITLE, TOPIC
from callcenter.channels.fax.model import FaxState, Way, note_of
from callcenter.channels.fax.store import Row
from callcenter.channels.fax.tiff import UnreadableFax, Written, pdf_of
from callcenter.platform.clock import Clock
from callcenter.platform.db import Database, DatabaseUnavailable
from callcenter.platform.news import announce

log = logging.getLogger(__name__)

_ROUND: Final = 10
_IDLE_SECONDS: Final = 0.5
_AGAIN: Final = timedelta(seconds=30)


class FaxFinisher:
    """Finishes the faxes that came in to one node. `run` until cancelled; `step` is one round."""

    def __init__(
        self,
        database: Database,
        cases: CaseService,
        files: FaxFiles,
        *,
        node: str,
        clock: Clock,
    ) -> None:
        self._database = database
        self._cases = cases
        self._files = files
        self._node = node
        self._clock = clock
        self._not_before: dict[UUID, float] = {}

    async def run(self) -> None:
        """Comes back only by cancellation; a database that is away is tried again."""
        while True:
            try:
                done = await self.step()
            except DatabaseUnavailable:
                log.warning("fax finisher waits for the database")
                done = 0
            if not done:
                await asyncio.sleep(_IDLE_SECONDS)

    async def step(self) -> int:
        """Finish what came in; how many got their outcome. Raises `DatabaseUnavailable`."""
        now = asyncio.get_running_loop().time()
        async with self._database.transaction() as connection:
            rows = await store.unconverted(connection, self._node, _ROUND + len(self._not_before))
        done = 0
        for row in rows:
            if self._not_before.get(row["fax_id"], 0) > now:
                continue
            try:
                await self._finish(row)
                done += 1
            except DatabaseUnavailable:
                raise
            except Exception as exc:
                # A full disk, a fault of ours: the others go on, this one is tried again.
                self._not_before[row["fax_id"]] = now + _AGAIN.total_seconds()
                code = errno.errorcode.get(getattr(exc, "errno", 0) or 0, "")
                log.error(
                    "fax %s could not be finished: %s %s", row["fax_id"], type(exc).__name__, code
                )
        return done

    async def _finish(self, row: Row) -> None:
        fax_id: UUID = row["fax_id"]
        source = self._files.incoming(row["call_id"])
        target = self._files.received(fax_id)
        written: Written | None = None
        error: str | None = row["error"]
        try:
            kept = target.with_suffix(".tif")
            written = await asyncio.to_thread(pdf_of, _there(source, kept), target)
        except FileNotFoundError:
            error = error or "the telephone system wrote no file"
        except UnreadableFax:
            error = error or "no page came that can be read"
        now = self._clock()
        values: dict[str, object] = {"ended_at": now, "error": error}
        if written is None:
            values["state"] = FaxState.FAILED.value
        else:
            whole = error is None and written.pages >= row["pages_done"]
            values |= {
                "state": (FaxState.RECEIVED if whole else FaxState.PARTIAL).value,
                "pages": written.pages,
                "bytes": written.bytes,
                "sha256": written.sha256,
                "sealed_at": now,
            }
        async with self._database.transaction() as connection:
            current = await store.fax_of(connection, fax_id, lock=True)
            if current is None or current["state"] != FaxState.CONVERTING:
                return
            await store.change_fax(connection, fax_id, values)
            if written is not None:
                good = values["state"] == FaxState.RECEIVED
                words = note_of(Way.IN, good=good, pages=written.pages, of=None, error=error or "")
                await self._cases.note_for_call(
                    connection,
                    row["call_id"],
                    f"{words}\n/faxes/{fax_id}/pdf",
                    title=CASE_TITLE,
                    by=BY,
                    at=now,
                )
            await announce(connection, TOPIC, str(fax_id))
        self._not_before.pop(fax_id, None)
        if written is not None:
            await asyncio.to_thread(_put_away, source, target.with_suffix(".tif"))


def _there(source: Path, kept: Path) -> Path:
    return source if source.exists() or not kept.exists() else kept


def _put_away(source: Path, kept: Path) -> None:
    try:
        os.replace(source, kept)
    except FileNotFoundError:
        return
    except OSError as exc:
        log.warning("a fax's file stays where it is: %s", errno.errorcode.get(exc.errno or 0))
