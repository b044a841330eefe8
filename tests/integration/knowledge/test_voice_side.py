"""What the voice side asks for and leaves behind."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from callcenter.knowledge import plays
from callcenter.knowledge.edition import ArticleKind, Recorded
from callcenter.knowledge.model import PlayOutcome
from callcenter.knowledge.playable import playable_articles, playable_of_kind
from callcenter.knowledge.seed import samples, seed_articles
from callcenter.testing.desk import add_call
from tests.integration.knowledge.conftest import Room, article

pytestmark = pytest.mark.integration


async def play(room: Room, call_id: UUID, seq: int, **more: Any) -> bool:
    what = {
        "article": "permit",
        "version": 1,
        "language": "zh",
        "at": room.clock(),
        "outcome": PlayOutcome.FINISHED,
    }
    async with room.database.transaction() as connection:
        return await plays.remember_play(connection, call_id=call_id, seq=seq, **{**what, **more})


async def test_playable_is_what_is_published_and_holds(room: Room) -> None:
    await room.published()
    await room.published("short", valid_until="2026-03-03", kind="fees")
    await room.published("later", valid_from="2026-03-05", kind="fees")
    await room("POST", json=article("draft"))
    names = ["permit", "short", "later", "draft", "nothing"]

    async def playable(**at: Any) -> dict[str, int]:
        async with room.database.transaction() as connection:
            found = await playable_articles(connection, names, at=room.clock())
            fees = await playable_of_kind(connection, "fees", at=room.clock())
        assert [one.name for one in fees] == [n for n in ("later", "short") if n in found]
        return {name: one.version for name, one in found.items()}

    assert await playable() == {"permit": 1, "short": 1}
    room.clock.forward(timedelta(days=2))
    assert await playable() == {"permit": 1}
    room.clock.forward(timedelta(days=1))
    assert await playable() == {"permit": 1, "later": 1}
    await room.act("permit", "withdraw")
    assert await playable() == {"later": 1}


async def test_a_playable_article_carries_what_is_said_in_each_language(room: Room) -> None:
    content = {
        "zh": {"title": "居住证", "body": "正文", "spoken": "说的"},
        "en": {"title": "Permit", "body": "Read."},
    }
    await room.published(content=content)
    async with room.database.transaction() as connection:
        one = (await playable_articles(connection, ["permit"], at=room.clock()))["permit"]
    assert (one.kind, one.titles, one.spoken) == (
        ArticleKind.POLICY,
        {"zh": "居住证", "en": "Permit"},
        {"zh": "说的", "en": "Read."},
    )
    assert not any(isinstance(said, Recorded) for said in one.spoken.values())


async def test_at_most_so_many_of_a_kind_in_order_of_name(room: Room) -> None:
    for name in ("c", "a", "b"):
        await room.published(name)
    async with room.database.transaction() as connection:
        found = await playable_of_kind(connection, ArticleKind.POLICY, 2, at=room.clock())
        assert await playable_of_kind(connection, "gossip") == []
    assert [one.name for one in found] == ["a", "b"]


async def test_a_play_is_counted_once_even_before_its_call_has_a_row(room: Room) -> None:
    await room.published()
    call_id = uuid4()
    assert await play(room, call_id, 1) is True
    assert await play(room, call_id, 1, outcome="hung_up") is False
    assert await play(room, call_id, 2, outcome="hung_up") is True
    with pytest.raises(IntegrityError):
        await play(room, call_id, 3, version=9)
    with pytest.raises(ValueError, match="bored"):
        await play(room, call_id, 3, outcome="bored")


async def test_figures_count_by_version_and_language_and_open_their_calls(room: Room) -> None:
    await room.published()
    calls = [uuid4() for _ in range(4)]
    began = room.clock()
    await play(room, calls[0], 1)
    await play(room, calls[1], 1, outcome="asked_person")
    await play(room, calls[2], 1, language="en", outcome="hung_up")
    room.clock.forward(timedelta(hours=1))
    await room.published(content={"zh": {"title": "新", "body": "新"}})
    await play(room, calls[3], 1, version=2, outcome="faxed")
    async with room.database.transaction() as connection:
        # The first one heard all of it, and asked for a person later.
        await add_call(connection, began, call_id=calls[0], queued_at=began + timedelta(minutes=1))

    async def figures(**params: object) -> list[tuple[Any, ...]]:
        items = (await room("GET", "/permit/figures", by="agent", params=params)).json()["items"]
        return [
            (
                one["version"],
                one["language"],
                one["plays"],
                {kind: count for kind, count in one["outcomes"].items() if count},
                one["then_queued"],
            )
            for one in items
        ]

    second = (2, "zh", 1, {"faxed": 1}, 0)
    first = [(1, "en", 1, {"hung_up": 1}, 0), (1, "zh", 2, {"finished": 1, "asked_person": 1}, 1)]
    assert await figures() == [second, *first]
    later = (began + timedelta(minutes=30)).isoformat()
    assert await figures(**{"from": later}) == [second]
    assert await figures(to=later) == first

    async def plays(**params: object) -> Any:
        return (await room("GET", "/permit/plays", by="agent", params=params)).json()

    page = await plays(limit=1)
    assert [one["call_id"] for one in page["items"]] == [str(calls[3])]
    rest = await plays(cursor=page["next_cursor"])
    assert {one["call_id"] for one in rest["items"]} == {str(call) for call in calls[:3]}
    asked = await plays(outcome="asked_person", version=1, language="zh")
    assert [one["call_id"] for one in asked["items"]] == [str(calls[1])]


async def test_the_samples_are_published_into_an_empty_table_only(room: Room) -> None:
    async with room.database.transaction() as connection:
        await seed_articles(connection, room.clock)
    async with room.database.transaction() as connection:
        await seed_articles(connection, room.clock)
        found = await playable_articles(connection, samples(), at=room.clock())
        assert await connection.scalar(text("SELECT count(*) FROM article_versions")) == 7
    assert set(found) == set(samples())
    assert {one.kind for one in found.values()} == set(ArticleKind)
    due = await room("GET", "", params={"review_due_before": "2026-03-03"})
    assert len(due.json()["items"]) == 7
    hit = (await room("GET", "/search", params={"q": "身份证办理", "language": "zh"})).json()
    assert hit["items"][0]["article"] == "id_card"


async def test_an_instance_with_articles_gets_no_samples(room: Room) -> None:
    await room("POST", json=article())
    async with room.database.transaction() as connection:
        await seed_articles(connection, room.clock)
        assert await connection.scalar(text("SELECT count(*) FROM articles")) == 1
