"""The nodes that ask a caller more than one thing.

Each is linear text over a `Conversation` and returns where the flow goes on, or an exit. `0` is a
person at every question; silence is one too where a node does not say otherwise. Every question is
a step of the journal.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Final

from callcenter.calls.numbers import as_dialled_here
from callcenter.cases.number import is_case_number
from callcenter.ivr.conversation import INVALID, INVALID_KEY, KEYED, TIMED_OUT, Conversation, Go
from callcenter.ivr.desk import FaxWish, NotToThere
from callcenter.ivr.exits import CallBack, EnterQueue, FlowExit, SendFax
from callcenter.ivr.library import SpokenArticle
from callcenter.ivr.nodes import (
    PERSON,
    Article,
    ArticleMenu,
    CaseStatus,
    Collect,
    Survey,
    ToCallback,
    ToFax,
)
from callcenter.platform.errors import HotlineError

#: Seconds a caller has to answer one of our own questions.
_ANSWER_SECONDS: Final = 5
#: How often one of our own questions is asked.
_TRIES: Final = 3
#: Whoever hears more pages and articles than this in one place is going round in circles.
_MOST_ROUNDS: Final = 50
_CASE_DIGITS: Final = 10
_PHONE_DIGITS: Final = range(5, 16)

#: The step in which who waits in a queue is offered to be called back; the dot keeps it apart from
#: nodes. The key that leads there is queues.conf's.
OFFER: Final = ".callback"
OFFER_KEY: Final = "1"

log = logging.getLogger(__name__)


async def collect(talk: Conversation, here: str, node: Collect, key: str) -> Go:
    """Ask for digits until they fit, and remember them."""
    way_out, told = node.on_timeout, False
    for _ in range(node.retries + 1):
        files = [*(talk.prompts(INVALID_KEY) if told else []), *talk.files(node.say)]
        keyed = await talk.several_keys(
            talk.step(here, key), files, node.timeout_seconds, node.max_digits
        )
        if keyed == "0" and node.min_digits > 1:
            return Go(PERSON, "0")
        value = None if keyed is None else _fitting(node, keyed)
        if keyed is None:
            way_out, key, told = node.on_timeout, TIMED_OUT, False
        elif value is None:
            way_out, key, told = node.on_invalid, INVALID + KEYED, True
        elif not node.read_back:
            talk.values[node.into] = value
            return Go(node.next, KEYED)
        else:
            answer = await _confirms(talk, here, keyed)
            if answer == "0":
                return Go(PERSON, "0")
            if answer == "1":
                talk.values[node.into] = value
                return Go(node.next, "1")
            way_out, key, told = node.on_invalid, answer or TIMED_OUT, False
    return Go(way_out or PERSON, key)


def _fitting(node: Collect, keyed: str) -> str | None:
    """What was keyed as it is remembered; None where it breaks the node's rules."""
    value = keyed.removesuffix("#")
    if node.kind == "id_number" and value.endswith("*"):
        value = value[:-1] + "X"  # the last place of an identity card may be an X: keyed as *
    digits = value.removesuffix("X")
    if not (digits.isascii() and digits.isdigit()):
        return None
    if not node.min_digits <= len(value) <= node.max_digits:
        return None
    match node.kind:
        case "phone":
            return value if len(value) in _PHONE_DIGITS else None
        case "case_number":
            return value if is_case_number(value) else None
        case "id_number":
            return value if is_identity_number(value) else None
        case "date":
            try:
                return date(int(value[:4]), int(value[4:6]), int(value[6:])).isoformat()
            except ValueError:
                return None
        case _:
            return value


def is_identity_number(value: str) -> bool:
    """Whether an 18-place resident identity number has its right last place (GB 11643-1999)."""
    if len(value) != 18 or not value[:17].isdigit():
        return False
    weighted = sum(int(digit) * pow(2, 17 - place, 11) for place, digit in enumerate(value[:17]))
    return "10X98765432"[weighted % 11] == value[17]


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
        pressed = await talk.one_key(talk.step(here, key, about), files, _ANSWER_SECONDS)
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


