"""One call, one case, whoever asks first and however many at once."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest
from sqlalchemy import func, select, text

from callcenter.cases.model import EventKind, NoSuchCall, Relation
from callcenter.cases.service import CaseService
from callcenter.cases.tables import case_calls, case_events, cases
from callcenter.platform.db import Database
from callcenter.platform.news import outbox
from callcenter.testing.desk import add_call
from callcenter.testing.eventually import eventually
from callcenter.testing.fixed_clock import FixedClock

pytestmark = pytest.mark.integration

clock = FixedClock()


@pytest.fixture
def service(database: Database) -> CaseService:
    return CaseService(database, clock)


async def count(database: Database, table: object) -> int | None:
    async with database.transaction() as connection:
        return await connection.scalar(select(func.count()).select_from(table))  # type: ignore[arg-type]


async def test_the_case_of_a_call_is_opened_once_with_its_call_history_and_news(
    database: Database, service: CaseService
) -> None:
    async with database.transaction() as connection:
        call_id = await add_call(connection, clock())
        first = await service.open_for_call(
            connection, call_id, title="Call", opened_by="system:ivr", at=clock()
        )
        again = await service.open_for_call(
            connection, call_id, title="Other", opened_by="system:node", at=clock()
        )
    assert first == again
    file = await service.get(first.number)
    assert [event.kind for event in file.history] == [EventKind.OPENED]
    assert file.history[0].detail == {"call_id": str(call_id)}
    assert [(c.call_id, c.relation) for c in file.calls] == [(call_id, Relation.ORIGIN)]
    async with database.transaction() as connection:
        news = (await connection.execute(select(outbox.c.topic, outbox.c.key))).all()
    assert [tuple(row) for row in news] == [("case", first.number)]


async def test_an_unknown_call_is_refused_and_the_transaction_goes_on(
    database: Database, service: CaseService
) -> None:
    async with database.transaction() as connection:
        with pytest.raises(NoSuchCall):
            await service.open_for_call(
                connection, uuid4(), title="Call", opened_by="system:ivr", at=clock()
            )
        assert await connection.scalar(select(1)) == 1


async def test_sixteen_at_once_get_one_case_and_no_error(
    database: Database, service: CaseService
) -> None:
    async with database.transaction() as connection:
        call_id = await add_call(connection, clock())
    start = asyncio.Barrier(16)

    async def open_it(name: str) -> str:
        async with database.transaction() as connection:
            await connection.execute(select(1))
            await start.wait()
            case = await service.open_for_call(
                connection, call_id, title=name, opened_by=f"system:{name}", at=clock()
            )
            return case.number

    numbers = await asyncio.gather(*(open_it(f"p{n}") for n in range(16)))
    assert len(set(numbers)) == 1
    assert await count(database, cases) == 1
    assert await count(database, case_events) == 1
    assert await count(database, case_calls) == 1
    assert await count(database, outbox) == 1


async def test_the_later_one_waits_for_the_earlier_commit_and_returns_its_case(
    database: Database, service: CaseService
) -> None:
    async with database.transaction() as connection:
        call_id = await add_call(connection, clock())

    async def later() -> str:
        async with database.transaction() as other:
            case = await service.open_for_call(
                other, call_id, title="later", opened_by="system:node", at=clock()
            )
            return case.number

    async with database.transaction() as earlier:
        first = await service.open_for_call(
            earlier, call_id, title="earlier", opened_by="system:ivr", at=clock()
        )
        waiting = asyncio.create_task(later())
        await _until_somebody_waits(database)
        # The consumer goes on with the call's row while the other waits: no dead lock.
        await earlier.execute(
            text("UPDATE calls SET queue = 'general' WHERE call_id = :c"), {"c": call_id}
        )
        assert not waiting.done()
    assert await waiting == first.number


async def test_where_the_earlier_one_fails_the_later_one_opens_the_case(
    database: Database, service: CaseService
) -> None:
    async with database.transaction() as connection:
        call_id = await add_call(connection, clock())

    async def later() -> str:
        async with database.transaction() as other:
            case = await service.open_for_call(
                other, call_id, title="later", opened_by="system:node", at=clock()
            )
            return case.title

    class Died(Exception):
        pass

    waiting: asyncio.Task[str] | None = None

    async def earlier_dies() -> None:
        nonlocal waiting
        async with database.transaction() as earlier:
            await service.open_for_call(
                earlier, call_id, title="earlier", opened_by="system:ivr", at=clock()
            )
            waiting = asyncio.create_task(later())
            await _until_somebody_waits(database)
            raise Died

    with pytest.raises(Died):
        await earlier_dies()
    assert waiting is not None
    assert await waiting == "later"
    assert await count(database, cases) == 1


async def _until_somebody_waits(database: Database) -> None:
    async def one_waits() -> bool:
        async with database.transaction() as connection:
            found = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
            return bool(await connection.scalar(found))

    await eventually(one_waits, "one waits for the other's lock")


async def test_two_matters_of_one_call_opened_at_once_by_hand_are_two_cases_of_one_origin(
    database: Database, service: CaseService
) -> None:
    async with database.transaction() as connection:
        call_id = await add_call(connection, clock())
    files = await asyncio.gather(
        *(service.open(title=f"m{n}", call_id=call_id, by="aki") for n in range(5))
    )
    assert len({file.case.number for file in files}) == 5
    assert sorted(file.calls[0].relation for file in files) == ["linked"] * 4 + ["origin"]
    assert all([call.call_id for call in file.calls] == [call_id] for file in files)


async def test_numbers_that_are_made_at_once_are_all_different(
    database: Database, service: CaseService
) -> None:
    files = await asyncio.gather(*(service.open(title="x", by="aki") for _ in range(40)))
    assert len({file.case.number for file in files}) == 40
