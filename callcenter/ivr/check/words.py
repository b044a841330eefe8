"""Rules on what callers hear: in every language, from audio that is there and sound."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from callcenter.ivr.check.findings import Code, Findings, error
from callcenter.ivr.check.graph import Graph
from callcenter.ivr.model import spoken_by
from callcenter.ivr.nodes import (
    Article,
    ArticleMenu,
    CaseStatus,
    Collect,
    Menu,
    Node,
    Survey,
    ToCallback,
    ToFax,
)
from callcenter.ivr.spoken import PromptRef, ValueRef, parts_of

_NUMBER: Final = ("ask_phone", "you_entered", "confirm_keys", "number_not_possible", "invalid")


def language(graph: Graph, node_id: str) -> Findings:
    """Every text has all the languages callers of this flow can hear."""
    node = graph.flow.nodes[node_id]
    for part in parts_of(spoken_by(node)):
        if isinstance(part, dict):
            for missing in graph.family.languages:
                if missing not in part:
                    message = (
                        f"There is no text in “{missing}”, which callers of this flow can hear."
                    )
                    yield error(Code.LANGUAGE_INCOMPLETE, node_id, message)
        elif isinstance(part, ValueRef):
            for missing in graph.family.languages:
                if missing not in graph.around.value_languages:
                    message = (
                        f"“{part.value}” cannot be spoken in “{missing}”: there are no pieces."
                    )
                    yield error(Code.VALUE_NOT_SPEAKABLE, node_id, message)
    if isinstance(node, Article) and node.title:
        for missing in graph.family.languages:
            if missing not in node.title:
                message = f"There is no title in “{missing}”, which callers of this flow can hear."
                yield error(Code.LANGUAGE_INCOMPLETE, node_id, message)


def voice(graph: Graph, node_id: str) -> Findings:
    """Every text is in a language that somebody can speak."""
    parts = parts_of(spoken_by(graph.flow.nodes[node_id]))
    written = {la for part in parts if isinstance(part, dict) for la in part}
    for language in sorted(written & graph.around.voiceless):
        message = f"There is no voice for “{language}”: this text cannot be spoken."
        yield error(Code.NO_VOICE, node_id, message)


def prompt(graph: Graph, node_id: str) -> Findings:
    """Every prompt is there in all languages, and fit to be played."""
    node, around = graph.flow.nodes[node_id], graph.around
    for name in _named(node):
        heard_in = around.prompts.get(name)
        if heard_in is None:
            yield error(Code.UNKNOWN_PROMPT, node_id, f"There is no prompt “{name}”.")
        elif not heard_in:
            message = f"The prompt “{name}” has no audio yet."
            yield error(Code.PROMPT_NOT_RENDERED, node_id, message)
        else:
            for wanted in graph.family.languages:
                if wanted not in heard_in:
                    message = f"The prompt “{name}” is missing in “{wanted}”."
                    yield error(Code.LANGUAGE_INCOMPLETE, node_id, message)
    for name in (*_named(node), *shipped_prompts(node)):
        for wanted in graph.family.languages:
            why = around.bad_audio.get((name, wanted))
            if why is not None:
                message = f"The prompt “{name}” in “{wanted}” cannot be played: {why}"
                yield error(Code.PROMPT_BAD_AUDIO, node_id, message)
    for name in shipped_prompts(node):
        lacking = [la for la in graph.family.languages if la not in around.prompts.get(name, ())]
        if lacking:
            languages = ", ".join(f"“{wanted}”" for wanted in lacking)
            message = (
                f"This node plays the shipped prompt “{name}”, which is missing in {languages}."
            )
            yield error(Code.PROMPT_NOT_RENDERED, node_id, message)


def _named(node: Node) -> Iterator[str]:
    names = (part.prompt for part in parts_of(spoken_by(node)) if isinstance(part, PromptRef))
    yield from dict.fromkeys(names)


def shipped_prompts(node: Node) -> tuple[str, ...]:
    """The shipped prompts the runner plays at a node, beside what the node says itself."""
    match node:
        case Menu() | Survey():
            return ("invalid",)
        case Collect():
            return ("invalid", *(("you_entered", "confirm_keys") if node.read_back else ()))
        case Article(article=str()):
            return ("article_unavailable", _article_keys(node.fax))
        case ArticleMenu():
            keys = tuple(f"press_{number}" for number in range(1, node.page_size + 1))
            more = ("more_by_9", "back_by_star", "no_articles", "invalid")
            return (_article_keys(node.fax), *keys, *more)
        case CaseStatus():
            return ("ask_case_number", "ask_last_four", "case_not_found")
        case ToCallback():
            return ("callback_offer", *_NUMBER, "callback_taken")
        case ToFax():
            return ("fax_offer", *_NUMBER, "fax_press_start", "fax_ordered", "fax_not_possible")
        case _:
            return ()


def _article_keys(fax: str | None) -> str:
    return "article_keys" if fax is None else "article_keys_fax"
