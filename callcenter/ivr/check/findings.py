"""What the check says, and what it is told of the hotline around a flow."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from callcenter.ivr.model import Flow

#: Seconds of one character, measured on the shipped prompts (espeak-ng: zh 5.3/s, en 16.2/s).
_IDEOGRAPH_SECONDS: Final = 0.19
_LETTER_SECONDS: Final = 0.062
_DIGIT_SECONDS: Final = 0.3


class Severity(StrEnum):
    ERROR = "error"  #: blocks publishing
    WARNING = "warning"  #: callers are served; somebody should look
    INFO = "info"  #: a figure, or something worth knowing; nothing is wrong


class Code(StrEnum):
    """Stable names of findings, part of the REST contract."""

    NO_ENTRY = "no_entry"
    DANGLING_REFERENCE = "dangling_reference"
    UNREACHABLE_NODE = "unreachable_node"
    LOOP_WITHOUT_EXIT = "loop_without_exit"
    ZERO_NOT_A_PERSON = "zero_not_a_person"
    SILENCE_NOT_A_PERSON = "silence_not_a_person"
    NO_WAY_TO_A_PERSON = "no_way_to_a_person"
    RETURN_IS_A_PERSON = "return_is_a_person"
    UNKNOWN_FLOW = "unknown_flow"
    SUBFLOW_CYCLE = "subflow_cycle"
    SUBFLOW_TOO_DEEP = "subflow_too_deep"
    SUBFLOW_HAS_ERRORS = "subflow_has_errors"
    FLOW_TOO_LARGE = "flow_too_large"
    UNKNOWN_QUEUE = "unknown_queue"
    UNKNOWN_SCHEDULE = "unknown_schedule"
    UNKNOWN_ARTICLE = "unknown_article"
    UNKNOWN_CATEGORY = "unknown_category"
    CATEGORY_EMPTY = "category_empty"
    UNKNOWN_DOCUMENT = "unknown_document"
    UNKNOWN_LINE = "unknown_line"
    OWN_NUMBER = "own_number"
    LANGUAGE_INCOMPLETE = "language_incomplete"
    NO_VOICE = "no_voice"
    LANGUAGE_WITHOUT_RETURN = "language_without_return"
    UNKNOWN_PROMPT = "unknown_prompt"
    PROMPT_NOT_RENDERED = "prompt_not_rendered"
    PROMPT_BAD_AUDIO = "prompt_bad_audio"
    VALUE_NOT_SPEAKABLE = "value_not_speakable"
    KEY_USED_TWICE = "key_used_twice"
    KEY_DOES_NOTHING = "key_does_nothing"
    KEY_NOT_ANNOUNCED = "key_not_announced"
    TOO_MANY_CHOICES = "too_many_choices"
    MENU_TOO_LONG = "menu_too_long"
    TIMEOUT_TOO_SHORT = "timeout_too_short"
    PERSONAL_DATA_WITHOUT_NEED = "personal_data_without_need"
    VARIABLE_NEVER_SET = "variable_never_set"
    FIRST_PROMPT_TOO_LONG = "first_prompt_too_long"
    SECONDS_TO_PERSON = "seconds_to_person"
    OVER_ANSWER_BUDGET = "over_answer_budget"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is to be said. `node` is None where it concerns the flow as a whole."""

    severity: Severity
    code: Code
    node: str | None
    message: str


@dataclass(frozen=True, slots=True)
class SecondsToPerson:
    """Seconds from the first word until the call is a person's; None: nobody gets to one so.

    `shortest`: hears each menu out, then presses the best key at once. `by_silence`: presses
    nothing at all, whatever branches find. `longest`: hears all there is once, with every retry
    used, before a person. Each in the language of a line in which it takes longest.
    """

    shortest: float | None
    by_silence: float | None
    longest: float | None


@dataclass(frozen=True, slots=True)
class Report:
    """All that the check found."""

    findings: Sequence[Finding]
    seconds: SecondsToPerson


def estimated(text: str, language: str) -> float:
    """About how many seconds a text takes to be spoken, before it was."""
    seconds = 0.0
    for char in text:
        if char > "\u2e7f":
            seconds += _IDEOGRAPH_SECONDS
        elif char.isdigit():
            seconds += _IDEOGRAPH_SECONDS if language == "zh" else _DIGIT_SECONDS
        else:
            seconds += _LETTER_SECONDS
    return max(seconds, _DIGIT_SECONDS)


_BOTH: Final = frozenset({"zh", "en"})


@dataclass(frozen=True)
class Surroundings:
    """What a flow may refer to outside itself, at the moment of the check. None: not known here,
    and not judged.
    """

    queues: frozenset[str]
    #: Prompt name → the languages it can be heard in; empty: known, and never rendered.
    prompts: Mapping[str, frozenset[str]] = field(default_factory=dict)
    #: Languages of the lines that run this flow, straight or within another one.
    languages: frozenset[str] = frozenset()
    #: Languages in which no text can be spoken: the instance has no voice for them.
    voiceless: frozenset[str] = frozenset()
    #: The name of the flow that is checked: a flow it runs may run it.
    name: str | None = None
    #: Whether a line leads its callers straight here; None: not known.
    on_a_line: bool | None = None
    #: How many flows deep this one is run by others, at most.
    above: int = 0
    #: The flows it may run, in the version callers hear, and those they run.
    flows: Mapping[str, Flow] | None = None
    #: How many nodes those have; may name more than `flows`, when they are too many to be read.
    flow_sizes: Mapping[str, int] = field(default_factory=dict)
    schedules: frozenset[str] | None = None
    #: Published articles → the languages they are spoken in (title and text).
    articles: Mapping[str, frozenset[str]] | None = None
    #: Categories → how many articles can be heard.
    categories: Mapping[str, int] | None = None
    documents: frozenset[str] | None = None
    #: The numbers of the hotline's own lines.
    lines: frozenset[str] | None = None
    #: Languages that values can be spoken in.
    value_languages: frozenset[str] = _BOTH
    #: Why the audio of a prompt in a language must not be played.
    bad_audio: Mapping[tuple[str, str], str] = field(default_factory=dict)
    #: What prompts say, by (name, language): their keys are read too.
    prompt_texts: Mapping[tuple[str, str], str] = field(default_factory=dict)
    #: Seconds of prompts and articles, by (name, language).
    prompt_seconds: Mapping[tuple[str, str], float] = field(default_factory=dict)
    article_seconds: Mapping[tuple[str, str], float] = field(default_factory=dict)
    #: Seconds of a text in a language: of its audio where it is there.
    length_of: Callable[[str, str], float] = estimated


def error(code: Code, node: str | None, message: str) -> Finding:
    return Finding(Severity.ERROR, code, node, message)


def warning(code: Code, node: str | None, message: str) -> Finding:
    return Finding(Severity.WARNING, code, node, message)


def info(code: Code, node: str | None, message: str) -> Finding:
    return Finding(Severity.INFO, code, node, message)


def errors_in(findings: Sequence[Finding]) -> list[Finding]:
    """Those that block publishing."""
    return [finding for finding in findings if finding.severity is Severity.ERROR]


Findings = Iterator[Finding]
