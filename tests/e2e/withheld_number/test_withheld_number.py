"""A citizen withholds the number: the provider tells it to us, and nobody finds it with us."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import asyncpg
import pytest

if TYPE_CHECKING:
    from callcenter.platform.postgres import EmbeddedPostgres
    from tests.e2e.conftest import Scene

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]


DIGITS = "13911223344"


async def test_the_number_is_nowhere(scene: Scene, database_server: EmbeddedPostgres) -> None:
    async with (
        scene.agent("1001") as phone,
        scene.citizen(
            "citizen_withheld.xml",
            keys={"caller_number": DIGITS},
            pause=timedelta(seconds=14),
        ) as citizen,
    ):
        result = await citizen.result()
        assert DIGITS in result.messages, "the provider told the number"
        shown_to_the_agent = phone.calls.messages
    assert result.ok, str(result)

    call = await scene.call(disposition="answered", agent="1001", caller_withheld=True)
    assert call["caller_number"] is None
    assert call["caller_name"] is None
    assert call["caller_number_source"] == "withheld"
    case = await scene.case_of(call)
    recording = await scene.recording_of(call)
    assert recording["state"] == "ready"

    timeline = await scene.hotline.get(f"/calls/{call['call_id']}/timeline")
    for told in (call, case, recording, timeline, shown_to_the_agent):
        assert DIGITS not in str(told)
    assert await tables_with(database_server, DIGITS) == []

    logs = scene.hotline.home / "asterisk" / "log"
    for name in ("queue_log", "cdr-csv/Master.csv", "messages"):
        assert DIGITS not in (logs / name).read_text("utf-8", "replace"), name


async def test_a_number_that_is_shown_would_have_been_found(
    scene: Scene, database_server: EmbeddedPostgres
) -> None:
    digits = "13955667788"
    async with scene.citizen(
        "citizen_silent.xml", keys={"caller_number": digits}, pause=timedelta(seconds=1)
    ) as citizen:
        assert (await citizen.result()).ok
    await scene.call(caller_number=f"+86{digits}")
    assert "calls" in await tables_with(database_server, digits)


async def tables_with(server: EmbeddedPostgres, text: str) -> list[str]:
    """The tables of which some row holds `text` anywhere."""
    connection = await asyncpg.connect(
        host=str(server.sockets), user="postgres", database="callcenter"
    )
    try:
        tables = await connection.fetch(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"
        )
        return [
            name
            for (name,) in tables
            if await connection.fetchval(
                f'SELECT EXISTS (SELECT FROM "{name}" AS row WHERE row::text LIKE $1)',
                f"%{text}%",
            )
        ]
    finally:
        await connection.close()
