"""The door: a flow's variable, spoken as a kind of value, becomes names of shipped prompts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from callcenter.prompts.pieces import en, values, zh
from callcenter.prompts.pieces.values import Unspeakable

LANGUAGES: Final = ("zh", "en")

#: No value needs more pieces (`digits`: a plus sign and 32 keys; the longest number needs 23, the
#: longest sum of money 28). A test holds it. One `Background` takes them: Asterisk reads commands
#: of 8 kB, so a row of 60 pieces may have paths of 130 characters each.
MOST_PIECES: Final = 33


@dataclass(frozen=True, slots=True)
class _Kind:
    read: Callable[[str], Any]
    zh: Callable[[Any], list[str]]
    en: Callable[[Any], list[str]]


_KINDS: Final[Mapping[str, _Kind]] = {
    "digits": _Kind(values.digits, zh.digits, en.digits),
    "case_number": _Kind(values.case_number, zh.case_number, en.case_number),
    "count": _Kind(values.count, zh.count, en.count),
    "ordinal": _Kind(values.ordinal, zh.ordinal, en.ordinal),
    "position": _Kind(values.position, zh.position, en.position),
    "date": _Kind(values.day, zh.day, en.day),
    "time": _Kind(values.clock_time, zh.clock_time, en.clock_time),
    "duration": _Kind(values.duration, zh.duration, en.duration),
    "money": _Kind(values.money, zh.money, en.money),
}

#: What a value can be spoken as.
KINDS: Final = tuple(_KINDS)

#: Language → every piece a value may need: what must be shipped.
VOCABULARY: Final[Mapping[str, frozenset[str]]] = {"zh": zh.VOCABULARY, "en": en.VOCABULARY}


def say_value(kind: str, value: str, language: str) -> list[str]:
    """The pieces that say `value`, 1 to `MOST_PIECES` prompt names in their order.

    `value` is the text a flow's variable holds: keys for `digits` and `case_number`, a whole number
    for `count`, `ordinal` and `position`, `2026-11-24` for `date`, `14:05` for `time`, whole
    seconds for `duration`, yuan as `12.50` for `money`. Bounds stand in `values`.

    Raises `Unspeakable` for a value outside them (the message does not repeat it: it may have been
    keyed by a caller), and for a kind or a language that is not known.
    """
    if kind not in _KINDS:
        raise Unspeakable("as", f"one of {', '.join(KINDS)}")
    if language not in LANGUAGES:
        raise Unspeakable(kind, f"is spoken in {', '.join(LANGUAGES)} only")
    spoken = _KINDS[kind]
    return (spoken.zh if language == "zh" else spoken.en)(spoken.read(value))


def text_of(names: Sequence[str], language: str, texts: Mapping[str, str]) -> str:
    """What a row of prompts says, as one text: for simulations and tests.

    `texts` are those of that language by name (`shipped.texts_in`); a name without one raises
    KeyError.
    """
    if language != "en":
        return "".join(texts[name] for name in names)
    said = ""
    before = ""
    for name in names:
        if before:
            said += "-" if en.is_hyphenated(before, name) else " "
        said += texts[name]
        before = name
    return said
