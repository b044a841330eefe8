"""Rules on menus as callers hear them: which keys are announced, how many, and how long it takes.

Announcements are read from the words: `按1`, `请按一`, `按 1 号键`, `按星号`, `press 1`,
`press the star key`, and lists that go on (`Press 1 for answers, 2 for English`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from callcenter.ivr.check.findings import Code, Findings, error, warning
from callcenter.ivr.check.graph import Graph
from callcenter.ivr.nodes import KEYS, Menu, Survey
from callcenter.ivr.spoken import AnySpoken, PromptRef, parts_of

#: Choices a listener can keep in mind; a person by `0` is not one of them.
MOST_CHOICES: Final = 5

_NUMERALS: Final = "零一二三四五六七八九"
_SPELT: Final = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_NAMES: Final[Mapping[str, str]] = {
    **{key: key for key in KEYS},
    **dict(zip("０１２３４５６７８９＊＃", KEYS, strict=True)),
    **{word: str(digit) for digit, word in enumerate(_NUMERALS)},
    **{word: str(digit) for digit, word in enumerate(_SPELT)},
    **{"〇": "0", "两": "2", "幺": "1", "星": "*", "米": "*", "井": "#"},
    **{"star": "*", "asterisk": "*", "hash": "#", "pound": "#"},
}
# A numeral behind 按 is no key where it counts or measures: 按一下, 按三年计算, 按10%.
_ZH_KEY: Final = (
    rf"([0-9０-９{_NUMERALS}〇两幺](?![0-9０-９.．:：%％{_NUMERALS}十百千万下次定般样直些年月日天元个倍律])"
    r"|[*#＊＃]|[星米井](?=[字号键]))[字号键]*[”」』\"']?"
)
_ZH: Final = re.compile(rf"按下?\s*(?:数字键?|按键)?\s*[“「『\"']?{_ZH_KEY}")
_ZH_MORE: Final = re.compile(rf"\s*(?:、|或者?|和)\s*按?\s*[“「『\"']?{_ZH_KEY}")
_EN_KEY: Final = (
    rf"([0-9](?![0-9.:%]*[0-9%])|[*#]|(?:{'|'.join(_SPELT)}|star|asterisk|hash|pound)\b)"
)
_EN: Final = re.compile(
    r"\b(?:press|dial|push|hit)(?:ing)?\s+(?:on\s+)?(?:the\s+)?(?:number\s+|digit\s+|key\s+)?"
    rf"[\"'“]?{_EN_KEY}[\"'”]?(?:\s+(?:key|sign))?",
    re.IGNORECASE,
)
#: How a list goes on: `…, 2 for English`, `… or 3 to leave a message`, `… 1 or 2`.
_EN_MORE: Final = re.compile(
    rf"(?:[,;.]|\bor\b|\band\b)\s*(?:or\s+|and\s+)?(?:the\s+)?{_EN_KEY}(?:\s+(?:key|sign))?"
    r"(?=\s+(?:for|to|if)\b)|\s+(?:or|and)\s+(?:the\s+)?" + _EN_KEY,
    re.IGNORECASE,
)
_STOPS: Final = "，,。；;、！!？?.\n"
_NO_TOPIC: Final = re.compile(rf"[{_STOPS}\s]|请|please|or|and|for|to", re.IGNORECASE)


def announced(text: str) -> list[tuple[str, str]]:
    """The keys a text announces, in order, each with the words that say what for."""
    found: list[tuple[int, int, str]] = []
    for first, more in ((_ZH, _ZH_MORE), (_EN, _EN_MORE)):
        for match in first.finditer(text):
            found.append((match.start(), match.end(), _key(match)))
            if more is _ZH_MORE:
                at = match.end()
                while (further := more.match(text, at)) is not None:
                    found.append((further.start(), further.end(), _key(further)))
                    at = further.end()
        if more is _EN_MORE and (opening := first.search(text)) is not None:
            taken = {start for begin, end, _k in found for start in range(begin, end)}
            found += [
                (further.start(), further.end(), _key(further))
                for further in more.finditer(text, opening.end())
                if further.end() - 1 not in taken
            ]
    found.sort()
    keys = []
    ended = 0
    for place, (start, end, key) in enumerate(found):
        follows = found[place + 1][0] if place + 1 < len(found) else len(text)
        behind = re.split(rf"[{_STOPS}]", text[end:follows], maxsplit=1)[0]
        before = re.split(rf"[{_STOPS}]", text[ended:start].rstrip(_STOPS + " 请"))[-1]
        keys.append((key, _NO_TOPIC.sub("", behind) or _NO_TOPIC.sub("", before)))
        ended = end
    return keys


def _key(match: re.Match[str]) -> str:
    return _NAMES[next(group for group in match.groups() if group).lower()]


def spoken_keys(graph: Graph, spoken: AnySpoken, language: str) -> list[tuple[str, str]] | None:
    """The keys announced in a language; None where a prompt says what nobody has written down."""
    found: list[tuple[str, str]] = []
    for part in parts_of(spoken):
        if isinstance(part, dict):
            found += announced(part.get(language, ""))
        elif isinstance(part, PromptRef):
            text = graph.around.prompt_texts.get((part.prompt, language))
            if text is None:
                return None
            found += announced(text)
    return found


def announcements(graph: Graph, node_id: str) -> Findings:
    """What is announced is there, once, and what is there is announced."""
    node = graph.flow.nodes[node_id]
    if not isinstance(node, Menu | Survey):
        return
    offered = set(node.options if isinstance(node, Menu) else node.answers)
    twice: dict[str, None] = {}
    nothing: dict[str, list[str]] = {}
    silent: dict[str, list[str]] = {}
    most = 0
    for language in graph.family.languages:
        keys = spoken_keys(graph, node.say, language)
        if keys is None:
            continue
        topics: dict[str, set[str]] = {}
        for key, topic in keys:
            topics.setdefault(key, set()).add(topic)
        most = max(most, len(topics.keys() - {"0"}))
        twice |= dict.fromkeys(k for k in topics if k != "0" and len(topics[k]) > 1)
        for key in sorted(topics.keys() - offered - {"0"}):
            nothing.setdefault(key, []).append(language)
        before = {
            key
            for say in graph.said_before.get(node_id, ())
            for key, _topic in spoken_keys(graph, say.say, language) or ()
        }
        for key in sorted(offered - topics.keys() - before - {"0"}):
            silent.setdefault(key, []).append(language)
    for key in twice:
        yield error(Code.KEY_USED_TWICE, node_id, f"{key} is announced for two choices.")
    for key, languages in sorted(nothing.items()):
        message = f"{key} is announced (in {', '.join(languages)}), but does nothing."
        yield error(Code.KEY_DOES_NOTHING, node_id, message)
    for key, languages in sorted(silent.items()):
        message = f"{key} is never announced (in {', '.join(languages)})."
        yield warning(Code.KEY_NOT_ANNOUNCED, node_id, message)
    count = most or len(offered - {"0"})
    if isinstance(node, Menu) and count > MOST_CHOICES:
        message = f"{count} choices are more than a listener keeps in mind: {MOST_CHOICES}."
        yield warning(Code.TOO_MANY_CHOICES, node_id, message)
