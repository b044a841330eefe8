"""What the API says is true: the next caller hears it, also while the database is away."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from callcenter.ivr.exits import EnterQueue, HangUp
from callcenter.ivr.flows import FlowCache, Straight
from callcenter.ivr.handler import IvrService, QueuedCall
from callcenter.ivr.runner import Plan
from callcenter.platform.db import Database
from callcenter.testing.eventually import eventually
from callcenter.testing.sample_flow import document
from callcenter.testing.scripted_caller import ScriptedCaller

pytestmark = pytest.mark.integration

ANY = {"If-Match": "*"}


async def version_of_next_call(cache: FlowCache, line: str = "12345") -> int:
    plan = await cache.plan_for(line)
    assert isinstance(plan, Plan)
    return plan.version


def away() -> Database:
    """A database that is not there."""
    return Database("postgresql://nobody@127.0.0.1:1/none")


async def test_the_next_lookup_after_the_reply_has_the_new_version(admin: Any, studio: Any) -> None:
    cache = studio.cache()
    assert await version_of_next_call(cache) == 1
    for version in (2, 3):
        await admin("PUT", "/main/draft", json=document(), headers=ANY)
        assert (await admin("POST", "/main/versions", json={})).json()["version"] == version
        assert await version_of_next_call(cache) == version
    await admin("PUT", "/main/active", json={"version": 1})
    assert await version_of_next_call(cache) == 1


async def test_a_call_in_progress_finishes_on_its_version(admin: Any, studio: Any) -> None:
    plan = await studio.cache().plan_for("12345")
    await admin("PUT", "/main/draft", json=document(), headers=ANY)
    await admin("POST", "/main/versions", json={})
    assert isinstance(plan, Plan)
    assert (plan.version, "welcome" in plan.definition.nodes) == (1, True)


async def test_a_whole_call_goes_through_the_shipped_flow(studio: Any) -> None:
    await studio.service.render_active()
    cases: list[QueuedCall] = []

    async def open_case(call: QueuedCall) -> None:
        cases.append(call)

    caller = ScriptedCaller(["1", "0"])
    await IvrService(studio.cache(), studio.library, open_case).run(caller)
    assert caller.exit == EnterQueue("general")
    assert [(e.node, e.key) for e in caller.path] == [
        ("welcome", ""),
        ("id_card", "1"),
        ("answers", ""),
        ("person", "0"),
    ]
    assert all(path.is_file() for path in caller.heard)
    assert len(cases) == 1


async def test_every_file_of_the_shipped_flow_exists_in_both_languages(studio: Any) -> None:
    await studio.service.render_active()
    for presses in (["2", "1", "2", "9", "0"], ["8", "1", "5", None, None], ["2", None, None]):
        caller = ScriptedCaller(presses)

        async def open_case(_call: QueuedCall) -> None:
            return

        await IvrService(studio.cache(), studio.library, open_case).run(caller)
        assert isinstance(caller.exit, EnterQueue)
        assert [path for path in caller.heard if not path.is_file()] == []


async def test_what_lines_do_is_followed_by_news(admin: Any, studio: Any) -> None:
    cache = studio.cache()
    following = asyncio.create_task(cache.follow(), name="follow")
    try:
        await eventually(studio.cache_file.exists, "the first state on disk")
        await admin("PUT", "/main/draft", json=document(), headers=ANY)
        await admin("POST", "/main/versions", json={})

        def on_disk() -> bool:
            state = json.loads(studio.cache_file.read_text("utf-8"))
            return bool(state["lines"][0]["version"] == 2 and len(state["versions"]) == 1)

        await eventually(on_disk, "version 2 on disk", within=timedelta(seconds=3))
    finally:
        following.cancel()
        with suppress(asyncio.CancelledError):
            await following


async def test_while_the_database_is_away_the_last_known_menu_serves(
    studio: Any,
) -> None:
    await studio.cache().refresh()
    database = away()
    cache = FlowCache(database, studio.cache_file)
    assert cache.load()
    began = asyncio.get_running_loop().time()
    plan = await cache.plan_for("12345")
    assert asyncio.get_running_loop().time() - began < 0.6
    assert isinstance(plan, Plan)
    assert (plan.version, plan.queue, plan.language) == (1, "general", "zh")
    assert cache.served_from_memory == 1
    assert await cache.plan_for("96110") == Straight("general", None, "no_line")
    await database.close()


async def test_a_database_that_does_not_answer_does_not_hold_a_caller(
    studio: Any, database: Database
) -> None:
    cache = FlowCache(database, studio.cache_file, limit=timedelta(milliseconds=100))
    assert await version_of_next_call(cache) == 1
    async with database.transaction() as connection:
        await connection.execute(text("LOCK TABLE ivr_stamp IN ACCESS EXCLUSIVE MODE"))
        began = asyncio.get_running_loop().time()
        assert await version_of_next_call(cache) == 1
        assert asyncio.get_running_loop().time() - began < 0.4
    assert cache.served_from_memory == 1
    assert await version_of_next_call(cache) == 1
    assert cache.served_from_memory == 1


async def test_without_a_database_and_without_memory_a_caller_reaches_a_person(
    tmp_path: Path,
) -> None:
    database = away()
    cache = FlowCache(database, tmp_path / "none.json", default_queue="enterprise")
    assert not cache.load()
    assert await cache.plan_for("12345") == Straight("enterprise", None, "no_line")
    await database.close()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"lines": [{"a": 1}], "versions": []}'])
async def test_a_damaged_memory_is_passed_over(tmp_path: Path, content: str) -> None:
    file, database = tmp_path / "flows.json", away()
    file.write_text(content, "utf-8")
    assert not FlowCache(database, file).load()
    await database.close()


async def test_a_line_without_a_menu_and_a_flow_without_a_version_lead_to_a_person(
    studio: Any, admin: Any, database: Database
) -> None:
    await admin("POST", "", json={"name": "empty", "title": "x"})
    async with database.transaction() as connection:
        await connection.execute(
            text(
                "INSERT INTO lines (number, title, flow, queue, language, mode) VALUES"
                " ('12388', 'x', 'main', 'legal', 'en', 'direct'),"
                " ('12333', 'x', 'empty', 'enterprise', 'zh', 'menu')"
            )
        )
    cache = studio.cache()
    assert await cache.plan_for("12388") == Straight("legal", "en", "direct")
    assert await cache.plan_for("12333") == Straight("enterprise", "zh", "no_flow")
    assert await cache.plan_for("99999") == Straight("general", None, "no_line")


async def test_a_line_that_was_closed_is_forgotten(studio: Any, database: Database) -> None:
    cache = studio.cache()
    await version_of_next_call(cache)
    async with database.transaction() as connection:
        await connection.execute(text("DELETE FROM lines"))
    assert await cache.plan_for("12345") == Straight("general", None, "no_line")


async def test_seeding_twice_changes_nothing(studio: Any, database: Database) -> None:
    from callcenter.ivr.seed import seed_defaults as seed_flow
    from callcenter.lines.seed import seed_defaults as seed_line

    async with database.transaction() as connection:
        await connection.execute(text("UPDATE lines SET title = 'ours'"))
        await seed_flow(connection, studio.clock)
        await seed_line(connection)
        rows = (await connection.execute(text("SELECT number, title FROM lines"))).all()
        versions = await connection.scalar(text("SELECT count(*) FROM ivr_versions"))
    assert [tuple(row) for row in rows] == [("12345", "ours")]
    assert versions == 1


async def test_a_published_version_cannot_be_changed(studio: Any, database: Database) -> None:
    from sqlalchemy.exc import IntegrityError

    for statement in ("UPDATE ivr_versions SET comment = 'x'", "DELETE FROM ivr_versions"):
        with pytest.raises(IntegrityError):
            async with database.transaction() as connection:
                await connection.execute(text(statement))


async def test_a_flow_that_ends_by_itself_ends_the_call(admin: Any, studio: Any) -> None:
    await admin("PUT", "/main/draft", json=document(), headers=ANY)
    await admin("POST", "/main/versions", json={})

    async def open_case(_call: QueuedCall) -> None:
        raise AssertionError

    caller = ScriptedCaller(["9"])
    await IvrService(studio.cache(), studio.library, open_case).run(caller)
    assert caller.exit == HangUp()


async def test_a_flow_that_today_s_rules_refuse_does_not_take_the_others_with_it(
    studio: Any, database: Database
) -> None:
    async with database.transaction() as connection:
        for statement in (
            "INSERT INTO ivr_flows (name, title, created_at) VALUES ('old', 'Old', now())",
            "INSERT INTO ivr_versions VALUES"
            " ('old', 1, '{\"entry\"\\: \"a\", \"nodes\"\\: {}}', '', now(), 'x')",
            "UPDATE ivr_flows SET active_version = 1 WHERE name = 'old'",
        ):
            await connection.execute(text(statement))
    assert await version_of_next_call(studio.cache()) == 1
