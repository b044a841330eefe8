"""Search and related questions, as agents ask them."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.dialects import postgresql

from callcenter.knowledge import queries, search
from callcenter.knowledge.model import ArticleState
from callcenter.knowledge.queries import SearchFilter
from tests.integration.knowledge.conftest import Room, edition

pytestmark = pytest.mark.integration


def chinese(title: str, body: str = "正文", **more: Any) -> dict[str, Any]:
    return {"content": {"zh": {"title": title, "body": body}}, "keywords": [], **more}


async def found(room: Room, q: str, **params: object) -> list[str]:
    reply = await room("GET", "/search", by="agent", params={"q": q, **params})
    assert reply.status_code == 200, reply.text
    return [hit["article"] for hit in reply.json()["items"]]


@pytest.fixture
async def library(room: Room) -> Room:
    await room.published("id_card", **chinese("居民身份证办理", "带户口簿。", kind="fees"))
    await room.published("body_only", **chinese("户籍窗口", "可以办理居民身份证和临时证。"))
    await room.published("by_keyword", **chinese("证件业务") | {"keywords": ["身份证"]})
    await room.published(
        "passport", keywords=[], content={"en": {"title": "Passport", "body": "ID and ＡＢＣ"}}
    )
    return room


async def test_title_before_keywords_before_body(library: Room) -> None:
    assert await found(library, "身份证") == ["id_card", "by_keyword", "body_only"]
    reply = (await library("GET", "/search", params={"q": "身份证"})).json()
    assert reply["match"] == "all"
    assert [hit["found_in"] for hit in reply["items"]] == ["title", "keywords", "text"]


async def test_one_character_full_width_and_mixed_queries(library: Room) -> None:
    assert set(await found(library, "证")) == {"id_card", "body_only", "by_keyword"}
    assert await found(library, "ＰＡＳＳＰＯＲＴ") == ["passport"]
    assert await found(library, "abc id") == ["passport"]


async def test_all_of_the_query_must_be_there_unless_nobody_has_it(library: Room) -> None:
    reply = (await library("GET", "/search", params={"q": "身份证 护照"})).json()
    assert reply["match"] == "part"
    assert {hit["article"] for hit in reply["items"]} == {"id_card", "body_only", "by_keyword"}
    reply = (await library("GET", "/search", params={"q": "身份不明者"})).json()
    assert reply["match"] == "any"
    assert (await library("GET", "/search", params={"q": "天气预报"})).json() == {
        "match": "nothing",
        "items": [],
    }


async def test_the_search_is_narrowed(library: Room) -> None:
    assert await found(library, "身份证", kind="fees") == ["id_card"]
    assert await found(library, "身份证", department="公安局", kind="policy") == [
        "by_keyword",
        "body_only",
    ]
    assert await found(library, "身份证", department="财政局") == []
    assert await found(library, "passport", language="en") == ["passport"]
    assert await found(library, "passport", language="zh") == []
    assert await found(library, "身份证", state="draft") == []


async def test_what_is_being_written_is_found_as_a_draft_and_callers_answer_as_published(
    library: Room,
) -> None:
    draft = edition(content={"zh": {"title": "身份证新规", "body": "草案"}})
    await library("PUT", "/id_card", by="supervisor:wen", json=draft)
    assert await found(library, "新规") == []
    assert await found(library, "新规", state="draft") == ["id_card"]
    assert await found(library, "居民身份证办理") == ["id_card"]
    await library.act("id_card", "withdraw")
    assert await found(library, "居民身份证办理", kind="fees") == []


async def test_what_is_past_its_last_day_is_found_no_more_even_before_the_keeper_came(
    library: Room,
) -> None:
    await library.published("short", **chinese("限时优惠", valid_until="2026-03-03"))
    assert await found(library, "限时优惠") == ["short"]
    library.clock.forward(timedelta(days=2))
    assert await found(library, "限时优惠") == []
    await library.keeper.keep()
    assert await found(library, "限时优惠", state="expired") == ["short"]


async def test_on_its_first_day_a_new_version_is_found_and_the_old_one_is_not(
    library: Room,
) -> None:
    await library.published("id_card", **chinese("居民身份证办理新版", valid_from="2026-03-10"))
    hits = (await library("GET", "/search", params={"q": "居民身份证办理"})).json()["items"]
    assert [(h["article"], h["version"]) for h in hits if h["article"] == "id_card"] == [
        ("id_card", 1)
    ]
    library.clock.forward(timedelta(days=8))
    hits = (await library("GET", "/search", params={"q": "居民身份证办理"})).json()["items"]
    assert [h["version"] for h in hits if h["article"] == "id_card"] == [2]


async def test_hostile_queries_are_answered_and_bounded(library: Room) -> None:
    for q in [
        "'",
        "\\",
        "' | 'a",
        "!身份证",
        "身份证:*",
        "((((",
        "%",
        "_%_",
        "& | !",
        "<->",
        "\u202e证",
        "🙂",
        "。。。",
        " ",
        "证" * 200,
        "a " * 100,
        "身份证" * 60,
        "'; DROP TABLE x",
        "s:published",
        "\ufdfa" * 200,
    ]:
        reply = await library("GET", "/search", params={"q": q})
        assert reply.status_code == 200, (q, reply.text)
    assert await found(library, "s:published") == []


async def test_the_search_uses_the_gin_indexes(library: Room) -> None:
    narrow = SearchFilter(state=ArticleState.PUBLISHED, language="zh")
    words = search.all_of(search.query_tokens("身份证"))
    today = date(2026, 3, 2)
    async with library.database.transaction() as connection:
        await queries.use_the_index(connection)
        for statement, index in [
            (queries.heads("身份证", words, narrow, today), "ix_article_search_head"),
            (queries.documents(words, narrow, today), "ix_article_search_document"),
        ]:
            sql = statement.limit(20).compile(
                dialect=postgresql.dialect(), compile_kwargs={"literal_binds": True}
            )
            rows = await connection.exec_driver_sql(f"EXPLAIN {sql}".replace("%%", "%"))
            plan = "\n".join(row[0] for row in rows)
            assert f"Bitmap Index Scan on {index}" in plan
            assert "Seq Scan" not in plan


async def test_related_questions_say_what_they_share_and_an_editors_choice_comes_first(
    library: Room,
) -> None:
    await library.published(
        "id_card_lost", **chinese("居民身份证丢失补领", kind="fees") | {"keywords": ["身份证"]}
    )
    await library.published("weather", **chinese("天气预报"))
    related = (await library("GET", "/id_card/related")).json()["items"]
    assert [one["article"] for one in related] == ["id_card_lost", "by_keyword"]
    assert related[1]["words"] == ["身份", "份证"]
    assert related[0]["words"] == ["居民", "民身", "身份", "份证"]
    assert (related[0]["same_kind"], related[0]["chosen"]) == (True, False)
    by_keyword = (await library("GET", "/by_keyword/related")).json()["items"]
    assert (by_keyword[0]["article"], by_keyword[0]["keywords"]) == ("id_card_lost", ["身份证"])
    chosen = await library("PUT", "/id_card/related", json={"articles": ["weather"]})
    assert chosen.json()["related"] == ["weather"]
    related = (await library("GET", "/id_card/related")).json()["items"]
    assert [(one["article"], one["chosen"]) for one in related] == [
        ("weather", True),
        ("id_card_lost", False),
        ("by_keyword", False),
    ]
    # What is not published is not shown to anybody who asks for answers.
    await library.act("weather", "withdraw")
    related = (await library("GET", "/id_card/related")).json()["items"]
    assert [one["article"] for one in related] == ["id_card_lost", "by_keyword"]


async def test_no_index_row_is_left_of_a_deleted_article(library: Room) -> None:
    await library("POST", json={"name": "gone", **edition()})
    assert (await library("DELETE", "/gone")).status_code == 204
    async with library.database.transaction() as connection:
        count = await connection.scalar(
            text("SELECT count(*) FROM article_search WHERE article = 'gone'")
        )
    assert count == 0
