"""How long each node holds a caller: what is heard, and the waits of the runner's dialogues."""

from __future__ import annotations

from typing import Final, NamedTuple

from callcenter.ivr.check.findings import Surroundings
from callcenter.ivr.dialogues.questions import ANSWER_SECONDS, NUMBER_SECONDS, TRIES
from callcenter.ivr.model import spoken_by
from callcenter.ivr.nodes import (
    PERSON,
    Article,
    ArticleMenu,
    Branch,
    ByHours,
    CaseStatus,
    Collect,
    Menu,
    Node,
    Set,
    Survey,
    SwitchLanguage,
    ToCallback,
    ToFax,
    ToNumber,
    ToQueue,
)
from callcenter.ivr.spoken import PromptRef, ValueRef, parts_of

#: Where their lengths are not known: a shipped prompt, an article, a title, a value from pieces.
_PROMPT, _ARTICLE, _TITLE, _VALUE = 3.0, 30.0, 2.0, 3.0
#: “press 1”
_KEY, _KEYS = 1.2, frozenset({"press_1", "press_2", "press_3", "press_4"})
#: Seconds somebody takes for each digit of a number.
_KEYING: Final = 1.0
_SLOW: Final = 0.8  #: of the usual speed
_PHONE_DIGITS: Final = 11


class Hears(NamedTuple):
    """How a caller hears a flow from here on."""

    language: str
    is_slow: bool = False


#: Seconds, where they lead, and how the caller hears from there on.
Move = tuple[float, str, Hears]


