"""An article's way: written, approved by somebody else, published with its audio, taken back."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import insert, text

from callcenter.ivr.tables import ivr_flows, ivr_references
from callcenter.prompts.library import measure_file
from tests.integration.knowledge.conftest import ANY, Room, article, edition

pytestmark = pytest.mark.integration


async def stamp(room: Room) -> int:
    async with room.database.transaction() as connection:
        return int(await connection.scalar(text("SELECT stamp FROM ivr_stamp")) or 0)


async def news(room: Room, topic: str) -> list[str]:
    async with room.database.transaction() as connection:
        rows = await connection.execute(
            text("SELECT key FROM outbox WHERE topic = :topic ORDER BY news_id"), {"topic": topic}
        )
        return [row.key for row in rows]


async def test_an_article_is_written_approved_published_and_heard(room: Room) -> None:
    room.voice.speaks = True
    written = await room("POST", by="supervisor:wen", json=article(review_due_on="2026-09-01"))
    assert written.status_code == 201
    draft = written.json()
    assert (draft["state"], draft["in_force_version"], draft["authors"]) == ("draft", None, ["wen"])
    assert draft["allowed"] == ["edit", "approve"]
    assert (await room("GET", "/permit/document")).status_code == 404

    own = await room.act("permit", "approve", by="supervisor:wen")
    assert (own.status_code, own.json()["type"]) == (409, "/problems/own-work")
    early = await room.act("permit", "publish")
    assert (early.status_code, early.json()["type"]) == (409, "/problems/illegal-transition")
    approved = await room.act("permit", "approve", by="supervisor:mei")
    assert (approved.json()["state"], approved.json()["approved_by"]) == ("approved", "mei")

    done = await room.act("permit", "publish")
    assert done.status_code == 201
    assert (done.json()["version"], done.json()["in_force"]) == (1, True)
    assert done.json()["valid_from"] == "2026-03-02"
    for language, words in [
        ("zh", "居住证申领"),
        ("zh", "居住半年以上可以申领。"),
        ("en", "Residence permit"),
        ("en", "After half a year."),
    ]:
        assert measure_file(room.library.text(words, language)).duration_ms > 0

    shown = (await room("GET", "/permit/document", params={"language": "en"})).json()
    assert (shown["version"], shown["title"], shown["spoken"]) == (
        1,
        "Residence permit",
        "After half a year.",
    )
    assert shown["sections"] == [{"heading": "", "text": "After half a year."}]
    history = (await room("GET", "/permit/history")).json()["items"]
    assert [(e["kind"], e["actor"]) for e in history] == [
        ("created", "wen"),
        ("approved", "mei"),
        ("published", "anna"),
    ]
    assert history[2]["detail"] == {"reason": "because", "version": 1, "valid_from": "2026-03-02"}
    assert await news(room, "article") == ["permit"] * 3


async def test_editing_a_published_article_makes_a_draft_and_callers_hear_the_version(
    room: Room,
) -> None:
    await room.published()
    before = await stamp(room)
    changed = edition(content={"zh": {"title": "居住证", "body": "新"}})
    edited = (await room("PUT", "/permit", by="supervisor:wen", json=changed)).json()
    assert (edited["state"], edited["current_version"], edited["in_force_version"]) == (
        "draft",
        1,
        1,
    )
    assert (await room("GET", "/permit/document")).json()["title"] == "居住证申领"
    # What callers hear did not change: their caches need not look.
    assert await stamp(room) == before
    await room.published(content={"zh": {"title": "居住证", "body": "新的"}})
    assert await stamp(room) > before
    assert (await room("GET", "/permit/document")).json()["title"] == "居住证"
    versions = (await room("GET", "/permit/versions")).json()["items"]
    assert [(v["version"], v["titles"]["zh"]) for v in versions] == [
        (2, "居住证"),
        (1, "居住证申领"),
    ]
    old = (await room("GET", "/permit/versions/1")).json()
    assert old["documents"][0]["footer"].startswith("政策法规 · 公安局 · permit 第1版")
    first = await room("GET", "/permit/versions", params={"limit": 1})
    second = await room(
        "GET", "/permit/versions", params={"limit": 1, "cursor": first.json()["next_cursor"]}
    )
    assert [v["version"] for v in second.json()["items"]] == [1]


async def test_without_its_audio_nothing_is_published(room: Room) -> None:
    room.voice.speaks = True
    await room("POST", by="supervisor:wen", json=article())
    await room.act("permit", "approve", by="supervisor:mei")
    room.speech.broken = True
    refused = await room.act("permit", "publish")
    assert refused.status_code == 503
    view = (await room("GET", "/permit")).json()
    assert (view["state"], view["in_force_version"]) == ("approved", None)
    room.speech.broken = False
    assert (await room.act("permit", "publish")).json()["in_force"] is True


async def test_a_recorded_prompt_must_be_there_in_its_language(room: Room) -> None:
    room.voice.speaks = True
    content = {"zh": {"title": "居住证", "body": "正文", "prompt": "permit_spoken"}}
    await room("POST", by="supervisor:wen", json=article(content=content))
    await room.act("permit", "approve", by="supervisor:mei")
    refused = await room.act("permit", "publish")
    assert refused.json()["errors"][0]["field"] == "content.zh.prompt"
    await room.library.ensure([("zh", "录音")])
    target = room.library.prompt("permit_spoken", "zh")
    room.library.text("录音", "zh").rename(target)
    assert (await room.act("permit", "publish")).status_code == 201
    shown = (await room("GET", "/permit/document")).json()
    assert shown["spoken"] == {"prompt": "permit_spoken"}


async def test_an_edit_in_between_takes_the_approval_and_stops_the_publication(room: Room) -> None:
    await room("POST", by="supervisor:wen", json=article())
    read = await room("GET", "/permit")
    await room("PUT", "/permit", by="supervisor:wen", json=edition(keywords=["新"]))
    unseen = await room(
        "POST",
        "/permit/approve",
        by="supervisor:mei",
        json={"reason": "fine"},
        headers={"If-Match": read.headers["etag"]},
    )
    assert (unseen.status_code, unseen.json()["type"]) == (412, "/problems/stale")
    await room.act("permit", "approve", by="supervisor:mei")

    async def somebody_edits() -> None:
        await room("PUT", "/permit", by="supervisor:wen", json=edition(keywords=["另"]))

    room.voice.meanwhile = somebody_edits
    assert (await room.act("permit", "publish")).status_code == 412
    assert (await room("GET", "/permit/versions")).json()["items"] == []


async def test_edits_need_the_version_they_are_based_on(room: Room) -> None:
    created = await room("POST", json=article())
    etag = created.headers["etag"]
    assert (await room("PUT", "/permit", json=edition(), headers={})).status_code == 422
    body = edition(keywords=["a"])
    first = await room("PUT", "/permit", json=body, headers={"If-Match": etag})
    assert first.status_code == 200
    again = await room("PUT", "/permit", json=edition(), headers={"If-Match": etag})
    assert again.status_code == 412


async def test_a_withdrawn_article_is_heard_no_more_and_says_which_flows_name_it(
    room: Room,
) -> None:
    await room.published()
    async with room.database.transaction() as connection:
        await connection.execute(
            insert(ivr_flows).values(name="main", title="x", created_at=room.clock())
        )
        await connection.execute(
            insert(ivr_references).values(flow="main", version=0, kind="article", name="permit")
        )
    before = await stamp(room)
    gone = (await room.act("permit", "withdraw")).json()
    assert (gone["state"], gone["in_force_version"], gone["used_by"]) == (
        "withdrawn",
        None,
        ["main"],
    )
    assert await stamp(room) > before
    assert (await room("GET", "/permit/document")).status_code == 404
    assert (await room.act("permit", "withdraw")).status_code == 409


async def test_what_is_in_use_is_not_deleted_and_what_was_deleted_keeps_its_history(
    room: Room,
) -> None:
    await room.published()
    assert (await room("DELETE", "/permit")).json()["type"] == "/problems/article-in-use"
    await room.act("permit", "withdraw")

    async def refer(version: int, kind: str, name: str) -> None:
        async with room.database.transaction() as connection:
            await connection.execute(text("DELETE FROM ivr_references"))
            await connection.execute(
                insert(ivr_references).values(flow="main", version=version, kind=kind, name=name)
            )

    async with room.database.transaction() as connection:
        await connection.execute(
            insert(ivr_flows).values(name="main", title="x", created_at=room.clock())
        )
    for kind, name in (("article", "permit"), ("category", "policy")):
        await refer(0, kind, name)
        refused = await room("DELETE", "/permit")
        assert refused.status_code == 409, kind
        assert "main" in refused.json()["detail"]
    # Another one of the kind is left to the menu that offers it.
    await room("POST", json=article("other"))
    # An old version that is not active uses nothing.
    assert (await room("DELETE", "/permit")).status_code == 204
    assert (await room("GET", "/permit")).status_code == 404
    assert (await room("DELETE", "/permit")).status_code == 404
    assert (await room("POST", json=article())).json()["type"] == "/problems/article-exists"
    async with room.database.transaction() as connection:
        kinds = (await connection.execute(text("SELECT kind FROM article_events"))).all()
        assert ("deleted",) in [tuple(row) for row in kinds]
        assert await connection.scalar(text("SELECT count(*) FROM article_versions")) == 1


async def test_the_list_is_filtered_and_paged(room: Room) -> None:
    await room("POST", json=article("a1", review_due_on="2026-03-01"))
    await room("POST", json=article("a2", kind="fees", department="财政局"))
    await room("POST", json=article("a3", review_due_on="2026-05-01"))
    await room.act("a3", "approve", by="supervisor:mei")

    async def names(**params: object) -> list[str]:
        found = await room("GET", "", params=params, by="agent")
        assert found.status_code == 200, found.text
        return [item["name"] for item in found.json()["items"]]

    assert await names() == ["a1", "a2", "a3"]
    assert await names(kind="fees") == ["a2"]
    assert await names(department="财政局") == ["a2"]
    assert await names(state="approved") == ["a3"]
    assert await names(review_due_before="2026-03-02") == ["a1"]
    page = (await room("GET", "", params={"limit": 2})).json()
    assert await names(limit=2, cursor=page["next_cursor"]) == ["a3"]


async def test_a_review_sets_the_next_day(room: Room) -> None:
    await room.published()
    body = {"reason": "still right", "review_due_on": "2026-09-01"}
    done = await room("POST", "/permit/review", by="supervisor:mei", json=body)
    assert (done.json()["review_due_on"], done.json()["state"]) == ("2026-09-01", "published")


async def test_a_version_with_a_later_first_day_is_not_in_force_yet(room: Room) -> None:
    await room.published()
    later = await room.published(valid_from="2026-03-10")
    assert (later["version"], later["in_force"]) == (2, False)
    view = (await room("GET", "/permit")).json()
    assert (view["in_force_version"], view["next_version"], view["opens_on"]) == (
        1,
        2,
        "2026-03-10",
    )
    room.clock.forward(timedelta(days=8))
    # Whether the keeper has come by or not.
    assert (await room("GET", "/permit")).json()["in_force_version"] == 2
    assert (await room.keeper.keep()).opened == ("permit",)
    view = (await room("GET", "/permit")).json()
    assert (view["current_version"], view["next_version"], view["in_force_version"]) == (2, None, 2)


async def test_the_keeper_expires_what_is_past_its_last_day_once(room: Room) -> None:
    await room.published(valid_until="2026-03-03")
    await room.published("other")
    assert (await room.keeper.keep()).expired == ()
    room.clock.forward(timedelta(days=1, hours=6, minutes=59))  # 3 March, 23:59 in the city
    assert (await room.keeper.keep()).expired == ()
    assert (await room("GET", "/permit/document")).status_code == 200
    before = await stamp(room)
    room.clock.forward(timedelta(minutes=1))
    assert (await room("GET", "/permit/document")).status_code == 404
    assert (await room.keeper.keep()).expired == ("permit",)
    assert (await room.keeper.keep()).expired == ()
    assert await stamp(room) == before + 1
    view = (await room("GET", "/permit")).json()
    assert (view["state"], view["current_version"]) == ("expired", None)
    last = (await room("GET", "/permit/history")).json()["items"][-1]
    assert (last["kind"], last["actor"], last["detail"]) == (
        "expired",
        "system:keeper",
        {"version": 1, "valid_until": "2026-03-03"},
    )
    assert (await news(room, "article"))[-1] == "permit"


async def test_a_review_that_is_due_is_announced_once(room: Room) -> None:
    created = await room("POST", json=article(review_due_on="2026-03-03"))
    assert (await room.keeper.keep()).reviews_due == ()
    room.clock.forward(timedelta(days=1))
    assert (await room.keeper.keep()).reviews_due == ("permit",)
    assert (await room.keeper.keep()).reviews_due == ()
    assert await news(room, "article_review") == ["permit"]
    # The reminder is no edit: whoever writes now is not disturbed.
    assert (await room("GET", "/permit")).headers["etag"] == created.headers["etag"]
    body = {"reason": "ok", "review_due_on": "2026-03-03"}
    await room("POST", "/permit/review", json=body)
    assert (await room.keeper.keep()).reviews_due == ()


async def test_roles(room: Room) -> None:
    await room.published()
    reason = {"reason": "x"}
    for method, path, body, role in [
        ("POST", "", article("b"), "agent"),
        ("PUT", "/permit", edition(), "agent"),
        ("DELETE", "/permit", None, "agent"),
        ("PUT", "/permit/related", {"articles": []}, "agent"),
        ("POST", "/permit/approve", reason, "agent"),
        ("POST", "/permit/give-back", reason, "agent"),
        ("POST", "/permit/review", reason | {"review_due_on": None}, "agent"),
        ("POST", "/permit/publish", reason, "supervisor"),
        ("POST", "/permit/withdraw", reason, "supervisor"),
    ]:
        refused = await room(method, path, by=role, json=body)
        assert refused.status_code == 403, (method, path)
    for path in ("", "/search?q=x", "/permit", "/permit/versions", "/permit/figures"):
        assert (await room("GET", path, by="agent")).status_code == 200
        assert (await room("GET", path, by="nobody")).status_code == 401


HOSTILE: list[tuple[str, str, Any]] = [
    ("GET", "/UPPER", None),
    ("GET", "/permit/versions/0", None),
    ("GET", "/permit/versions/99999999999999999999", None),
    ("GET", "/permit/versions?cursor=x", None),
    ("GET", "?cursor=x", None),
    ("GET", "?limit=501", None),
    ("GET", "?kind=gossip", None),
    ("GET", "?department=%00", None),
    ("GET", "?department=" + "x" * 101, None),
    ("GET", "?review_due_before=0001-01-01", None),
    ("GET", "?review_due_before=99999-01-01", None),
    ("GET", "/search", None),
    ("GET", "/search?q=", None),
    ("GET", "/search?q=%00", None),
    ("GET", "/search?q=" + "x" * 201, None),
    ("GET", "/search?q=x&language=%00%00", None),
    ("GET", "/search?q=x&limit=101", None),
    ("GET", "/permit/document?language=zhh", None),
    ("GET", "/permit/figures?from=2026-03-01", None),
    ("GET", "/permit/figures?to=0.5", None),
    ("GET", "?review_due_before=1700000000", None),
    ("GET", "/permit/figures?to=0001-01-01T00:00:00%2B14:00", None),
    ("GET", "/permit/figures?from=9999-12-31T23:59:59-14:00", None),
    ("GET", "/permit/plays?cursor=WyJ4IiwieCIsIngiXQ", None),
    ("GET", "/permit/plays?version=99999999999", None),
    ("POST", "", article("No")),
    ("POST", "", article("search")),
    ("POST", "", article(content={"\ud800": {"title": "x", "body": "y"}})),
    ("POST", "", article(content={"zh": {"title": "\ud800", "body": "y"}})),
    ("POST", "", article(content={"zh": {"title": "x", "body": "\u0000"}})),
    ("POST", "", article(content={"zh": {"title": "x", "body": "y", "guide": {}}})),
    ("POST", "", article(valid_from="2026-13-01")),
    ("POST", "", article(valid_from=10**30)),
    ("POST", "", article(valid_from=0)),
    ("POST", "", article(valid_until="-1")),
    ("POST", "", article(keywords=["\ud800"])),
    ("POST", "", article(colour="red")),
    ("POST", "/permit/approve", {"reason": "\u0000"}),
    ("POST", "/permit/approve", {"reason": "\ud800"}),
    ("POST", "/permit/approve", {"reason": "x" * 1001}),
    ("POST", "/permit/review", {"reason": "x", "review_due_on": "1000-01-01"}),
    ("PUT", "/permit/related", {"articles": ["nobody"]}),
    ("PUT", "/permit/related", {"articles": ["a"] * 21}),
]


async def test_bad_input_is_a_problem_document(room: Room) -> None:
    await room("POST", json=article())
    for method, path, body in HOSTILE:
        # Not `json=`: half a surrogate pair must get through as an escape.
        sent = {} if body is None else {"content": json.dumps(body)}
        headers = {**ANY, "Content-Type": "application/json"}
        refused = await room(method, path, headers=headers, **sent)
        assert refused.status_code == 422, (method, path, body, refused.text)
        assert refused.json()["errors"][0]["rule"]


async def test_what_does_not_fit_together_names_its_field(room: Room) -> None:
    body = article(content={"zh": {"title": "x", "body": ""}})
    refused = await room("POST", json=body)
    assert [e["field"] for e in refused.json()["errors"]] == ["content.zh.body"]


async def test_what_is_not_there_is_not_found(room: Room) -> None:
    for path in ("", "/versions", "/versions/1", "/history", "/figures", "/plays", "/related"):
        assert (await room("GET", f"/nothing{path}")).status_code == 404, path
    await room("POST", json=article())
    assert (await room("GET", "/permit/versions/1")).json()["type"] == "/problems/no-such-version"
    assert (await room("GET", "/permit/related?language=fr")).status_code == 404