async def case_status(talk: Conversation, here: str, node: CaseStatus, key: str) -> Go:
    """Case number, last four digits, how it stands. All that does not match sounds the same."""
    wrong: list[Path] = []
    for _ in range(node.tries):
        number = await talk.several_keys(
            talk.step(here, key),
            [*wrong, *talk.prompts("ask_case_number")],
            _ANSWER_SECONDS + 2,
            _CASE_DIGITS,
        )
        if number == "0":
            return Go(PERSON, "0")
        if number is None:
            wrong, key = [], TIMED_OUT
            continue
        four = await talk.several_keys(
            talk.step(here, KEYED), talk.prompts("ask_last_four"), _ANSWER_SECONDS, 4
        )
        if four == "0":
            return Go(PERSON, "0")
        told = await talk.at_desk(
            talk.desk.case_progress(
                talk.call.call_id,
                number.removesuffix("#"),
                (four or "").removesuffix("#"),
                caller=talk.call.caller,
                language=talk.language,
            ),
            "case-progress",
        )
        if told is not None:
            await talk.entered(here, KEYED, "case/told")
            await talk.read(talk.prompts(*told))
            return Go(node.next)
        wrong, key = talk.prompts("case_not_found"), INVALID + KEYED
    if wrong:
        await talk.entered(here, key)
        await talk.read(wrong)
    return Go(node.on_failed or PERSON, key)


async def survey(talk: Conversation, here: str, node: Survey, key: str) -> Go:
    """One question, one key; the journal has the answer as the key of a second step."""
    files = talk.files(node.say)
    for _ in range(2):
        pressed = await talk.one_key(talk.step(here, key), files, node.timeout_seconds)
        if pressed is None:
            return Go(node.next, TIMED_OUT)
        if pressed in node.answers:
            await talk.entered(here, pressed, f"survey/{node.question}")
            return Go(node.next)
        if pressed == "0":
            return Go(PERSON, "0")
        files, key = [*talk.prompts(INVALID_KEY), *talk.files(node.say)], INVALID + pressed
    return Go(node.next, key)


async def callback(talk: Conversation, here: str, node: ToCallback, key: str) -> Go | FlowExit:
    """Take down where the caller wants to be called back."""
    refused = Go(node.on_refused or PERSON, TIMED_OUT)
    number = talk.call.caller
    if number is not None:
        files = [*talk.files(node.say), *talk.prompts("callback_offer")]
        pressed = await _choice(talk, here, key, files, "12")
        if pressed == "0":
            return Go(PERSON, "0")
        if pressed is None:
            return refused
        key = pressed
        number = number if pressed == "1" else None
    # Said with the question, not before it: a step costs two round trips at most.
    before = talk.files(node.say) if talk.call.caller is None else []
    return await _wish(talk, here, key, before, number, queue=node.queue) or refused


async def offer_callback(talk: Conversation, queue: str, *, waits: bool = True) -> FlowExit:
    """Who waits in `queue` pressed the key: at this number, read digit by digit, or at another one.
    Whoever does not choose goes on waiting; `waits` false: the queue had given them up.
    """
    key, number = OFFER_KEY, talk.call.caller
    if number is not None:
        files = [
            *talk.prompts("callback_offer_known"),
            *talk.digits(as_dialled_here(number)),
            *talk.prompts("callback_offer"),
        ]
        pressed = await _choice(talk, OFFER, key, files, "12")
        if pressed is None or pressed == "0":
            return await _no_wish(talk, queue, pressed or TIMED_OUT, waits=waits)
        key = pressed
        number = number if pressed == "1" else None
    taken = await _wish(talk, OFFER, key, [], number, queue=queue)
    if isinstance(taken, CallBack):
        return taken
    key = taken.key if isinstance(taken, Go) else TIMED_OUT
    return await _no_wish(talk, queue, key, waits=waits)


async def _no_wish(talk: Conversation, queue: str, key: str, *, waits: bool) -> FlowExit:
    await talk.entered(OFFER, key)
    if waits:
        await talk.read(talk.prompts("callback_back"))
    return EnterQueue(queue, why="back")