class Lengths:
    """Seconds of nodes for callers of lines in one language. Each is worked out once."""

    def __init__(self, around: Surroundings, home: str) -> None:
        self.around = around
        self.home = home
        self._words: dict[tuple[int, Hears], float] = {}

    def words(self, node: Node, hears: Hears) -> float:
        """What a node says of its own, once."""
        key = (id(node), hears)
        if key not in self._words:
            seconds = sum(self._part(part, hears.language) for part in parts_of(spoken_by(node)))
            self._words[key] = seconds / _SLOW if hears.is_slow else seconds
        return self._words[key]

    def _part(self, part: dict[str, str] | PromptRef | ValueRef, language: str) -> float:
        match part:
            case PromptRef():
                return self.around.prompt_seconds.get((part.prompt, language), _PROMPT)
            case ValueRef():
                return _VALUE
            case _:
                # As the runner chooses: the caller's language, the line's, any other.
                for wanted in (language, self.home, *sorted(part)):
                    if wanted in part:
                        return self.around.length_of(part[wanted], wanted)
                return 0.0

    def prompts(self, hears: Hears, *names: str) -> float:
        known = self.around.prompt_seconds
        seconds = sum(
            known.get((name, hears.language), _KEY if name in _KEYS else _PROMPT) for name in names
        )
        return seconds / _SLOW if hears.is_slow else seconds

    def article(self, name: str | None, hears: Hears) -> float:
        """An article of the knowledge base, read once."""
        seconds = self.around.article_seconds.get((name or "", hears.language), _ARTICLE)
        return seconds / _SLOW if hears.is_slow else seconds

    def question(self, node: Node, hears: Hears) -> float:
        """All that is heard until the first key is waited for."""
        own = self.words(node, hears)
        match node:
            case Article(article=str() as name):
                keys = "article_keys" if node.fax is None else "article_keys_fax"
                return self.article(name, hears) + self.prompts(hears, keys)
            case ArticleMenu():
                return own + self.page(node, hears)
            case CaseStatus():
                return self.prompts(hears, "ask_case_number")
            case ToCallback():
                return own + self.prompts(hears, "callback_offer")
            case ToFax():
                return own + self.prompts(hears, "fax_offer")
            case _:
                return own

    def page(self, node: ArticleMenu, hears: Hears) -> float:
        """A page of an article menu, as full as it may be."""
        count = self._articles(node)
        shown = min(count, node.page_size)
        titles = shown * (_TITLE / _SLOW if hears.is_slow else _TITLE)
        names = [f"press_{number}" for number in range(1, shown + 1)]
        more = ["more_by_9"] if count > node.page_size else []
        return titles + self.prompts(hears, *names, *more, "back_by_star")

    def _articles(self, node: ArticleMenu) -> int:
        known = (self.around.categories or {}).get(node.category)
        return node.page_size if known is None else known

    def in_silence(self, node: Node, hears: Hears) -> list[Move]:
        """Where a caller gets to who presses nothing, whatever branches find; none for a node that
        ends the flow, or runs another.
        """
        heard = self.question(node, hears)
        match node:
            case Branch():
                return [(0.0, to, hears) for to in (*node.cases.values(), node.otherwise)]
            case ByHours():
                targets = (node.open, node.closed, node.holiday or node.closed)
                return [(0.0, to, hears) for to in targets]
            case SwitchLanguage():
                return [(0.0, node.next, Hears(node.language, hears.is_slow))]
            case Set():
                slow = hears.is_slow if node.pace is None else node.pace == "slow"
                return [(0.0, node.next, Hears(hears.language, slow))]
            case ToQueue() | ToNumber():
                return [(heard, PERSON, hears)]
            case Menu() | Collect():
                waits = (node.retries + 1) * (heard + node.timeout_seconds)
                return [(waits, node.on_timeout or PERSON, hears)]
            case ArticleMenu():
                rounds = node.retries + 1
                waits = self.words(node, hears) + rounds * (
                    self.page(node, hears) + node.timeout_seconds
                )
                way_out = (waits, node.on_timeout or PERSON, hears)
                if self._articles(node) > 0:
                    return [way_out]
                return [(self.prompts(hears, "no_articles"), node.next, hears)]
            case CaseStatus():
                waits = node.tries * (heard + NUMBER_SECONDS)
                return [(waits, node.on_failed or PERSON, hears)]
            case Survey():
                return [(heard + node.timeout_seconds, node.next, hears)]
            case ToCallback():
                known = heard + ANSWER_SECONDS
                withheld = self.words(node, hears) + self.prompts(hears, "ask_phone")
                waits = max(known, withheld + NUMBER_SECONDS)
                return [(waits, node.on_refused or PERSON, hears)]
            case ToFax():
                return [(heard + ANSWER_SECONDS, node.on_failed or PERSON, hears)]
            case Article(article=str()):
                return [(heard + ANSWER_SECONDS, node.next, hears)]
            case _:
                onward = getattr(node, "next", None)
                return [] if onward is None else [(heard, onward, hears)]

    def at_most(self, node: Node, hears: Hears) -> float:
        """As long as a node can hold a caller who hears everything it has once, and uses every
        try.
        """
        heard = self.question(node, hears)
        again = self.prompts(hears, "invalid")
        confirm = self.prompts(hears, "you_entered", "confirm_keys") + _VALUE + ANSWER_SECONDS
        number = self.prompts(hears, "ask_phone") + NUMBER_SECONDS + _PHONE_DIGITS * _KEYING
        match node:
            case Menu():
                tries = node.retries + 1
                return tries * (heard + node.timeout_seconds) + node.retries * again
            case Collect():
                keyed = node.max_digits * _KEYING + (confirm if node.read_back else 0.0)
                tries = node.retries + 1
                return tries * (heard + node.timeout_seconds + keyed) + node.retries * again
            case ArticleMenu():
                one = self.page(node, hears) + node.timeout_seconds
                rounds = (node.retries + 1) * one + node.retries * again
                articles = self._articles(node) * (self.article(None, hears) + one)
                return self.words(node, hears) + rounds + articles
            case CaseStatus():
                four = self.prompts(hears, "ask_last_four", "case_not_found") + ANSWER_SECONDS
                return node.tries * (heard + NUMBER_SECONDS + _PHONE_DIGITS * _KEYING + four)
            case Survey():
                return 2 * (heard + node.timeout_seconds) + again
            case ToCallback() | ToFax():
                return heard + ANSWER_SECONDS + TRIES * (number + confirm + again)
            case Article(article=str()):
                return heard + ANSWER_SECONDS
            case _:
                return heard
