"""The only agent talks; the next caller is told how long it will be, and it is measured."""

from __future__ import annotations

import wave
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from callcenter.testing.eventually import eventually

if TYPE_CHECKING:
    from callcenter.platform.postgres import EmbeddedPostgres
    from tests.e2e.conftest import Scene

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

#: Fifty calls of 100 s; thirty of those who had to wait were foretold well. Drawn "tomorrow": the
#: node draws nothing older anew.
GOOD = """
INSERT INTO queue_paces (queue, drawn_at, talks, handling_ms, answering_ms, calls, median_ms,
  p90_ms, long_calls, long_median_ms, long_p90_ms)
VALUES ('general', now() + interval '1 day', 50, 100000, 1000, 50, 5000, 20000, 30, 5000, 20000)
ON CONFLICT (queue) DO UPDATE SET drawn_at = excluded.drawn_at, talks = 50, handling_ms = 100000,
  answering_ms = 1000, patience_ms = NULL, calls = 50, median_ms = 5000, p90_ms = 20000,
  long_calls = 30, long_median_ms = 5000, long_p90_ms = 20000
"""


async def _execute(server: EmbeddedPostgres, statement: str) -> None:
    url = server.url()
    connection = await asyncpg.connect(
        host=str(server.sockets), user=url.username, database=url.database
    )
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def test_the_next_caller_hears_the_wait_and_the_figures_open_to_it(
    scene: Scene, database_server: EmbeddedPostgres
) -> None:
    await _execute(database_server, GOOD)
    try:
        async with (
            scene.agent("1001"),
            scene.citizen("citizen_presses_0.xml", pause=timedelta(seconds=90)) as first,
        ):

            async def talking() -> dict[str, Any]:
                calls = [call for call in await scene.calls() if call["state"] == "talking"]
                assert calls, "nobody talks"
                told = await scene.hotline.get("/queues/general/estimate")
                assert told["estimate_seconds"] is not None, told
                return dict(told)

            told = await eventually(talking, "the agent talks", within=timedelta(seconds=40))
            # One agent, nobody ahead: the median of an exponential time of 100 s, and the ring.
            assert told["position"] == 1
            assert 65 <= told["estimate_seconds"] <= 76
            assert told["spoken"] is True, told["why"]
            scene.begin_anew()
            async with scene.citizen(
                "citizen_presses_0.xml",
                pause=timedelta(seconds=9),
                keys={"caller_number": "13900139000"},
            ) as second:
                result = await second.result()
            assert result.ok, str(result)
            first.hang_up()
            call = await scene.call(caller_number="+8613900139000", disposition="abandoned")
    finally:
        await _execute(database_server, "DELETE FROM queue_paces")

    # The words were heard before the queue: nothing else lies between the menu and it.
    entered = datetime.fromisoformat(call["ivr_path"][-1]["at"])
    told_for = datetime.fromisoformat(call["queued_at"]) - entered
    with closing(wave.open(str(scene.prompt("wait_about", "zh")))) as words:
        assert told_for >= timedelta(seconds=words.getnframes() / words.getframerate())
    asked = {
        "from": scene.began.isoformat(),
        "to": (datetime.now(UTC) + timedelta(minutes=1)).isoformat(),
        "queue": "general",
    }
    rows = await scene.hotline.get(
        "/reports/queues/calls", figure="connection_rate", part="denominator", **asked
    )
    (row,) = [row for row in rows["items"] if row["call_id"] == call["call_id"]]
    assert row["position"] == 1
    assert 65 <= row["estimate_seconds"] <= 76
    assert row["outcome"] == "abandoned"
    assert row["wait_from_ring_seconds"] > row["wait_seconds"]