async def _wish(
    talk: Conversation,
    here: str,
    key: str,
    before: list[Path],
    number: str | None,
    *,
    queue: str,
) -> Go | FlowExit | None:
    """Have the wish written down, with a number that is keyed where there is none yet; the way to a
    person where that cannot be, None where no number was given.
    """
    for _ in range(_TRIES):
        if number is None:
            keyed = await _number(talk, here, key, before)
            if not isinstance(keyed, str):
                return keyed
            number, key = keyed, "1"
        try:
            await talk.at_desk(
                talk.desk.take_callback(
                    talk.call.call_id,
                    talk.call.line,
                    queue=queue,
                    number=number,
                    language=talk.language,
                ),
                "callback",
            )
        except NotToThere:
            before = talk.prompts("number_not_possible")
            number, key = None, INVALID + KEYED
            continue
        except (HotlineError, TimeoutError) as exc:
            # A wish that could not be written down would be lost: a person takes it.
            log.error("call %s: no callback taken: %s", talk.call.call_id, type(exc).__name__)
            return Go(PERSON)
        await talk.entered(here, key, "callback/taken")
        await talk.read(talk.prompts("callback_taken"))
        return CallBack(queue)
    return None


async def fax(talk: Conversation, here: str, node: ToFax, key: str) -> Go | FlowExit:
    """To this machine now, or to a number that is keyed and confirmed."""
    failed, silent = Go(node.on_failed or PERSON), Go(node.on_failed or PERSON, TIMED_OUT)
    wish = _fax_wish(talk, node)
    if wish is None:
        await talk.entered(here, key)
        return failed
    files = [*talk.files(node.say), *talk.prompts("fax_offer")]
    pressed = await _choice(talk, here, key, files, "12")
    if pressed == "0":
        return Go(PERSON, "0")
    if pressed is None:
        return silent
    key = pressed
    before: list[Path] = []
    for _ in range(_TRIES):
        number: str | None = None
        if pressed == "2":
            keyed = await _number(talk, here, key, before)
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


async def _choice(
    talk: Conversation, here: str, key: str, files: Sequence[Path], allowed: str
) -> str | None:
    """One of the allowed keys, or `0`; None for silence, or nothing but wrong keys."""
    before: list[Path] = []
    for _ in range(_TRIES):
        pressed = await talk.one_key(talk.step(here, key), [*before, *files], _ANSWER_SECONDS)
        if pressed is None:
            return None
        if pressed == "0" or pressed in allowed:
            return pressed
        before, key = talk.prompts(INVALID_KEY), INVALID + pressed
    return None


async def _number(talk: Conversation, here: str, key: str, before: list[Path]) -> str | Go | None:
    """A telephone number, keyed and confirmed; the way to a person for `0`; None for no number.

    `before` is said once, in front of the first question.
    """
    for _ in range(_TRIES):
        files = [*before, *talk.prompts("ask_phone")]
        keyed = await talk.several_keys(
            talk.step(here, key), files, _ANSWER_SECONDS + 2, max(_PHONE_DIGITS)
        )
        if keyed is None:
            return None
        number = keyed.removesuffix("#")
        if number == "0":
            return Go(PERSON, "0")
        if len(number) not in _PHONE_DIGITS or not (number.isascii() and number.isdigit()):
            before, key = talk.prompts(INVALID_KEY), INVALID + KEYED
            continue
        answer = await _confirms(talk, here, number)
        if answer == "0":
            return Go(PERSON, "0")
        if answer == "1":
            return number
        before, key = [], answer or TIMED_OUT
    return None


async def _confirms(talk: Conversation, here: str, keyed: str) -> str | None:
    """Read digits back: `1` they are right, `2` they are not, `0` a person, None silence."""
    files = [
        *talk.prompts("you_entered"),
        *talk.digits(keyed.removesuffix("#").removesuffix("*")),
        *talk.prompts("confirm_keys"),
    ]
    pressed = await talk.one_key(talk.step(here, KEYED), files, _ANSWER_SECONDS)
    return pressed if pressed in ("0", "1", None) else "2"
