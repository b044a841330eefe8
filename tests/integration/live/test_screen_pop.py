"""What an agent is shown while the phone rings; `/live` and `/events/schema` over REST."""

from __future__ import annotations

import json
import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from sqlalchemy import update

from callcenter.calls.tables import calls
from callcenter.cases.number import CaseNumber
from callcenter.cases.service import CaseService
from callcenter.live.schemas import SERVER_MESSAGE, SubscribeMessage
from callcenter.live.screen.model import MOST_EARLIER
from callcenter.testing.desk import add_call

if TYPE_CHECKING:
    from tests.integration.live.conftest import Served

pytestmark = pytest.mark.integration

NUMBER = "+8613800138000"


async def earlier_calls(served: Served, count: int, **columns: Any) -> list[UUID]:
    """Calls that ended yesterday, each an hour before the next; the newest first."""
    now = served.desk.clock() - timedelta(days=1)
    made = []
    async with served.desk.database.transaction() as connection:
        for hours in range(count):
            at = now - timedelta(hours=hours)
            values: dict[str, Any] = {
                "caller_number": NUMBER, "state": "ended", "ended_at": at, "queue": "general",
                "disposition": "answered", "line": "12345",
            }  # fmt: skip
            made.append(await add_call(connection, at, **values | columns))
    return made


async def case_of(served: Served, call_id: UUID, title: str) -> str:
    cases = CaseService(served.desk.database, served.desk.clock)
    async with served.desk.database.transaction() as connection:
        case = await cases.open_for_call(
            connection, call_id, title=title, opened_by="system:test", at=served.desk.clock()
        )
    return str(case.number)


async def test_the_screen_pop_comes_with_the_ringing(served: Served) -> None:
    before = await earlier_calls(served, 3)
    old_case = await case_of(served, before[1], "Street light")
    await earlier_calls(served, 1, caller_number="+8613900139000")
    step = {"node": "welcome", "key": "1", "led_by": "key", "at": "2026-03-02T08:59:00+00:00"}
    call_id = await served.calls.queued(
        caller_number=NUMBER, caller_name="Wang", language="zh", ivr_path=[step]
    )
    number = await case_of(served, call_id, "Call on 12345")
    async with served.follower("aki") as aki, served.follower("sven") as sven:
        await aki.take()
        await served.calls.rings(call_id, "1001")
        await aki.until(lambda: aki.mirror.own["call"])
        screen = aki.mirror.own["screen"]
        # In the very message that says that the phone rings.
        assert json.loads(aki.texts[-1])["own"]["screen"] == screen
        assert aki.calls[str(call_id)]["ringing"] == ["1001"]
        assert screen["case"]["case_number"] == number
        assert (screen["language"], screen["caller_name"]) == ("zh", "Wang")
        assert (screen["position"], screen["estimate_seconds"]) == (3, 90)
        assert [(step["node"], step["key"]) for step in screen["path"]] == [("welcome", "1")]
        assert [call["call_id"] for call in screen["earlier_calls"]] == [str(c) for c in before]
        assert screen["earlier_calls"][1]["case_number"] == old_case
        assert [case["title"] for case in screen["earlier_cases"]] == ["Street light"]
        assert (screen["more_calls"], screen["more_cases"]) == (False, False)
        await sven.until(lambda: sven.calls[str(call_id)]["ringing"])
        assert not any("Wang" in text or "Street light" in text for text in sven.texts)
        for text in aki.texts:
            SERVER_MESSAGE.validate_json(text)


async def test_an_edited_case_is_shown_anew(served: Served) -> None:
    call_id = await served.calls.queued(caller_number=NUMBER)
    number = await case_of(served, call_id, "Call on 12345")
    await served.calls.rings(call_id, "1001")
    async with served.follower("aki") as aki:
        await aki.until(lambda: aki.mirror.own["screen"])
        cases = CaseService(served.desk.database, served.desk.clock)
        await cases.edit(CaseNumber(number), {"title": "No water"}, by="aki", expected=None)
        await aki.until(lambda: aki.mirror.own["screen"]["case"]["title"] == "No water")


async def test_the_history_is_bounded_newest_first(served: Served) -> None:
    before = await earlier_calls(served, MOST_EARLIER + 5)
    for call_id in before:
        await case_of(served, call_id, f"of {call_id}")
    call_id = await served.calls.queued(caller_number=NUMBER)
    await case_of(served, call_id, "this one")
    await served.calls.rings(call_id, "1001")
    screen = (await served.desk.aki.get("/agents/me/screen-pop")).json()["screen"]
    assert [call["call_id"] for call in screen["earlier_calls"]] == [
        str(one) for one in before[:MOST_EARLIER]
    ]
    assert len(screen["earlier_cases"]) == MOST_EARLIER
    assert "this one" not in [case["title"] for case in screen["earlier_cases"]]
    assert (screen["more_calls"], screen["more_cases"]) == (True, True)


async def test_a_withheld_number_has_no_history(served: Served) -> None:
    await earlier_calls(served, 2, caller_number=None, caller_withheld=True)
    call_id = await served.calls.queued(
        caller_number=None, caller_withheld=True, caller_number_source="withheld"
    )
    await served.calls.rings(call_id, "1001")
    screen = (await served.desk.aki.get("/agents/me/screen-pop")).json()["screen"]
    assert screen["caller_withheld"] is True
    assert (screen["earlier_calls"], screen["earlier_cases"]) == ([], [])


