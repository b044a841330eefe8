"""How a case stands is told to whoever knows its number and a number it was called from."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import event, insert, select, text, update
from sqlalchemy.exc import IntegrityError

from callcenter.cases.model import CaseState
from callcenter.cases.number import CaseNumber, case_number
from callcenter.cases.progress import CaseProgress
from callcenter.cases.progress_model import MOST_NUMBERS, Progress, TryLimits, TryOutcome
from callcenter.cases.service import CaseService
from callcenter.cases.tables import case_progress_tries
from callcenter.platform.db import Database
from callcenter.testing.desk import add_call
from callcenter.testing.fixed_clock import FixedClock

pytestmark = pytest.mark.integration

OWN = "+8613800138000"
OTHER = "+8613700137222"
#: Right in its check digit, and nobody's.
UNKNOWN = case_number(2026, 4_711)
LIMITS = TryLimits()


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


@pytest.fixture
def cases(database: Database, clock: FixedClock) -> CaseService:
    return CaseService(database, clock)


@pytest.fixture
def desk(database: Database) -> CaseProgress:
    return CaseProgress(database)


async def case_of(
    database: Database, cases: CaseService, clock: FixedClock, **columns: Any
) -> CaseNumber:
    """A case that came of a call."""
    async with database.transaction() as connection:
        call_id = await add_call(connection, clock(), **({"caller_number": OWN} | columns))
    return (await cases.open(title="Lamp", call_id=call_id, by="aki")).case.number


@pytest.fixture
async def number(database: Database, cases: CaseService, clock: FixedClock) -> CaseNumber:
    return await case_of(database, cases, clock)


async def link(
    database: Database, cases: CaseService, clock: FixedClock, number: CaseNumber, **columns: Any
) -> None:
    async with database.transaction() as connection:
        call_id = await add_call(connection, clock(), **columns)
    await cases.link_call(number, call_id, by="aki")


async def tries(database: Database) -> list[tuple[Any, ...]]:
    """(case, caller, outcome) of each, oldest first."""
    table = case_progress_tries.c
    async with database.transaction() as connection:
        rows = await connection.execute(
            select(table.case_number, table.caller_number, table.outcome).order_by(table.try_id)
        )
        return [tuple(row) for row in rows]


async def test_number_and_last_four_digits_tell_the_state_and_since_when(
    desk: CaseProgress, cases: CaseService, clock: FixedClock, number: CaseNumber
) -> None:
    opened_at = clock()
    told = await desk.progress(number, "8000", caller=OTHER, at=clock())
    assert told == Progress(CaseState.OPEN, opened_at)
    clock.forward(timedelta(days=3))
    await cases.close(number, "mended", by="aki")
    told = await desk.progress(number, "8000", caller=None, at=clock())
    assert told == Progress(CaseState.CLOSED, clock())
    clock.forward(timedelta(days=1))
    await cases.reopen(number, "dark again", by="aki")
    told = await desk.progress(number, "8000", caller=OWN, at=clock())
    assert told == Progress(CaseState.OPEN, clock())


async def test_the_numbers_of_linked_calls_count_too(
    database: Database,
    desk: CaseProgress,
    cases: CaseService,
    clock: FixedClock,
    number: CaseNumber,
) -> None:
    assert await desk.progress(number, "7222", caller=None, at=clock()) is None
    await link(database, cases, clock, number, caller_number=OTHER)
    assert await desk.progress(number, "7222", caller=None, at=clock()) is not None
    assert await desk.progress(number, "8000", caller=None, at=clock()) is not None


NOT_A_CITIZEN_S_NUMBER: list[dict[str, Any]] = [
    {"caller_number": None, "caller_withheld": True},
    {"caller_number": "1001", "direction": "internal"},
    {"caller_number": "1001"},
    {"caller_number": "+8613900131001", "direction": "outbound"},
]


async def test_withheld_numbers_extensions_and_our_own_calls_never_match(
    database: Database, desk: CaseProgress, cases: CaseService, clock: FixedClock
) -> None:
    for columns in NOT_A_CITIZEN_S_NUMBER:
        number = await case_of(database, cases, clock, **columns)
        for last_four in ("1001", "0000", "----", ""):
            assert await desk.progress(number, last_four, caller=OWN, at=clock()) is None, columns


async def test_only_so_many_numbers_count_and_the_origin_s_is_among_them(
    database: Database, desk: CaseProgress, cases: CaseService, clock: FixedClock
) -> None:
    number = await case_of(database, cases, clock)
    for index in range(MOST_NUMBERS + 5):
        clock.forward(timedelta(seconds=1))
        await link(database, cases, clock, number, caller_number=f"+86139001390{index:02d}")
        # The origin calls again and again: it is one number.
        await link(database, cases, clock, number, caller_number=OWN)
    free = CaseProgress(database, TryLimits(per_case=1000, withheld=1000))
    matching = [
        index
        for index in range(MOST_NUMBERS + 5)
        if await free.progress(number, f"90{index:02d}", caller=None, at=clock())
    ]
    assert matching == list(range(MOST_NUMBERS - 1))
    assert await free.progress(number, "8000", caller=None, at=clock()) is not None


WRONG: list[tuple[str, str]] = [
    (UNKNOWN, "8000"),
    (UNKNOWN, "0000"),
    (UNKNOWN[:9] + str((int(UNKNOWN[9]) + 1) % 10), "8000"),
    ("", ""),
    ("0000000000", "0000"),
    ("123", "8000"),
    ("1" * 5000, "8" * 5000),
    ("\x00", "\x00"),
    ("２６００００００１８", "８０００"),
    ("\ud800", "\ud800"),
    ("' OR 1=1 --", "%"),
]


async def test_what_does_not_match_is_always_the_same_nothing_by_the_same_queries(
    database: Database, desk: CaseProgress, clock: FixedClock, number: CaseNumber
) -> None:
    statements: list[str] = []

    def seen(_c: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        statements.append(statement)

    async def queries(keyed: str, last_four: str) -> list[str]:
        statements.clear()
        assert await desk.progress(keyed, last_four, caller=OTHER, at=clock()) is None
        return list(statements)

    event.listen(database.engine.sync_engine, "before_cursor_execute", seen)
    try:
        expected = await queries(number, "8001")
        assert len(expected) == 6
        for keyed, last_four in [(number, ""), (number, "x"), *WRONG]:
            assert await queries(keyed, last_four) == expected
            clock.forward(LIMITS.window)
    finally:
        event.remove(database.engine.sync_engine, "before_cursor_execute", seen)


async def test_failed_tries_at_a_case_lock_it_for_strangers_and_open_again_after_a_day(
    database: Database, desk: CaseProgress, clock: FixedClock, number: CaseNumber
) -> None:
    for index in range(LIMITS.per_case):
        caller = f"+861350000000{index}"
        assert await desk.progress(number, f"100{index}", caller=caller, at=clock()) is None
    assert await desk.progress(number, "8000", caller=OTHER, at=clock()) is None
    assert await desk.progress(number, "8000", caller=None, at=clock()) is None
    # The citizen's own telephone is told all the same.
    assert await desk.progress(number, "8000", caller=OWN, at=clock()) is not None
    clock.forward(LIMITS.window + timedelta(seconds=1))
    assert await desk.progress(number, "8000", caller=OTHER, at=clock()) is not None
    outcomes = [outcome for _case, _caller, outcome in await tries(database)]
    assert outcomes == ["failed"] * LIMITS.per_case + ["locked", "locked", "told", "told"]


async def test_right_digits_while_locked_do_not_prolong_the_lock(
    desk: CaseProgress, clock: FixedClock, number: CaseNumber
) -> None:
    for _ in range(LIMITS.per_case):
        await desk.progress(number, "0000", caller=OTHER, at=clock())
    for _ in range(LIMITS.per_case):
        clock.forward(LIMITS.window / LIMITS.per_case - timedelta(seconds=1))
        assert await desk.progress(number, "8000", caller=OTHER, at=clock()) is None
    clock.forward(timedelta(minutes=1))
    assert await desk.progress(number, "8000", caller=OTHER, at=clock()) is not None


async def test_a_caller_who_tries_many_numbers_is_locked_out_of_all(
    desk: CaseProgress, clock: FixedClock, number: CaseNumber
) -> None:
    for serial in range(1, LIMITS.per_caller + 1):
        keyed = case_number(2030, serial)
        assert await desk.progress(keyed, "8000", caller=OTHER, at=clock()) is None
    assert await desk.progress(number, "8000", caller=OTHER, at=clock()) is None
    assert await desk.progress(number, "8000", caller="+8613600136000", at=clock()) is not None
    clock.forward(LIMITS.window + timedelta(seconds=1))
    assert await desk.progress(number, "8000", caller=OTHER, at=clock()) is not None


async def test_callers_without_a_number_are_counted_together(
    database: Database, clock: FixedClock, number: CaseNumber
) -> None:
    desk = CaseProgress(database, TryLimits(withheld=3))
    for caller in (None, "", "not a number"):
        assert await desk.progress(UNKNOWN, "0000", caller=caller, at=clock()) is None
    assert await desk.progress(number, "8000", caller=None, at=clock()) is None
    assert await desk.progress(number, "8000", caller=OTHER, at=clock()) is not None


async def test_tries_at_the_same_moment_are_all_counted(
    database: Database, desk: CaseProgress, clock: FixedClock, number: CaseNumber
) -> None:
    guesses = [f"{guess:04d}" for guess in range(LIMITS.per_case)] + ["8000"] * 6
    told = await asyncio.gather(
        *(
            desk.progress(number, guess, caller=f"+861350000{guess}{index:02d}", at=clock())
            for index, guess in enumerate(guesses)
        )
    )
    rows = await tries(database)
    failed_before = 0
    for _case, _caller, outcome in rows:
        if outcome == TryOutcome.FAILED:
            failed_before += 1
        else:
            assert (outcome == TryOutcome.LOCKED) == (failed_before >= LIMITS.per_case)
    assert len(rows) == len(guesses)
    assert sum(one is not None for one in told) == sum(row[2] == "told" for row in rows)


async def test_every_try_leaves_its_row_and_no_number_that_is_no_case(
    database: Database, desk: CaseProgress, clock: FixedClock, number: CaseNumber
) -> None:
    call_id = uuid4()
    await desk.progress(number, "8000", caller=OTHER, at=clock(), call_id=call_id)
    await desk.progress(number, "1234", caller=None, at=clock())
    await desk.progress(UNKNOWN, "8000", caller=OTHER, at=clock())
    await desk.progress("4400000000", "8000", caller="x' --", at=clock())
    assert await tries(database) == [
        (number, OTHER, "told"),
        (number, None, "failed"),
        (None, OTHER, "failed"),
        (None, None, "failed"),
    ]
    async with database.transaction() as connection:
        kept: UUID | None = await connection.scalar(
            select(case_progress_tries.c.call_id).where(case_progress_tries.c.outcome == "told")
        )
    assert kept == call_id


async def test_reading_is_no_act_on_the_case(
    desk: CaseProgress, cases: CaseService, clock: FixedClock, number: CaseNumber
) -> None:
    before = await cases.get(number)
    await desk.progress(number, "8000", caller=OTHER, at=clock())
    await desk.progress(number, "8001", caller=OTHER, at=clock())
    assert await cases.get(number) == before


async def test_nothing_that_was_keyed_is_logged(
    desk: CaseProgress, clock: FixedClock, number: CaseNumber, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    await desk.progress(number, "8000", caller=OTHER, at=clock())
    await desk.progress(number, "4321", caller=OTHER, at=clock())
    for secret in (number, "4321", "8000", OTHER):
        assert secret not in caplog.text


async def test_rows_of_tries_never_change_and_keep_the_rules(
    database: Database, desk: CaseProgress, clock: FixedClock, number: CaseNumber
) -> None:
    await desk.progress(number, "8000", caller=OTHER, at=clock())
    with pytest.raises(IntegrityError, match="append-only"):
        async with database.transaction() as connection:
            await connection.execute(update(case_progress_tries).values(outcome="failed"))
    good = {"at": clock(), "case_number": number, "caller_number": OTHER, "outcome": "told"}
    for wrong in (
        {"outcome": "x"},
        {"case_number": None},
        {"case_number": UNKNOWN},
        {"caller_number": "a"},
    ):
        with pytest.raises(IntegrityError):
            async with database.transaction() as connection:
                await connection.execute(insert(case_progress_tries).values(good | wrong))
    async with database.transaction() as connection:
        rule = await connection.scalar(
            text(
                "SELECT pg_get_constraintdef(oid) FROM pg_constraint"
                " WHERE conname = 'ck_case_progress_tries_outcome'"
            )
        )
    assert rule is not None
    assert sorted(rule.split("'")[1::2]) == sorted(TryOutcome)
