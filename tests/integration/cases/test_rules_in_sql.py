"""What the model refuses, SQL refuses too; and both count check digits alike."""

from __future__ import annotations

import random
import traceback
from typing import Any

import pytest
from sqlalchemy import Executable, insert, text, update
from sqlalchemy.exc import IntegrityError

from callcenter.cases.model import CaseState, EventKind, Relation
from callcenter.cases.number import LAST_SERIAL, case_number, is_case_number
from callcenter.cases.service import CaseService
from callcenter.cases.tables import case_calls, case_events, cases
from callcenter.platform.db import Database
from callcenter.testing.desk import add_call
from callcenter.testing.fixed_clock import FixedClock

pytestmark = pytest.mark.integration

clock = FixedClock()


@pytest.fixture
async def number(database: Database) -> str:
    return (await CaseService(database, clock).open(title="Lamp", by="aki")).case.number


async def refused(database: Database, statement: Executable, *, what: object) -> IntegrityError:
    """The refusal of SQL; fails where it takes the statement."""
    try:
        async with database.transaction() as connection:
            await connection.execute(statement)
    except IntegrityError as exc:
        return exc
    raise AssertionError(f"taken: {what}")


async def test_sql_and_python_agree_on_ten_thousand_numbers_right_wrong_and_misshapen(
    database: Database,
) -> None:
    chance = random.Random(12345)
    sample = [str(chance.randrange(10**10)).zfill(10) for _ in range(4000)]
    for _ in range(2000):
        good: str = case_number(chance.randrange(100), chance.randint(1, LAST_SERIAL))
        place = chance.randrange(9)
        sample += [
            good,
            good[:place] + str(chance.randrange(10)) + good[place + 1 :],
            good[:place] + good[place + 1] + good[place] + good[place + 2 :],
        ]
    sample += ["", "1", "123456789x", "١٢٣٤٥٦٧٨٩٠", " 123456789", "12345678901", "1234567890\n"]
    async with database.transaction() as connection:
        rows = await connection.execute(
            text("SELECT n, case_number_is_valid(n) FROM unnest(cast(:all AS text[])) AS n"),
            {"all": sample},
        )
        told = {row[0]: row[1] for row in rows}
    assert told == {number: is_case_number(number) for number in sample}
    assert sum(told.values()) > 2000


BAD_CHANGES: list[dict[str, Any]] = [
    {"title": ""},
    {"title": "x" * 201},
    {"title": "a\nb"},
    {"title": "a\x7fb"},
    {"title": "a\x9fb"},
    {"citizen_words": "x" * 4001},
    {"citizen_words": "a\tb"},
    {"category": "x" * 101},
    {"category": "a\x01"},
    {"state": "lost"},
    {"state": "closed"},
    {"closed_at": clock()},
    {"state": "closed", "closed_at": clock().replace(year=2020)},
    {"version": 1},
    {"version": 3},
    {"opened_by": "somebody else"},
    {"opened_at": clock().replace(year=2020)},
    {"case_number": case_number(2026, 999)},
    {"case_number": "1234567890"},
]


async def test_a_change_the_model_refuses_is_refused(database: Database, number: str) -> None:
    for changes in BAD_CHANGES:
        refusal = await refused(
            database,
            update(cases).where(cases.c.case_number == number).values({"version": 2} | changes),
            what=changes,
        )
        assert "cases" in str(refusal)


async def test_what_the_model_allows_sql_allows(database: Database, number: str) -> None:
    async with database.transaction() as connection:
        await connection.execute(
            update(cases)
            .where(cases.c.case_number == number)
            .values(version=2, title="灯坏了", citizen_words="一\n二", category="照明")
        )


async def test_the_origin_of_a_case_never_changes(database: Database, number: str) -> None:
    async with database.transaction() as connection:
        call_id = await add_call(connection, clock())
    with pytest.raises(IntegrityError, match="never change"):
        async with database.transaction() as connection:
            await connection.execute(
                update(cases)
                .where(cases.c.case_number == number)
                .values(origin_call_id=call_id, version=2)
            )


REWRITING = [
    "UPDATE case_events SET actor = 'x'",
    "DELETE FROM case_events",
    "TRUNCATE case_events",
    "DELETE FROM cases",
    "TRUNCATE cases CASCADE",
]


async def test_history_is_append_only(database: Database, number: str) -> None:
    for statement in REWRITING:
        refusal = await refused(database, text(statement), what=statement)
        assert "append-only" in str(refusal)


BAD_ENTRIES: list[dict[str, Any]] = [
    {"kind": "deleted"},
    {"kind": "opened"},
    {"seq": 1, "kind": "edited"},
    {"seq": 0},
    {"actor": ""},
    {"actor": "a\nb"},
    {"detail": []},
    {"kind": "note_added", "detail": {}},
    {"kind": "note_added", "detail": {"text": ""}},
    {"kind": "note_added", "detail": {"text": "x" * 4001}},
    {"kind": "closed", "detail": {}},
    {"kind": "reopened", "detail": {"reason": "x" * 1001}},
    {"kind": "call_linked", "detail": {}},
]


async def test_a_history_entry_the_model_would_not_make_is_refused(
    database: Database, number: str
) -> None:
    good = {
        "case_number": number,
        "seq": 2,
        "at": clock(),
        "actor": "aki",
        "kind": "edited",
        "detail": {},
    }
    for values in BAD_ENTRIES:
        refusal = await refused(database, insert(case_events).values(good | values), what=values)
        assert "violates" in str(refusal)


async def test_a_case_has_one_origin_and_a_call_is_the_origin_of_one_case(
    database: Database, number: str
) -> None:
    async with database.transaction() as connection:
        calls = [await add_call(connection, clock()) for _ in range(2)]
        first = {"case_number": number, "relation": "origin", "linked_at": clock()}
        await connection.execute(insert(case_calls).values(first | {"call_id": calls[0]}))
    for wrong in (
        {"call_id": calls[1]},
        {"call_id": calls[0]},
        {"call_id": calls[1], "relation": "x"},
    ):
        with pytest.raises(IntegrityError):
            async with database.transaction() as connection:
                await connection.execute(insert(case_calls).values(first | wrong))


async def test_sql_knows_the_words_the_model_knows(database: Database) -> None:
    for constraint, words in (
        ("ck_cases_state", CaseState),
        ("ck_case_events_kind", EventKind),
        ("ck_case_calls_relation", Relation),
    ):
        async with database.transaction() as connection:
            rule = await connection.scalar(
                text("SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = :n"),
                {"n": constraint},
            )
        assert rule is not None
        assert sorted(rule.split("'")[1::2]) == sorted(words)


async def test_a_refusal_of_sql_does_not_repeat_what_was_written(
    database: Database, number: str
) -> None:
    with pytest.raises(IntegrityError) as refusal:
        async with database.transaction() as connection:
            await connection.execute(
                update(cases)
                .where(cases.c.case_number == number)
                .values(title="13800138000\n", version=2)
            )
    told = "".join(traceback.format_exception(refusal.value))
    assert "ck_cases_title" in told
    assert "13800138000" not in told
