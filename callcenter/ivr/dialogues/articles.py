"""Answers of the knowledge base: one that is read, and a menu of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from callcenter.ivr.conversation import INVALID, INVALID_KEY, TIMED_OUT, Conversation, Go
from callcenter.ivr.dialogues.questions import ANSWER_SECONDS
from callcenter.ivr.library import SpokenArticle
from callcenter.ivr.nodes import PERSON, Article, ArticleMenu

#: Whoever hears more pages and articles than this in one place is going round in circles.
_MOST_ROUNDS: Final = 50


async def article(talk: Conversation, here: str, node: Article, key: str) -> Go:
    """Read an article of the knowledge base; 1 repeats, 2 goes on, 3 faxes, 0 is a person."""
    found = talk.plan.library.articles.get(node.article or "")
    if found is None or not found.is_valid(talk.clock()):
        # An expired answer is never heard: a person knows the new one.
        await talk.entered(here, key)
        await talk.read(talk.prompts("article_unavailable"))
        return Go(PERSON)
    if talk.ahead is not None:
        await talk.entered(here, key)
        return Go(node.next)
    pressed, by = await _tell(talk, here, found, key, may_fax=node.fax is not None)
    if pressed == "0":
        return Go(PERSON, "0")
    if pressed == "3" and node.fax is not None:
        return Go(node.fax, "3")
    return Go(node.next, by)


async def _tell(
    talk: Conversation, here: str, found: SpokenArticle, key: str, *, may_fax: bool
) -> tuple[str | None, str]:
    """Read it as often as the caller wants; the key that ended it (2 or silence: go on), and what
    the journal is told.
    """
    talk.last_article = found
    about = f"article/{found.name}/{found.version}"
    controls = talk.prompts("article_keys_fax" if may_fax else "article_keys")
    for _ in range(_MOST_ROUNDS):
        files = [*talk.article(found), *controls]
        pressed = await talk.one_key(talk.step(here, key, about), files, ANSWER_SECONDS)
        if pressed != "1":
            if pressed is not None and pressed not in ("0", "2", "3" if may_fax else "2"):
                # A key of the menu that follows.
                talk.ahead, pressed = pressed, "2"
                return pressed, ""
            return pressed, pressed or TIMED_OUT
        key = "1"
    return "0", "0"


async def article_menu(talk: Conversation, here: str, node: ArticleMenu, key: str) -> Go:
    """Offer what is valid now, page by page."""
    now = talk.clock()
    offered = [
        found
        for found in talk.plan.library.categories.get(node.category, ())
        if found.is_valid(now) and (found.titles and (found.spoken or found.recorded))
    ]
    if not offered:
        await talk.entered(here, key)
        await talk.read(talk.prompts("no_articles"))
        return Go(node.next)
    pages = [offered[at : at + node.page_size] for at in range(0, len(offered), node.page_size)]
    page = silent = 0
    before = talk.files(node.say)
    for _ in range(_MOST_ROUNDS):
        files = [*before, *_page(talk, pages[page], has_more=len(pages) > 1)]
        pressed = await talk.one_key(talk.step(here, key), files, node.timeout_seconds)
        before = []
        if pressed is None:
            key, silent = TIMED_OUT, silent + 1
            if silent > node.retries:
                return Go(node.on_timeout or PERSON, TIMED_OUT)
        elif pressed == "0":
            return Go(PERSON, "0")
        elif pressed == "*":
            return Go(node.next, "*")
        elif pressed == "9" and len(pages) > 1:
            page, key = (page + 1) % len(pages), "9"
        elif pressed.isdigit() and 1 <= int(pressed) <= len(pages[page]):
            chosen = pages[page][int(pressed) - 1]
            ended, key = await _tell(talk, here, chosen, pressed, may_fax=node.fax is not None)
            if ended == "0":
                return Go(PERSON, "0")
            if ended == "3" and node.fax is not None:
                return Go(node.fax, "3")
            silent = 0
        else:
            key, silent = INVALID + pressed, silent + 1
            before = talk.prompts(INVALID_KEY)
            if silent > node.retries:
                return Go(PERSON, key)
    return Go(PERSON)


def _page(talk: Conversation, articles: Sequence[SpokenArticle], *, has_more: bool) -> list[Path]:
    files = []
    for number, found in enumerate(articles, start=1):
        files += [*talk.title(found), *talk.prompts(f"press_{number}")]
    return [*files, *talk.prompts(*(["more_by_9"] if has_more else []), "back_by_star")]
