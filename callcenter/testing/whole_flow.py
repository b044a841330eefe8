"""A flow that has every type of node and nothing to be said against it, and what is around it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final
from uuid import UUID

from callcenter.ivr.check import Surroundings
from callcenter.ivr.conversation import Around, Plan
from callcenter.ivr.desk import FaxWish
from callcenter.ivr.library import Library, OpenState, SpokenArticle
from callcenter.ivr.model import Flow, parse_flow
from callcenter.testing.fixed_clock import FixedClock

_BOTH: Final = frozenset({"zh", "en"})
#: The shipped prompts that the runner's dialogues play.
DIALOGUE_PROMPTS: Final = (
    *("invalid", "you_entered", "confirm_keys", "article_unavailable", "article_keys"),
    *("article_keys_fax", "press_1", "press_2", "press_3", "press_4", "more_by_9"),
    *("back_by_star", "no_articles", "ask_case_number", "ask_last_four", "case_not_found"),
    *("callback_offer", "ask_phone", "number_not_possible", "callback_taken", "fax_offer"),
    *("fax_press_start", "fax_ordered", "fax_not_possible"),
)

#: `faq` has two active nodes of its own and comes back.
FAQ: Final = parse_flow(
    {
        "entry": "ask",
        "nodes": {
            "ask": {
                "type": "menu",
                "say": {"zh": "证件按1，返回按9", "en": "Cards, press 1. To go back, press 9."},
                "options": {"1": "cards", "9": ".return"},
            },
            "cards": {
                "type": "article",
                "text": {"zh": "请带证件", "en": "Bring your card."},
                "next": ".return",
            },
        },
    }
)

WHOLE_AROUND: Final = Surroundings(
    queues=frozenset({"general", "legal"}),
    prompts={name: _BOTH for name in (*DIALOGUE_PROMPTS, "recording_notice")},
    languages=frozenset({"zh"}),
    name="main",
    on_a_line=True,
    flows={"faq": FAQ},
    schedules=frozenset({"office"}),
    articles={"id_card": _BOTH},
    categories={"permits": 5},
    documents=frozenset({"form"}),
    lines=frozenset({"12345", "12346"}),
)


#: A flow that says something and comes back.
NOTICE: Final = parse_flow(
    {
        "entry": "a",
        "nodes": {"a": {"type": "say", "say": {"zh": "通知", "en": "Notice"}, "next": ".return"}},
    }
)
#: Each prompt has a length of its own, so that none is taken for another.
SECONDS: Final = {
    (name, language): 0.5 + place / 8
    for place, name in enumerate((*DIALOGUE_PROMPTS, "recording_notice"))
    for language in ("zh", "en")
}
BUSY_AROUND: Final = replace(
    WHOLE_AROUND,
    flows={"faq": FAQ, "notice": NOTICE},
    categories={"permits": 1},
    article_seconds={("id_card", "zh"): 5.0, ("id_card", "en"): 6.0},
    prompt_seconds=SECONDS,
)
_CARD: Final = SpokenArticle("id_card", 1, {"zh": "证件", "en": "card"}, {"zh": "带", "en": "it"})


def whole_plan(flow: Flow) -> Plan:
    """What the check is told of, for the runner."""
    library = Library(
        flows={"faq": (1, FAQ), "notice": (1, NOTICE)},
        hours={"office": lambda _at: OpenState(is_open=True)},
        articles={"id_card": _CARD},
        categories={"permits": [_CARD]},
    )
    return Plan("main", 1, flow, "general", "zh", library)


class OpenDesk:
    """Every other room does what it is asked."""

    async def case_progress(
        self, call_id: UUID, case_number: str, last_four: str, *, caller: str | None, language: str
    ) -> Sequence[str] | None:
        return ["case_told"] if last_four else None

    async def order_fax(self, call_id: UUID, line: str, wish: FaxWish) -> UUID:
        return UUID(int=7)

    async def take_callback(
        self, call_id: UUID, line: str, *, queue: str, number: str, language: str
    ) -> None:
        return None


DESK_AROUND: Final = Around(OpenDesk(), FixedClock())


def whole_document() -> dict[str, Any]:
    """Every node type, sound."""
    return {
        "entry": "welcome",
        "nodes": {
            "welcome": {"type": "say", "say": {"prompt": "recording_notice"}, "next": "which"},
            "which": {
                "type": "branch",
                "on": "line",
                "cases": {"12346": "menu"},
                "otherwise": "menu",
            },
            "menu": {
                "type": "menu",
                "say": {
                    "zh": "咨询按1，英语按2，老年人按3，更多按4，人工按0",
                    "en": "Answers, press 1. Chinese, press 2. Slow, press 3. More, press 4.",
                },
                "options": {"1": "topics", "2": "english", "3": "slow", "4": "more", "0": "person"},
                "timeout_seconds": 3,
                "retries": 0,
                "on_timeout": "hours",
                "on_invalid": "hours",
            },
            "english": {"type": "language", "language": "en", "next": "english_menu"},
            "english_menu": {
                "type": "menu",
                "say": {
                    "zh": "咨询按1，中文按2，人工按0",
                    "en": "Answers, press 1. Chinese, press 2. A person, press 0.",
                },
                "options": {"1": "topics", "2": "chinese"},
            },
            "chinese": {"type": "language", "language": "zh", "next": "menu"},
            "slow": {"type": "set", "pace": "slow", "values": {"wish": "slow"}, "next": "menu"},
            "topics": {
                "type": "article_menu",
                "category": "permits",
                "fax": "fax",
                "next": "menu",
                "on_timeout": "person",
            },
            "more": {
                "type": "menu",
                "say": {
                    "zh": "进度按1，身份证按2，回电按3，问答按4，法律按5",
                    "en": "Cases, press 1, 2 for cards, 3 for a call, 4 for answers or 5 for law.",
                },
                "options": {
                    "1": "case",
                    "2": "id_card",
                    "3": "rating",
                    "4": "faq",
                    "5": "wanted",
                },
                "on_timeout": ".person",
            },
            "case": {"type": "case_status", "next": "menu", "on_failed": ".person"},
            "id_card": {"type": "article", "article": "id_card", "fax": "fax", "next": "text"},
            "text": {
                "type": "article",
                "title": {"zh": "时间", "en": "Hours"},
                "text": {"zh": "九点开门", "en": "We open at nine."},
                "next": "menu",
            },
            "fax": {"type": "fax", "document": "form", "next": "menu", "on_failed": "person"},
            "rating": {
                "type": "survey",
                "question": "pleased",
                "say": {
                    "zh": "满意按1，不满意按2",
                    "en": "Pleased, press 1. Not pleased, press 2.",
                },
                "answers": {"1": "yes", "2": "no"},
                "next": "callback",
            },
            "callback": {"type": "callback", "queue": "general"},
            "faq": {"type": "flow", "flow": "faq", "next": "menu"},
            "wanted": {
                "type": "collect",
                "say": {"zh": "请输入电话", "en": "Key your number."},
                "into": "phone",
                "kind": "phone",
                "min_digits": 5,
                "read_back": True,
                "purpose": "to be called back",
                "next": "told",
                "on_timeout": "person",
            },
            "told": {
                "type": "say",
                "say": [
                    {"zh": "您的号码", "en": "Your number is"},
                    {"value": "phone", "as": "digits"},
                ],
                "next": "elsewhere",
            },
            "elsewhere": {"type": "transfer", "to": "02088886666"},
            "hours": {
                "type": "schedule",
                "schedule": "office",
                "open": "person",
                "closed": "message",
                "holiday": "bye",
            },
            "person": {"type": "queue", "queue": "general"},
            "message": {"type": "voicemail", "reason": "closed"},
            "bye": {"type": "hangup", "say": {"zh": "再见", "en": "Goodbye."}},
        },
    }


def whole_flow(**nodes: Any) -> Flow:
    """The flow above with nodes replaced or added."""
    whole = whole_document()
    whole["nodes"] |= nodes
    return parse_flow(whole)
