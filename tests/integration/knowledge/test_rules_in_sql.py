"""What the model refuses, SQL refuses too."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import Executable, delete, insert, text, update
from sqlalchemy.exc import IntegrityError

from callcenter.knowledge.edition import InvalidArticle, parse_edition
from callcenter.knowledge.tables import (
    article_events,
    article_plays,
    article_versions,
    articles,
)
from tests.integration.knowledge.conftest import Room, edition

pytestmark = pytest.mark.integration

GUIDE = {"steps": ["取号"], "materials": ["户口簿"], "place": "大厅"}


async def taken(room: Room, statement: Executable) -> bool:
    try:
        async with room.database.transaction() as connection:
            await connection.execute(statement)
    except IntegrityError:
        return False
    return True


def content(**more: Any) -> dict[str, Any]:
    return {"zh": {"title": "t", "body": "b", **more}}


CONTENTS: list[tuple[str, Any]] = [
    ("policy", content()),
    ("policy", content(spoken="s")),
    ("policy", content(prompt="a_1")),
    ("policy", content(body="a\nb")),
    ("policy", content(body="x" * 8000, spoken="s")),
    ("service_guide", content(guide=GUIDE)),
    ("service_guide", {"zh": {"title": "t", "guide": GUIDE}}),
    ("policy", {}),
    ("policy", {"zho": content()["zh"]}),
    ("policy", {"zh": {"body": "b"}}),
    ("policy", content(title="")),
    ("policy", content(title="x" * 101)),
    ("policy", content(title="a\nb")),
    ("policy", content(title=7)),
    ("policy", content(body="x" * 8001, spoken="s")),
    ("policy", {"zh": {"title": "t"}}),
    ("policy", content(body="a\u0007")),
    ("policy", content(spoken="x" * 2001)),
    ("policy", content(prompt="../a")),
    ("policy", content(spoken="s", prompt="p")),
    ("policy", content(colour="red")),
    ("policy", content(guide=GUIDE)),
    ("service_guide", content()),
    ("service_guide", content(guide={})),
    ("service_guide", content(guide=GUIDE | {"steps": []})),
    ("service_guide", content(guide=GUIDE | {"steps": ["x"] * 31})),
    ("service_guide", content(guide=GUIDE | {"materials": "x"})),
    ("service_guide", content(guide=GUIDE | {"materials": [""]})),
    ("service_guide", content(guide=GUIDE | {"place": "x" * 301})),
    ("service_guide", content(guide=GUIDE | {"phone": "1"})),
    ("policy", {chr(97 + i) * 2: content()["zh"] for i in range(21)}),
    ("policy", []),
    ("policy", "text"),
]


async def test_sql_and_python_agree_on_what_an_article_may_say(room: Room) -> None:
    async with room.database.transaction() as connection:
        for kind, said in CONTENTS:
            try:
                parse_edition(edition(kind=kind, content=said))
                allowed = True
            except InvalidArticle:
                allowed = False
            told = await connection.scalar(
                text("SELECT article_content_is_valid(:kind, cast(:content AS jsonb))"),
                {"kind": kind, "content": json.dumps(said)},
            )
            assert told is allowed, (kind, said)


BAD_CHANGES: list[dict[str, Any]] = [
    {"kind": "gossip"},
    {"kind": "service_guide"},
    {"department": ""},
    {"content": {}},
    {"keywords": [""]},
    {"keywords": ["x" * 41]},
    {"keywords": ["x"] * 31},
    {"keywords": [None]},
    {"state": "lost"},
    {"state": "draft"},  # approved_by stays
    {"state": "expired"},  # while it is heard
    {"authors": []},
    {"authors": ["mei"]},  # who approved it
    {"approved_at": None},
    {"current_version": 7},
    {"current_version": None},  # published and not heard
    {"next_version": 1},
    {"deleted_at": text("now()")},
    {"related": ["x"] * 21},
    {"version": 0},
    {"name": "other"},
    {"created_by": "somebody"},
    {"last_version": 0},
]


async def test_an_article_that_breaks_a_rule_is_refused(room: Room) -> None:
    await room.published()
    for change in BAD_CHANGES:
        assert not await taken(room, update(articles).values(change)), change
    assert await taken(room, update(articles).values(department="民政局"))
    assert not await taken(room, delete(articles))


async def test_versions_history_and_plays_never_change(room: Room) -> None:
    await room.published()
    play = {
        "call_id": "00000000-0000-0000-0000-000000000001",
        "seq": 1,
        "article": "permit",
        "version": 1,
        "language": "zh",
        "at": room.clock(),
        "outcome": "finished",
    }
    assert await taken(room, insert(article_plays).values(play))
    for table, change in [
        (article_versions, {"reason": "other"}),
        (article_events, {"actor": "other"}),
        (article_plays, {"outcome": "faxed"}),
    ]:
        assert not await taken(room, update(table).values(change)), table
        assert not await taken(room, delete(table)), table
    assert not await taken(room, text("TRUNCATE article_versions CASCADE"))
    for change in ({"outcome": "bored"}, {"seq": -1}, {"language": "zho"}, {"version": 2}):
        assert not await taken(room, insert(article_plays).values(play | {"seq": 2} | change))


async def test_an_event_says_who_and_why(room: Room) -> None:
    await room.published()
    event = {
        "article": "permit",
        "seq": 9,
        "at": room.clock(),
        "actor": "anna",
        "kind": "withdrawn",
        "detail": {"reason": "wrong"},
    }
    for change in ({"detail": {}}, {"detail": {"reason": ""}}, {"actor": ""}, {"kind": "sold"}):
        assert not await taken(room, insert(article_events).values(event | change)), change
    assert await taken(room, insert(article_events).values(event))
