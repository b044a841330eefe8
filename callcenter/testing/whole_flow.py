"""A flow that has every type of node and nothing to be said against it, and what is around it."""

from __future__ import annotations

from typing import Any, Final

from callcenter.ivr.check import Surroundings
from callcenter.ivr.model import Flow, parse_flow

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
