"""How a case stands, told to whoever knows its number."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from callcenter.ivr.conversation import INVALID, KEYED, TIMED_OUT, Conversation, Go
from callcenter.ivr.dialogues.questions import ANSWER_SECONDS, NUMBER_SECONDS
from callcenter.ivr.nodes import PERSON, CaseStatus

_CASE_DIGITS: Final = 10


async def case_status(talk: Conversation, here: str, node: CaseStatus, key: str) -> Go:
    """Case number, last four digits, how it stands. All that does not match sounds the same."""
    wrong: list[Path] = []
    for _ in range(node.tries):
        number = await talk.several_keys(
            talk.step(here, key),
            [*wrong, *talk.prompts("ask_case_number")],
            NUMBER_SECONDS,
            _CASE_DIGITS,
        )
        if number == "0":
            return Go(PERSON, "0")
        if number is None:
            wrong, key = [], TIMED_OUT
            continue
        four = await talk.several_keys(
            talk.step(here, KEYED), talk.prompts("ask_last_four"), ANSWER_SECONDS, 4
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
