"""A document by fax: to the caller's machine now, or to a number."""

from __future__ import annotations

import logging
from pathlib import Path

from callcenter.ivr.conversation import INVALID, KEYED, TIMED_OUT, Conversation, Go
from callcenter.ivr.desk import FaxWish, NotToThere
from callcenter.ivr.dialogues.questions import TRIES, choice, number_keyed
from callcenter.ivr.exits import FlowExit, SendFax
from callcenter.ivr.nodes import PERSON, ToFax
from callcenter.platform.errors import HotlineError

log = logging.getLogger(__name__)


async def fax(talk: Conversation, here: str, node: ToFax, key: str) -> Go | FlowExit:
    """To this machine now, or to a number that is keyed and confirmed."""
    failed, silent = Go(node.on_failed or PERSON), Go(node.on_failed or PERSON, TIMED_OUT)
    wish = _fax_wish(talk, node)
    if wish is None:
        await talk.entered(here, key)
        return failed
    files = [*talk.files(node.say), *talk.prompts("fax_offer")]
    pressed = await choice(talk, here, key, files, "12")
    if pressed == "0":
        return Go(PERSON, "0")
    if pressed is None:
        return silent
    key = pressed
    before: list[Path] = []
    for _ in range(TRIES):
        number: str | None = None
        if pressed == "2":
            keyed = await number_keyed(talk, here, key, before)
            if not isinstance(keyed, str):
                return keyed or silent
            number, key = keyed, "1"
        try:
            order = await talk.at_desk(
                talk.desk.order_fax(
                    talk.call.call_id,
                    talk.call.line,
                    FaxWish(
                        talk.language, wish.document, wish.article, wish.article_version, number
                    ),
                ),
                "order-fax",
            )
        except NotToThere:
            before = talk.prompts("number_not_possible")
            key = INVALID + KEYED
            continue
        except (HotlineError, TimeoutError) as exc:
            log.error("call %s: no fax ordered: %s", talk.call.call_id, type(exc).__name__)
            await talk.entered(here, key)
            await talk.read(talk.prompts("fax_not_possible"))
            return failed
        await talk.entered(here, key, "fax/ordered")
        if number is None:
            await talk.read(talk.prompts("fax_press_start"))
            return SendFax(order)
        await talk.read(talk.prompts("fax_ordered"))
        return Go(node.next)
    return failed


def _fax_wish(talk: Conversation, node: ToFax) -> FaxWish | None:
    if node.document is not None:
        return FaxWish(talk.language, document=node.document)
    found = (
        talk.last_article if node.article is None else talk.plan.library.articles.get(node.article)
    )
    if found is None or not found.is_valid(talk.clock()):
        return None
    return FaxWish(talk.language, article=found.name, article_version=found.version)
