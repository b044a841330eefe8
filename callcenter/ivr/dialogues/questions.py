"""What several dialogues ask: one of a few keys, a telephone number, whether that is right."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from callcenter.ivr.conversation import INVALID, INVALID_KEY, KEYED, TIMED_OUT, Conversation, Go
from callcenter.ivr.nodes import PERSON

#: Seconds a caller has to answer one of our own questions.
ANSWER_SECONDS: Final = 5
#: … and for a number, which is looked up or read off.
NUMBER_SECONDS: Final = ANSWER_SECONDS + 2
#: How often one of our own questions is asked.
TRIES: Final = 3
PHONE_DIGITS: Final = range(5, 16)


async def choice(
    talk: Conversation, here: str, key: str, files: Sequence[Path], allowed: str
) -> str | None:
    """One of the allowed keys, or `0`; None for silence, or nothing but wrong keys."""
    before: list[Path] = []
    for _ in range(TRIES):
        pressed = await talk.one_key(talk.step(here, key), [*before, *files], ANSWER_SECONDS)
        if pressed is None:
            return None
        if pressed == "0" or pressed in allowed:
            return pressed
        before, key = talk.prompts(INVALID_KEY), INVALID + pressed
    return None


async def number_keyed(
    talk: Conversation, here: str, key: str, before: list[Path]
) -> str | Go | None:
    """A telephone number, keyed and confirmed; the way to a person for `0`; None for no number.

    `before` is said once, in front of the first question.
    """
    for _ in range(TRIES):
        files = [*before, *talk.prompts("ask_phone")]
        keyed = await talk.several_keys(
            talk.step(here, key), files, NUMBER_SECONDS, max(PHONE_DIGITS)
        )
        if keyed is None:
            return None
        number = keyed.removesuffix("#")
        if number == "0":
            return Go(PERSON, "0")
        if len(number) not in PHONE_DIGITS or not (number.isascii() and number.isdigit()):
            before, key = talk.prompts(INVALID_KEY), INVALID + KEYED
            continue
        answer = await confirms(talk, here, number)
        if answer == "0":
            return Go(PERSON, "0")
        if answer == "1":
            return number
        before, key = [], answer or TIMED_OUT
    return None


async def confirms(talk: Conversation, here: str, keyed: str) -> str | None:
    """Read digits back: `1` they are right, `2` they are not, `0` a person, None silence."""
    files = [
        *talk.prompts("you_entered"),
        *talk.digits(keyed.removesuffix("#").removesuffix("*")),
        *talk.prompts("confirm_keys"),
    ]
    pressed = await talk.one_key(talk.step(here, KEYED), files, ANSWER_SECONDS)
    return pressed if pressed in ("0", "1", None) else "2"
