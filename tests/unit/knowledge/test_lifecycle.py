"""The article and its acts: one table, four eyes, versions that never change."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from itertools import product
from typing import Any

import pytest

from callcenter.knowledge.edition import Edition, parse_edition
from callcenter.knowledge.model import (
    _NEXT,
    Article,
    ArticleAct,
    ArticleEventKind,
    ArticleInUse,
    ArticleState,
    IllegalArticleAct,
    OwnWork,
    PastItsEnd,
    Version,
)
from callcenter.platform.errors import InvalidField

pytestmark = pytest.mark.unit

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
TODAY = date(2026, 3, 2)
S = ArticleState


def an_edition(body: str = "持户口簿办理。", **more: Any) -> Edition:
    return parse_edition(
        {
            "kind": "policy",
            "department": "公安局",
            "content": {"zh": {"title": "居住证", "body": body}},
            **more,
        }
    )


def a_draft(**more: Any) -> Article:
    article, _ = Article.create(
        "residence", an_edition(**more), review_due_on=None, by="wen", at=NOW
    )
    return article


def approved(article: Article) -> Article:
    article.approve("read", by="ling", at=NOW)
    return article


def published(article: Article, today: date = TODAY) -> Version:
    version, _ = approved(article).publish("go", by="anna", at=NOW, today=today)
    return version


def an_article(state: ArticleState, *, heard: bool) -> Article:
    """An article in `state`, with a published version where that is possible."""
    article = a_draft()
    if heard or state in (S.PUBLISHED, S.EXPIRED, S.WITHDRAWN):
        version = published(article)
    if state is S.WITHDRAWN:
        article.withdraw("wrong", by="anna", at=NOW)
    if state is S.EXPIRED:
        article = a_draft(valid_until="2026-03-02")
        version = published(article)
        article.expire(version, by="keeper", at=NOW, today=date(2026, 3, 3))
    if state in (S.DRAFT, S.APPROVED) and heard:
        article.edit(an_edition("new"), by="wen", at=NOW)
    if state is S.APPROVED:
        approved(article)
    assert article.state is state
    return article


DO: dict[ArticleAct, Callable[[Article], object]] = {
    ArticleAct.EDIT: lambda a: a.edit(an_edition("other"), by="wen", at=NOW),
    ArticleAct.APPROVE: lambda a: a.approve("read", by="ling", at=NOW),
    ArticleAct.GIVE_BACK: lambda a: a.give_back("not clear", by="ling", at=NOW),
    ArticleAct.PUBLISH: lambda a: a.publish("go", by="anna", at=NOW, today=TODAY),
    ArticleAct.WITHDRAW: lambda a: a.withdraw("wrong", by="anna", at=NOW),
}


@pytest.mark.parametrize("heard", [False, True])
@pytest.mark.parametrize(("state", "act"), list(product(ArticleState, DO)))
def test_an_act_is_done_where_the_table_lists_it_and_refused_elsewhere(
    state: ArticleState, act: ArticleAct, heard: bool
) -> None:
    article = an_article(state, heard=heard)
    version = article.version
    wanted = {
        (S.DRAFT, ArticleAct.EDIT): S.DRAFT,
        (S.DRAFT, ArticleAct.APPROVE): S.APPROVED,
        (S.APPROVED, ArticleAct.EDIT): S.DRAFT,
        (S.APPROVED, ArticleAct.GIVE_BACK): S.DRAFT,
        (S.APPROVED, ArticleAct.PUBLISH): S.PUBLISHED,
        (S.PUBLISHED, ArticleAct.EDIT): S.DRAFT,
        (S.PUBLISHED, ArticleAct.WITHDRAW): S.WITHDRAWN,
        (S.EXPIRED, ArticleAct.EDIT): S.DRAFT,
        (S.WITHDRAWN, ArticleAct.EDIT): S.DRAFT,
    }
    if heard:
        wanted |= {
            (S.DRAFT, ArticleAct.WITHDRAW): S.DRAFT,
            (S.APPROVED, ArticleAct.WITHDRAW): S.APPROVED,
        }
    if (state, act) in wanted:
        assert act in article.allowed()
        DO[act](article)
        assert (article.state, article.version) == (wanted[state, act], version + 1)
    else:
        assert act not in article.allowed()
        with pytest.raises(IllegalArticleAct) as refusal:
            DO[act](article)
        assert refusal.value.allowed == article.allowed()
        assert (article.state, article.version) == (state, version)


def test_every_state_has_a_row_in_the_table_and_a_way_out() -> None:
    assert set(_NEXT) == set(ArticleState)
    assert all(_NEXT.values())


def test_nobody_approves_what_they_wrote_even_if_somebody_else_wrote_last() -> None:
    article = a_draft()
    article.edit(an_edition("more"), by="mei", at=NOW)
    for author in ("wen", "mei"):
        with pytest.raises(OwnWork):
            article.approve("fine", by=author, at=NOW)
    article.approve("fine", by="ling", at=NOW)
    assert article.approved_by == "ling"


def test_who_wrote_an_older_version_may_approve_a_newer_one() -> None:
    article = a_draft()
    published(article)
    article.edit(an_edition("new"), by="mei", at=NOW)
    article.approve("fine", by="wen", at=NOW)
    assert (article.authors, article.approved_by) == (("mei",), "wen")


def test_an_edit_takes_the_approval_away_and_tells_what_changed() -> None:
    article = approved(a_draft())
    event = article.edit(an_edition("other", keywords=["证"]), by="wen", at=NOW)
    assert event is not None
    assert event.detail == {"changed": ["keywords", "content.zh.body"]}
    assert (article.state, article.approved_by, article.approved_at) == (S.DRAFT, None, None)
    assert article.edit(an_edition("other", keywords=["证"]), by="wen", at=NOW) is None


def test_editing_leaves_the_published_version_in_force_and_unchanged() -> None:
    article = a_draft()
    version = published(article)
    before = version.edition.as_json()
    article.edit(an_edition("new words"), by="wen", at=NOW)
    assert (article.state, article.version_on(TODAY)) == (S.DRAFT, 1)
    assert version.edition.as_json() == before


def test_each_publication_is_the_next_number_and_knows_who_when_why() -> None:
    article = a_draft()
    first = published(article)
    article.edit(an_edition("new"), by="wen", at=NOW)
    second = published(article)
    assert (first.number, second.number, article.current_version) == (1, 2, 2)
    assert (second.authors, second.approved_by, second.published_by, second.reason) == (
        ("wen",),
        "ling",
        "anna",
        "go",
    )
    assert second.valid_from == TODAY


def test_a_version_with_a_later_first_day_waits_and_the_one_before_goes_on() -> None:
    article = a_draft()
    published(article)
    article.edit(an_edition("new", valid_from="2026-03-10"), by="wen", at=NOW)
    second = published(article)
    assert second.valid_from == date(2026, 3, 10)
    turns = {day: article.version_on(date(2026, 3, day)) for day in (2, 9, 10, 20)}
    assert turns == {2: 1, 9: 1, 10: 2, 20: 2}
    assert article.open(by="keeper", at=NOW, today=date(2026, 3, 9)) is None
    event = article.open(by="keeper", at=NOW, today=date(2026, 3, 10))
    assert event is not None
    assert (event.kind, article.current_version, article.opens_on) == (
        ArticleEventKind.CAME_INTO_FORCE,
        2,
        None,
    )


def test_an_article_expires_the_day_after_its_last_and_not_while_another_version_waits() -> None:
    article = a_draft(valid_until="2026-03-05")
    version = published(article)
    assert article.expire(version, by="keeper", at=NOW, today=date(2026, 3, 5)) is None
    article.edit(an_edition("new", valid_from="2026-03-10"), by="wen", at=NOW)
    published(article)
    event = article.expire(version, by="keeper", at=NOW, today=date(2026, 3, 6))
    assert event is not None
    assert (article.state, article.current_version, article.next_version) == (S.PUBLISHED, None, 2)
    assert event.detail == {"version": 1, "valid_until": "2026-03-05"}


def test_what_is_past_its_end_is_not_published() -> None:
    article = approved(a_draft(valid_until="2026-03-01"))
    with pytest.raises(PastItsEnd):
        article.publish("go", by="anna", at=NOW, today=TODAY)
    assert (article.state, article.last_version) == (S.APPROVED, 0)


def test_withdrawing_takes_down_what_is_heard_and_what_was_to_come() -> None:
    article = a_draft()
    published(article)
    article.edit(an_edition("new", valid_from="2026-04-01"), by="wen", at=NOW)
    published(article)
    article.withdraw("wrong fee", by="anna", at=NOW)
    assert (article.state, article.is_published, article.version_on(date(2026, 5, 1))) == (
        S.WITHDRAWN,
        False,
        None,
    )


def test_what_was_withdrawn_by_mistake_is_published_again_unchanged_by_two_people() -> None:
    article = a_draft()
    published(article)
    article.withdraw("wrong name", by="anna", at=NOW)
    event = article.edit(article.edition, by="anna", at=NOW)
    assert event is not None
    assert event.detail == {"changed": []}
    assert (article.state, article.authors) == (S.DRAFT, ("anna",))
    assert published(article).number == 2


def test_acts_need_a_reason() -> None:
    for act in ("approve", "withdraw", "give_back"):
        with pytest.raises(InvalidField, match="reason"):
            getattr(a_draft(), act)(" ", by="ling", at=NOW)


def test_what_callers_hear_is_not_deleted() -> None:
    article = a_draft()
    published(article)
    with pytest.raises(ArticleInUse):
        article.delete(by="anna", at=NOW)
    article.withdraw("wrong", by="anna", at=NOW)
    article.delete(by="anna", at=NOW)
    assert article.deleted_at == NOW


def test_a_review_moves_the_day_and_touches_no_version() -> None:
    article = a_draft()
    published(article)
    event = article.review(date(2026, 9, 1), "still right", by="ling", at=NOW)
    assert event.detail == {"reason": "still right", "from": None, "to": "2026-09-01"}
    assert (article.state, article.current_version) == (S.PUBLISHED, 1)


def test_related_articles_are_others_each_once() -> None:
    article = a_draft()
    for wrong in (["residence"], ["a", "a"], [f"a{i}" for i in range(21)]):
        with pytest.raises(InvalidField, match="articles"):
            article.relate(wrong, by="wen", at=NOW)
    assert article.relate(["a", "b"], by="wen", at=NOW) is not None
    assert article.relate(["a", "b"], by="wen", at=NOW + timedelta(1)) is None


def test_the_word_of_the_api_is_no_name() -> None:
    with pytest.raises(InvalidField, match="name"):
        Article.create("search", an_edition(), review_due_on=None, by="wen", at=NOW)
