"""Conversations judged over REST: forms keep their versions, scores never change."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from callcenter.access.guard import Guard
from callcenter.access.model import Principal, Role
from callcenter.platform.db import Database
from callcenter.platform.problems import install_problem_handlers
from callcenter.recordings.quality.api import router
from callcenter.recordings.quality.service import QualityService
from callcenter.testing.fixed_clock import FixedClock

pytestmark = pytest.mark.integration

MONDAY = "2026-11-16"
FORM: dict[str, Any] = {
    "title": "Standard",
    "pass_mark": 70,
    "questions": [
        {"id": "greeting", "text": "Says who speaks", "most_points": 5},
        {"id": "privacy", "text": "Tells no stranger", "most_points": 1, "critical": True},
    ],
}
GOOD = {"greeting": 5, "privacy": 1}


@dataclass
class Desk:
    database: Database
    client: httpx.AsyncClient

    async def __call__(
        self, method: str, path: str, who: str = "supervisor", **more: Any
    ) -> httpx.Response:
        headers = {"Authorization": f"Bearer {who}", **more.pop("headers", {})}
        return await self.client.request(method, f"/quality{path}", headers=headers, **more)

    async def form(self) -> None:
        made = await self("POST", "/forms", json={"name": "standard", **FORM})
        assert made.status_code == 201, made.text

    async def conversation(self, number: int, agent: str = "1001") -> UUID:
        """A finished recording of a call of that week."""
        call_id, at = UUID(int=number), datetime(2026, 11, 17, 8, tzinfo=UTC)
        async with self.database.transaction() as connection:
            await connection.execute(
                text(
                    "INSERT INTO calls (call_id, node, linkedid, uniqueid, direction, state,"
                    " started_at, agent, agent_answered_at, ended_at, disposition, hangup_by)"
                    " VALUES (:id, 'n1', 'l', 'u', 'inbound', 'ended', :at, :agent, :at, :at,"
                    " 'answered', 'caller')"
                ),
                {"id": call_id, "at": at, "agent": agent},
            )
            await connection.execute(
                text(
                    "INSERT INTO recordings (recording_id, call_id, kind, name, state, started_at,"
                    " file, duration_ms, sample_rate, channels, bytes, peak, silence_ratio, sha256,"
                    " sealed_at, verified_at)"
                    " VALUES (:id, :id, 'conversation', :name, 'ready', :at,"
                    " 'f', 1000, 8000, 2, 32000, 0.5, 0.1, repeat('0', 64), :at, :at)"
                ),
                {"id": call_id, "name": str(call_id), "at": at},
            )
        return call_id


@pytest.fixture
async def desk(database: Database) -> AsyncIterator[Desk]:
    users = {"anna": UUID(int=1001), "bela": UUID(int=1002), "1001": UUID(int=3)}

    async def authenticate(token: str) -> Principal:
        if token == "supervisor":
            return Principal(UUID(int=1), token, Role.SUPERVISOR)
        return Principal(users[token], token, Role.AGENT)

    async with database.transaction() as connection:
        for name, user_id in users.items():
            await connection.execute(
                text(
                    "INSERT INTO users (user_id, name, role, password_hash, created_at)"
                    " VALUES (:id, :name, 'agent', '$argon2id$', now())"
                ),
                {"id": user_id, "name": name},
            )
        for agent_id, user in (("1001", "anna"), ("1002", "bela")):
            await connection.execute(
                text(
                    "INSERT INTO agents (agent_id, name, sip_digest, created_at, user_id)"
                    " VALUES (:agent, 'x', repeat('0', 32), now(), :id)"
                ),
                {"agent": agent_id, "id": users[user]},
            )

    app = FastAPI()
    install_problem_handlers(app)
    service = QualityService(
        database,
        FixedClock(datetime(2026, 11, 25, 9, tzinfo=UTC)),
        zone=ZoneInfo("Asia/Shanghai"),
        new_seed=lambda: 42,
    )
    app.include_router(router(service, Guard(authenticate)))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app, raise_app_exceptions=False), base_url="http://hotline"
    ) as client:
        yield Desk(database, client)


async def test_a_form_is_edited_into_its_next_version_and_retired(desk: Desk) -> None:
    await desk.form()
    assert (await desk("POST", "/forms", json={"name": "standard", **FORM})).status_code == 409
    edited = FORM | {"title": "Stricter", "pass_mark": 90}
    stale = await desk("PUT", "/forms/standard", json=edited, headers={"If-Match": '"7"'})
    assert stale.status_code == 412
    made = await desk("PUT", "/forms/standard", json=edited, headers={"If-Match": '"1"'})
    assert (made.json()["version"], made.headers["ETag"]) == (2, '"2"')
    versions = (await desk("GET", "/forms/standard/versions")).json()["items"]
    assert [(v["version"], v["title"]) for v in versions] == [(2, "Stricter"), (1, "Standard")]
    [listed] = (await desk("GET", "/forms")).json()["items"]
    assert (listed["version"], listed["retired"]) == (2, False)
    assert (await desk("DELETE", "/forms/standard")).json()["retired"] is True
    again = await desk("PUT", "/forms/standard", json=edited, headers={"If-Match": "*"})
    assert again.status_code == 409
    assert (await desk("GET", "/forms/none")).status_code == 404
    assert (await desk("POST", "/forms", "1001", json={"name": "x", **FORM})).status_code == 403


async def test_a_week_is_drawn_once_an_agent_and_can_be_drawn_again_by_the_seed(
    desk: Desk,
) -> None:
    for number in range(1, 8):
        await desk.conversation(number, "1001" if number < 6 else "1002")
    wish = {"week": MONDAY, "per_agent": 3}
    made = (await desk("POST", "/samples", json=wish)).json()["items"]
    by_agent: dict[str, list[dict[str, Any]]] = {}
    for one in made:
        by_agent.setdefault(one["agent"], []).append(one)
    assert {agent: len(found) for agent, found in by_agent.items()} == {"1001": 3, "1002": 2}
    assert {(one["seed"], one["drawn_from"]) for one in by_agent["1001"]} == {(42, 5)}
    # Nobody draws again until it suits.
    again = await desk("POST", "/samples", json=wish | {"seed": 7})
    assert (again.status_code, again.json()["items"]) == (201, [])
    page = (await desk("GET", "/samples", params={"agent": "1001", "limit": 2})).json()
    more = (
        await desk(
            "GET",
            "/samples",
            params={"agent": "1001", "limit": 2, "cursor": page["next_cursor"]},
        )
    ).json()
    listed = [*page["items"], *more["items"]]
    assert sorted(one["recording_id"] for one in listed) == sorted(
        one["recording_id"] for one in by_agent["1001"]
    )


@pytest.mark.parametrize("week", ["2026-11-17", "2026-11-23", "0001-01-01", "9999-12-27"])
async def test_only_a_week_that_is_over_is_drawn_from(desk: Desk, week: str) -> None:
    refused = await desk("POST", "/samples", json={"week": week})
    assert refused.status_code == 422, refused.text


async def test_a_score_is_never_changed_but_corrected_by_another(desk: Desk) -> None:
    await desk.form()
    recording = str(await desk.conversation(1))
    body = {"recording_id": recording, "form": "standard", "answers": GOOD}
    made = await desk("POST", "/scores", json=body)
    assert made.status_code == 201, made.text
    first = made.json()
    assert (first["points"], first["most_points"], first["passed"]) == (6, 6, True)
    assert (await desk("POST", "/scores", json=body)).status_code == 409

    wrong = {"answers": {"greeting": 5, "privacy": 0}, "reason": "heard it again"}
    path = f"/scores/{first['score_id']}/correction"
    second = (await desk("POST", path, json=wrong)).json()
    assert (second["failed"], second["points"], second["corrects"]) == (
        "privacy",
        0,
        first["score_id"],
    )
    assert (await desk("POST", path, json=wrong)).status_code == 409
    kept = (await desk("GET", f"/scores/{first['score_id']}")).json()
    assert kept == first | {"corrected_by": second["score_id"]}
    with pytest.raises(DBAPIError):
        async with desk.database.transaction() as connection:
            await connection.execute(text("UPDATE quality_scores SET points = 6, failed = NULL"))

    [figures] = (await desk("GET", "/figures")).json()["items"]
    assert figures == {
        "agent": "1001",
        "scores": 1,
        "points": {"numerator": 0, "denominator": 6, "ratio": 0.0},
        "passed": {"numerator": 0, "denominator": 1, "ratio": 0.0},
        "failed": {"numerator": 1, "denominator": 1, "ratio": 1.0},
    }


async def test_an_agent_sees_the_own_scores_and_objects_once(desk: Desk) -> None:
    await desk.form()
    for number, agent in ((1, "1001"), (2, "1002")):
        recording = str(await desk.conversation(number, agent))
        body = {"recording_id": recording, "form": "standard", "answers": GOOD}
        assert (await desk("POST", "/scores", json=body)).status_code == 201
    mine = (await desk("GET", "/scores", "anna", params={"agent": "1002"})).json()["items"]
    assert [one["agent"] for one in mine] == ["1001"]
    everybodys = (await desk("GET", "/scores")).json()["items"]
    other = next(one for one in everybodys if one["agent"] == "1002")
    assert (await desk("GET", f"/scores/{other['score_id']}", "anna")).status_code == 404
    said = {"text": "The line was bad."}
    objection = f"/scores/{mine[0]['score_id']}/objection"
    assert (await desk("POST", objection, "bela", json=said)).status_code == 403
    # Named as the agent is nobody's agent.
    assert (await desk("GET", "/scores", "1001")).json()["items"] == []
    assert (await desk("GET", f"/scores/{mine[0]['score_id']}", "1001")).status_code == 404
    assert (await desk("POST", objection, "1001", json=said)).status_code == 403
    made = await desk("POST", objection, "anna", json=said)
    assert made.json()["objection"]["text"] == said["text"]
    assert (await desk("POST", objection, "anna", json=said)).status_code == 409


async def test_nothing_is_scored_that_cannot_be_heard(desk: Desk) -> None:
    await desk.form()
    body = {"recording_id": str(UUID(int=99)), "form": "standard", "answers": GOOD}
    assert (await desk("POST", "/scores", json=body)).status_code == 409
    recording = str(await desk.conversation(1))
    missing = await desk("POST", "/scores", json=body | {"recording_id": recording, "answers": {}})
    assert {one["field"] for one in missing.json()["errors"]} == {
        "answers.greeting",
        "answers.privacy",
    }
    unknown = body | {"recording_id": recording, "form": "none"}
    assert (await desk("POST", "/scores", json=unknown)).status_code == 404


async def test_figures_are_of_the_time_asked_for(desk: Desk) -> None:
    await desk.form()
    recording = str(await desk.conversation(1))
    body = {"recording_id": recording, "form": "standard", "answers": GOOD}
    await desk("POST", "/scores", json=body)
    later = (datetime(2026, 11, 25, 9, tzinfo=UTC) + timedelta(seconds=1)).isoformat()
    assert (await desk("GET", "/figures", params={"scored_after": later})).json()["items"] == []
    found = await desk("GET", "/figures", params={"scored_before": later})
    assert len(found.json()["items"]) == 1
