"""How a case stands, for whoever knows its number and the number it was called from.

The telephone shows nobody's face, and case numbers are counted up: with one check digit they are
easily made up. So the last four digits of a number linked to the case must be keyed too, and they
could be guessed in ten thousand tries. Hence:

- Nothing but a full match is told, and everything else is the same `None`: no such number, a wrong
  check digit, wrong digits, too many tries. It is reached by the same queries.
- Failed tries are counted for the case number and for the caller's number, in rows that outlive
  every process (`case_progress_tries`). Past the limit of either, even the right digits are told
  nothing. The window slides: a citizen who lost count is told again a day after the last failures.
- A caller whose own number is linked to the case is never locked out, whoever else guessed at it:
  who can pose as that number knows its last digits anyway.
- Callers who withhold their number share one count.

Every try leaves a row, the told ones for the auditor: case, caller, call and moment. Reading is no
act on the case, so its history stays as it is. What was keyed stands in no log, and a number that
names no case is not kept.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final
from uuid import UUID

from callcenter.cases import store
from callcenter.cases.number import CaseNumber, is_case_number
from callcenter.cases.progress_model import (
    MOST_NUMBERS,
    SHORTEST_NUMBER,
    Progress,
    TryLimits,
    TryOutcome,
    judge,
)
from callcenter.platform.db import Database

#: Stands for what cannot be a case number; no case has it, serials begin at 1.
_NO_CASE: Final = CaseNumber("0000000000")
_CALLER: Final = re.compile(r"\+?[0-9]{2,32}")


class CaseProgress:
    """Tells callers how their case stands."""

    def __init__(self, database: Database, limits: TryLimits | None = None) -> None:
        self._database = database
        self._limits = limits or TryLimits()

    async def progress(
        self,
        case_number: str,
        last_four: str,
        *,
        caller: str | None,
        at: datetime,
        call_id: UUID | None = None,
    ) -> Progress | None:
        """How the case stands, or None: nothing matched, or too much was tried.

        `case_number` and `last_four` as keyed, anything may stand in them; `caller` is the number
        as `calls` has it (None: withheld or unknown). One short transaction. Raises
        `DatabaseUnavailable`.
        """
        valid = is_case_number(case_number)
        number = CaseNumber(case_number) if valid else _NO_CASE
        caller = caller if caller is not None and _CALLER.fullmatch(caller) else None
        async with self._database.transaction() as connection:
            # Tries at one case, and tries of one caller, wait for each other: none is not counted.
            await store.lock_tries(connection, number, caller)
            facts = await store.progress_facts(
                connection, number, most=MOST_NUMBERS, shortest=SHORTEST_NUMBER
            )
            failed = await store.failed_tries(
                connection, number, caller, since=at - self._limits.window
            )
            outcome = judge(facts, last_four, caller=caller, failed=failed, limits=self._limits)
            await store.add_try(
                connection,
                case_number=None if facts.progress is None else number,
                caller_number=caller,
                call_id=call_id,
                at=at,
                outcome=outcome,
            )
        return facts.progress if outcome is TryOutcome.TOLD else None
