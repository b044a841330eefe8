"""Who is asked after a conversation, what is kept of the answers, and the figures."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text

from callcenter.access.guard import Guard
from callcenter.access.model import Principal, Role
from callcenter.ivr.exits import EnterQueue, HangUp
from callcenter.ivr.session import CallerHungUp
from callcenter.lines.doors import door_of
from callcenter.lines.flags.api import router as flags_router
from callcenter.lines.flags.service import FlagService
from callcenter.lines.surveys.api import router
from callcenter.lines.surveys.dialogue import Surveys
from callcenter.lines.surveys.service import SurveyService
from callcenter.platform.db import Database
from callcenter.platform.problems import install_problem_handlers
from callcenter.testing.fixed_clock import FixedClock
from callcenter.testing.sample_flow import VOICE
from callcenter.testing.scripted_caller import HANG_UP, Press, ScriptedCaller

pytestmark = pytest.mark.integration

NOW = datetime(2026, 11, 25, 9, tzinfo=UTC)
CALL = UUID(int=1)


@dataclass
class Line:
    """Line 12345 with its survey on, and a call that talked with agent 1001."""

    database: Database
    client: httpx.AsyncClient
    surveys: Surveys

    async def __call__(
        self, method: str, path: str, who: str = "supervisor", **more: Any
    ) -> httpx.Response:
        headers = {"Authorization": f"Bearer {who}", **more.pop("headers", {})}
        return await self.client.request(method, path, headers=headers, **more)

    async def sql(self, statement: str, **values: Any) -> None:
        async with self.database.transaction() as connection:
            await connection.execute(text(statement), values)

    async def call(self, call_id: UUID = CALL, agent: str | None = "1001") -> None:
        await self.sql(
            "INSERT INTO calls (call_id, node, linkedid, uniqueid, direction, line, caller_number,"
            " state, started_at, queue, agent, agent_answered_at) VALUES (:id, 'n1', :l, :l,"
            " 'inbound', '12345', '+8613800138000', 'talking', :at, 'general', :agent,"
            " CASE WHEN cast(:agent AS text) IS NULL THEN NULL ELSE cast(:at AS timestamptz) END)",
            id=call_id,
            l=f"n1-{call_id.int}.1",
            at=NOW,
            agent=agent,
        )
        if agent is not None:
            await self.sql(
                "INSERT INTO agent_talks (call_id, uniqueid, agent, began_at)"
                " VALUES (:id, 'u2', :agent, :at)",
                id=call_id,
                agent=agent,
                at=NOW,
            )

    async def asks(self, *presses: Press, call_id: UUID = CALL) -> ScriptedCaller:
        caller = ScriptedCaller(presses, call_id=call_id, language="en")
        await self.surveys.run(caller)
        return caller

    async def answers(self, **params: str) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = (await self("GET", "/surveys/answers", params=params)).json()[
            "items"
        ]
        return items


@pytest.fixture
async def line(database: Database) -> AsyncIterator[Line]:
    clock = FixedClock(NOW + timedelta(minutes=5))

    async def authenticate(token: str) -> Principal:
        return Principal(UUID(int=1), "ling", Role(token))

    app = FastAPI()
    install_problem_handlers(app)
    guard = Guard(authenticate)
    app.include_router(router(SurveyService(database, clock), guard))
    app.include_router(flags_router(FlagService(database, clock), guard))
    client = httpx.AsyncClient(
        transport=httpx.ASGITransport(app, raise_app_exceptions=False), base_url="http://hotline"
    )
    line = Line(database, client, Surveys(database, clock, VOICE))
    await line.sql("INSERT INTO queues (name, title) VALUES ('general', 'general')")
    await line.sql(
        "INSERT INTO ivr_flows (name, title, created_at) VALUES ('main', 'm', :at)", at=NOW
    )
    await line.sql(
        "INSERT INTO lines (number, title, flow, queue, language)"
        " VALUES ('12345', 'city', 'main', 'general', 'zh')"
    )
    async with client:
        on = await line(
            "PUT", "/lines/12345/survey", json={"enabled": True}, headers={"If-Match": '"0"'}
        )
        assert on.status_code == 200, on.text
        yield line


async def test_a_caller_says_how_it_was_and_each_answer_is_kept_at_once(line: Line) -> None:
    await line.call()
    caller = await line.asks("1", "2")
    assert caller.exit == HangUp()
    assert [path.stem for path in caller.heard] == ["en_survey_solved", "en_survey_satisfied"]
    assert [(step.node, step.key, step.about) for step in caller.path] == [
        (".survey_solved", "", ""),
        (".survey_solved", "1", "survey/solved"),
        (".survey_satisfied", "", ""),
        (".survey_satisfied", "2", "survey/satisfied"),
    ]
    [answer] = await line.answers()
    assert answer["solved"] is True
    assert answer["satisfied"] is False
    assert (answer["agent"], answer["line"], answer["queue"], answer["language"]) == (
        "1001",
        "12345",
        "general",
        "en",
    )
    # Asked once, whatever becomes of the call.
    again = await line.asks("1", "1")
    assert (again.heard, again.exit) == ([], HangUp())


async def test_who_hangs_up_after_the_first_question_has_answered_it(line: Line) -> None:
    await line.call()
    with pytest.raises(CallerHungUp):
        await line.asks("2", HANG_UP)
    [answer] = await line.answers()
    assert (answer["solved"], answer["satisfied"]) == (False, None)
    assert answer["answered_at"] is not None


async def test_silence_is_no_answer_and_zero_is_a_person(line: Line) -> None:
    await line.call()
    await line.call(UUID(int=2))
    silent = await line.asks(None, None)
    assert silent.exit == HangUp()
    asked = await line.asks("0", call_id=UUID(int=2))
    assert asked.exit == EnterQueue("general")
    answers = await line.answers()
    assert {(a["solved"], a["satisfied"], a["answered_at"]) for a in answers} == {(None,) * 3}


async def test_a_flagged_call_is_not_asked(line: Line) -> None:
    await line.call()
    flagged = await line("POST", f"/calls/{CALL}/abuse", "agent", json={"reason": "insults"})
    assert flagged.status_code == 201, flagged.text
    caller = await line.asks("1", "1")
    assert (caller.heard, caller.exit, await line.answers()) == ([], HangUp(), [])
    twice = await line("POST", f"/calls/{CALL}/abuse", "agent", json={"reason": "again"})
    assert twice.status_code == 409
    [flag] = (await line("GET", f"/calls/{CALL}/flags", "agent")).json()["items"]
    assert (flag["kind"], flag["flagged_by"], flag["reason"]) == ("abuse", "ling", "insults")
    assert (await line("GET", "/call-flags")).json()["items"] == [flag]


async def test_a_call_is_flagged_while_it_is_talked_not_before_or_afterwards(line: Line) -> None:
    await line.call(agent=None)
    why = {"reason": "insults"}
    assert (await line("POST", f"/calls/{CALL}/abuse", json=why)).status_code == 409
    await line.sql(
        "UPDATE calls SET state = 'ended', ended_at = started_at, disposition = 'abandoned'"
    )
    assert (await line("POST", f"/calls/{CALL}/abuse", json=why)).status_code == 409
    unknown = f"/calls/{UUID(int=404)}"
    assert (await line("POST", f"{unknown}/abuse", json=why)).status_code == 404
    assert (await line("GET", f"{unknown}/flags")).status_code == 404


@pytest.mark.parametrize("expired", [False, True])
async def test_a_number_on_the_nuisance_list_is_not_asked(line: Line, expired: bool) -> None:
    await line.call()
    await line.sql(
        "INSERT INTO listed_callers (list, number, reason, listed_at, listed_by, expires_at)"
        " VALUES ('blocked', '+8613800138000', 'r', :at, 'ling', :until)",
        at=NOW,
        until=NOW + timedelta(minutes=1 if expired else 30),
    )
    await line.asks("1", "1")
    assert len(await line.answers()) == expired


@pytest.mark.parametrize(
    ("seconds", "asked"), [(30, True), (90, False), (None, False)], ids=["before", "after", "open"]
)
async def test_who_talked_with_another_unit_last_is_not_asked(
    line: Line, seconds: int | None, asked: bool
) -> None:
    await line.call()
    await line.sql("UPDATE agent_talks SET ended_at = :at", at=NOW + timedelta(seconds=60))
    await line.sql(
        "INSERT INTO call_legs (call_id, uniqueid, node, channel, role, started_at, answered_at,"
        " ended_at) VALUES (:id, 'u3', 'n1', 'PJSIP/trunk-00000003', 'other', :at, :at, :over)",
        id=CALL,
        at=NOW,
        over=None if seconds is None else NOW + timedelta(seconds=seconds),
    )
    await line.asks("1", "1")
    assert len(await line.answers()) == asked


async def test_who_talked_with_no_agent_or_calls_a_line_without_a_survey_is_not_asked(
    line: Line,
) -> None:
    await line.call(agent=None)
    await line.call(UUID(int=2))
    await line.asks("1")
    off = await line(
        "PUT", "/lines/12345/survey", json={"enabled": False}, headers={"If-Match": '"1"'}
    )
    assert off.status_code == 200
    await line.asks("1", call_id=UUID(int=2))
    assert await line.answers() == []


async def test_the_next_caller_meets_a_switched_survey(line: Line) -> None:
    for enabled in (True, False):
        await line(
            "PUT", "/lines/12345/survey", json={"enabled": enabled}, headers={"If-Match": "*"}
        )
        async with line.database.transaction() as connection:
            row = await door_of(connection, "12345", None, NOW)
        assert row is not None
        assert row.door.survey is enabled


async def test_figures_have_numerator_and_denominator(line: Line) -> None:
    said = [("1001", "1", "1"), ("1001", "1", "2"), ("1001", "2", None), ("1002", None, None)]
    for number, (agent, *keys) in enumerate(said, start=1):
        await line.call(UUID(int=number), agent)
        await line.asks(*keys, call_id=UUID(int=number))
    every = (await line("GET", "/surveys/figures")).json()["items"]
    assert every == [
        {
            "group": None,
            "asked": 4,
            "answered": {"numerator": 3, "denominator": 4, "ratio": 0.75},
            "solved": {"numerator": 2, "denominator": 3, "ratio": pytest.approx(2 / 3)},
            "satisfied": {"numerator": 1, "denominator": 2, "ratio": 0.5},
        }
    ]
    by = (await line("GET", "/surveys/figures", params={"group_by": "agent", "limit": 1})).json()
    assert [(one["group"], one["asked"]) for one in by["items"]] == [("1001", 3)]
    more = await line(
        "GET", "/surveys/figures", params={"group_by": "agent", "cursor": by["next_cursor"]}
    )
    [other] = more.json()["items"]
    assert (other["group"], other["solved"]) == (
        "1002",
        {"numerator": 0, "denominator": 0, "ratio": None},
    )
    assert len(await line.answers(agent="1001")) == 3
    assert await line.answers(asked_before=NOW.isoformat()) == []


async def test_answers_are_read_page_by_page(line: Line) -> None:
    for number in (1, 2, 3):
        await line.call(UUID(int=number))
        await line.asks("1", "1", call_id=UUID(int=number))
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        params = {"limit": "2", **({"cursor": cursor} if cursor else {})}
        page = (await line("GET", "/surveys/answers", params=params)).json()
        seen += [one["call_id"] for one in page["items"]]
        cursor = page["next_cursor"]
    assert seen == [str(UUID(int=number)) for number in (3, 2, 1)]


async def test_a_switch_is_based_on_what_was_read(line: Line) -> None:
    path = "/lines/12345/survey"
    read = await line("GET", path, "agent")
    assert (read.json(), read.headers["ETag"]) == (
        {"line": "12345", "enabled": True, "version": 1},
        '"1"',
    )
    stale = await line("PUT", path, json={"enabled": False}, headers={"If-Match": '"0"'})
    assert stale.status_code == 412
    assert (await line("PUT", path, "agent", json={"enabled": False})).status_code in (403, 422)
    none = await line(
        "PUT", "/lines/99999/survey", json={"enabled": True}, headers={"If-Match": "*"}
    )
    assert none.status_code == 404