async def test_over_rest_agents_see_their_own_phone_and_supervisors_all(served: Served) -> None:
    aki, sven = served.desk.aki, served.desk.sven
    assert (await aki.get("/agents/me/screen-pop")).json() == {"agent_id": "1001", "screen": None}
    call_id = await served.calls.queued(caller_number=NUMBER)
    await served.calls.rings(call_id, "1003")
    assert (await aki.get("/agents/me/screen-pop")).json()["screen"] is None
    refused = await aki.get("/agents/1003/screen-pop")
    assert (refused.status_code, refused.json()["type"]) == (403, "/problems/not-allowed")
    found = (await sven.get("/agents/1003/screen-pop")).json()
    assert found["screen"]["call_id"] == str(call_id)
    assert (await sven.get("/agents/me/screen-pop")).json()["type"] == "/problems/not-an-agent"
    assert (await sven.get("/agents/9999/screen-pop")).status_code == 404
    assert (await served.desk.nobody.get("/agents/1003/screen-pop")).status_code == 401
    assert (await sven.get("/agents/x/screen-pop")).status_code == 422


async def test_a_call_that_is_talked_comes_before_one_that_rings(served: Served) -> None:
    talked, rings = [await served.calls.queued(caller_number=NUMBER) for _ in range(2)]
    await served.calls.rings(rings, "1001")
    await served.calls.rings(talked, "1001")
    await served.calls.answered(talked, "1001")
    screen = (await served.desk.aki.get("/agents/me/screen-pop")).json()["screen"]
    assert screen["call_id"] == str(talked)


async def test_the_rest_snapshot_is_filtered_as_the_stream_is(served: Served) -> None:
    here = await served.calls.queued("general", caller_number=NUMBER)
    there = await served.calls.queued("law", caller_number=NUMBER)
    sven = (await served.desk.sven.get("/live")).json()
    assert {call["call_id"] for call in sven["calls"]} == {str(here), str(there)}
    assert sven["calls"][0]["caller_number"] == NUMBER
    aki = (await served.desk.aki.get("/live")).json()
    assert [(c["call_id"], c["caller_number"]) for c in aki["calls"]] == [(str(here), None)]
    assert [agent["agent_id"] for agent in aki["agents"]] == ["1001", "1002"]
    law = (await served.desk.sven.get("/live", params={"queue": "law", "topic": "calls"})).json()
    assert [call["call_id"] for call in law["calls"]] == [str(there)]
    assert (law["queues"], law["agents"]) == ([], [])
    other = await served.desk.aki.get("/live", params={"team": "west"})
    assert other.status_code == 403
    assert (await served.desk.nobody.get("/live")).status_code == 401
    assert (await served.desk.sven.get("/live", params={"queue": "\x00"})).status_code == 422


async def test_a_call_that_was_merged_into_another_is_no_call_of_its_own(served: Served) -> None:
    one, two = await served.calls.queued(), await served.calls.queued()
    async with served.desk.database.transaction() as connection:
        await connection.execute(
            update(calls).where(calls.c.call_id == two).values(merged_into=one)
        )
    shown = (await served.desk.sven.get("/live")).json()
    assert [call["call_id"] for call in shown["calls"]] == [str(one)]
    assert shown["queues"][0]["waiting"] == 1


async def test_the_days_counts_begin_at_the_citys_midnight(served: Served) -> None:
    # 09:00 UTC is 17:00 in the city; its day began at 16:00 UTC the day before.
    now = served.desk.clock()
    for ago in (timedelta(hours=16, minutes=59), timedelta(hours=17, minutes=1)):
        call_id = await served.calls.queued(at=now - ago)
        await served.calls.over(call_id, "abandoned")
    taken = await served.calls.queued()
    await served.calls.rings(taken, "1001")
    await served.calls.answered(taken, "1001")
    general = (await served.desk.sven.get("/live")).json()["queues"][0]
    assert (general["answered_today"], general["abandoned_today"]) == (1, 1)


async def test_the_schemas_are_published(served: Served) -> None:
    published = (await served.desk.nobody.get("/events/schema")).json()
    assert set(published["server"]["$defs"]) >= {"SnapshotMessage", "DeltaMessage", "ScreenOut"}
    assert published["client"] == SubscribeMessage.model_json_schema()


async def test_no_log_tells_a_token_or_a_caller(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    token, other = await served.token("aki"), await served.token("aki")
    call_id = await served.calls.queued(caller_number=NUMBER, caller_name="Wang")
    async with served.follow(token) as aki, served.follow(None, f"?token={other}") as refused:
        assert (await refused.closed())[0] == 4400
        await served.calls.rings(call_id, "1001")
        await aki.until(lambda: aki.mirror.own["screen"])
    async with served.follow(None) as aki:
        await aki.say({"token": other})
        await aki.take()
    # The client of this test logs what it says, as ours must not.
    told = "\n".join(r.getMessage() for r in caplog.records if r.name != "websockets.client")
    for secret in (token, other, NUMBER, "Wang"):
        assert secret not in told
