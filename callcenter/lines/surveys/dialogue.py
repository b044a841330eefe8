"""The survey as a caller hears it: two `survey` nodes of a flow of our own, run by the runner of
every flow. `0` is a person here too.

Each answer is written when it is given: who hangs up after the first question has answered it.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Final
from uuid import UUID

from callcenter.ivr.conversation import Plan, Voice
from callcenter.ivr.exits import EnterQueue, FlowExit, HangUp
from callcenter.ivr.model import Flow, parse_flow
from callcenter.ivr.runner import run_flow
from callcenter.ivr.session import CallSession, Step
from callcenter.lines.surveys import store
from callcenter.lines.surveys.model import NO, YES, Question
from callcenter.platform.clock import Clock
from callcenter.platform.db import Database
from callcenter.platform.deadline import at_most

#: How long a caller waits for the database, before the questions and after each.
_DESK_LIMIT: Final = timedelta(seconds=1)
_SECONDS: Final = 6
FLOW: Final = ".survey"
_END: Final = "end"
#: Shipped prompts, by question.
PROMPTS: Final = {one: f"survey_{one.value}" for one in Question}

log = logging.getLogger(__name__)


def survey_flow() -> Flow:
    """Both questions, one after the other."""
    first, second = Question
    return parse_flow(
        {
            "entry": first.value,
            "nodes": {
                first.value: _node(first, second.value),
                second.value: _node(second, _END),
                _END: {"type": "hangup"},
            },
        }
    )


def _node(question: Question, after: str) -> dict[str, object]:
    return {
        "type": "survey",
        "question": question.value,
        "say": {"prompt": PROMPTS[question]},
        "answers": {YES: "yes", NO: "no"},
        "timeout_seconds": _SECONDS,
        "next": after,
    }


class Surveys:
    """Asks callers after the conversation; one for each `agi` process."""

    def __init__(self, database: Database, clock: Clock, voice: Voice) -> None:
        self._database = database
        self._clock = clock
        self._voice = voice
        self._flow = survey_flow()

    async def run(self, call: CallSession) -> None:
        """Ask, where this caller is to be asked, and hand the call back to the dialplan.

        Raises `CallerHungUp`, and what the database raises: the dialplan says goodbye then.
        """
        language = (call.language or "zh")[:2]
        queue = await at_most(
            _DESK_LIMIT, self._begin(call.call_id, call.line, language), name="survey-begin"
        )
        exit: FlowExit = HangUp()
        if queue is not None:
            plan = Plan(FLOW, 1, self._flow, queue=queue, language=language)
            exit = await run_flow(plan, _Kept(call, self), self._voice)
        if isinstance(exit, EnterQueue) and exit.why != "flow":
            # A fault of ours is no wish for a person: the conversation is over.
            exit = HangUp()
        await call.leave(exit)

    async def _begin(self, call_id: UUID, line: str, language: str) -> str | None:
        """The queue of the conversation, empty where there was none; None: nobody is asked."""
        async with self._database.transaction() as connection:
            asked = await store.to_be_asked(
                connection, call_id, line=line, language=language, at=self._clock()
            )
            if asked is None or not await store.add_asked(connection, asked):
                return None
            return asked["queue"] or ""

    async def keep(self, call_id: UUID, question: Question, yes: bool) -> None:
        async with self._database.transaction() as connection:
            await store.set_answer(connection, call_id, question, yes, self._clock())


class _Kept:
    """The caller's session, with the answers written down as they are given."""

    def __init__(self, call: CallSession, surveys: Surveys) -> None:
        self._call = call
        self._surveys = surveys
        self.call_id = call.call_id
        self.line = call.line
        self.caller = call.caller
        self.language = call.language
        self.resume_node: str | None = None
        self.resume_flow: str | None = None

    async def ask(
        self,
        prompts: Sequence[Path],
        *,
        timeout: timedelta,
        max_digits: int = 1,
        entering: Step | None = None,
    ) -> str | None:
        return await self._call.ask(
            prompts,
            timeout=timeout,
            max_digits=max_digits,
            entering=None if entering is None else _journalled(entering),
        )

    async def play(self, prompts: Sequence[Path]) -> str | None:
        return await self._call.play(prompts)

    async def entered(self, step: Step) -> None:
        if step.node == _END:
            return  # nothing is heard there
        await self._call.entered(_journalled(step))
        about, _, question = step.about.partition("/")
        if about != "survey":
            return
        try:
            await at_most(
                _DESK_LIMIT,
                self._surveys.keep(self.call_id, Question(question), step.key == YES),
                name="survey-answer",
            )
        except Exception as exc:
            # The journal has the key: the caller is not kept for it.
            log.error("call %s: an answer was not written: %s", self.call_id, type(exc).__name__)

    async def set_language(self, language: str) -> None:
        await self._call.set_language(language)

    async def leave(self, exit: FlowExit) -> None:
        await self._call.leave(exit)


def _journalled(step: Step) -> Step:
    """As the journal has it: no step of the line's flow, so that it begins with a dot like those of
    the door."""
    return replace(step, node=f"{FLOW}_{step.node}", flow="", version=0)
