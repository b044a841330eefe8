"""The runner: walks one caller through a flow and returns where the call goes.

One interpreter for the phone, for tests and for simulation: it knows only `CallSession`.

Each node is journalled as it is entered, and each menu again every time it is said again, with
what led there: the key pressed, `t` nothing was pressed in time, `i7` the key 7 the menu does not
have, `r` gone on after an `agi` process was lost, empty where the flow went on by itself. The
built-in way to a person, which is no node of the flow, is written as `PERSON`.

Round trips: a menu costs two, however often it is said and whatever is told before it; a key
pressed ahead saves one.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final, Protocol

from callcenter.ivr.model import (
    Article,
    End,
    EnterQueue,
    Flow,
    FlowExit,
    HangUp,
    Menu,
    PromptRef,
    Say,
    Spoken,
    SwitchLanguage,
    ToQueue,
)
from callcenter.ivr.session import CallerHungUp, CallSession, Step

#: The built-in way to a person in a caller's path; the dot keeps it apart from every node id.
PERSON: Final = ".person"
#: A caller who has been through so many nodes is going round in circles: a person helps.
MAX_STEPS: Final = 200
INVALID_KEY: Final = "invalid"  #: the shipped prompt after a key the menu does not have

TIMED_OUT: Final = "t"
INVALID: Final = "i"
RESUMED: Final = "r"

log = logging.getLogger(__name__)


class Voice(Protocol):
    """Where the audio of a text or a prompt lies. Pure: no disk is touched while a caller waits."""

    def text(self, text: str, language: str) -> Path: ...

    def prompt(self, name: str, language: str) -> Path: ...


@dataclass(frozen=True)
class Plan:
    """What a line does with its next caller."""

    flow: str
    version: int
    definition: Flow
    queue: str  #: where a person is found when the flow does not say
    language: str


async def run_flow(
    plan: Plan,
    call: CallSession,
    voice: Voice,
    *,
    on_fault: Callable[[Exception], None] = lambda _exc: None,
) -> FlowExit:
    """Lead the caller through the flow.

    Raises only `CallerHungUp`: any fault of ours ends in `EnterQueue`, the caller is never dropped.
    """
    try:
        return await _Run(plan, call, voice).through()
    except CallerHungUp:
        raise
    except Exception as exc:
        # The text of the exception may hold what the caller keyed: only its kind and place.
        place = traceback.extract_tb(exc.__traceback__)[-1]
        log.error(
            "fault in flow %s version %d: %s at %s:%s",
            plan.flow,
            plan.version,
            type(exc).__name__,
            Path(place.filename).name,
            place.lineno,
        )
        on_fault(exc)
        return EnterQueue(plan.queue, why="fault")


class _Run:
    def __init__(self, plan: Plan, call: CallSession, voice: Voice) -> None:
        self.plan = plan
        self.nodes = plan.definition.nodes
        self.call = call
        self.voice = voice
        self.language = plan.language
        #: A key pressed while something was read: the next menu takes it.
        self.ahead: str | None = None

    async def through(self) -> FlowExit:
        here, key = self.plan.definition.entry, ""
        if self.call.resume_node is not None:
            self.language = self.call.language or self.plan.language
        if self.call.resume_node == PERSON:
            return await self._person(RESUMED)
        if self.call.resume_node in self.nodes:
            here, key = self.call.resume_node, RESUMED
        for _ in range(MAX_STEPS):
            node, led_by, key = self.nodes[here], key, ""
            if not isinstance(node, Menu):
                await self._entered(here, led_by)
            match node:
                case Say():
                    await self._read(node.say)
                    here = node.next
                case Article():
                    await self._read(node.text)
                    here = node.next
                case SwitchLanguage():
                    self.language = node.language
                    await self.call.set_language(node.language)
                    here = node.next
                case Menu():
                    target, key = await self._choose(here, node, led_by)
                    if target is None:
                        return await self._person(key)
                    here = target
                case ToQueue():
                    await self._read(node.say)
                    return EnterQueue(node.queue)
                case End():
                    await self._read(node.say)
                    if self.ahead == "0":
                        return await self._person("0")
                    return HangUp()
        return EnterQueue(self.plan.queue, why="steps")

    async def _choose(self, here: str, menu: Menu, led_by: str) -> tuple[str | None, str]:
        """Where the caller wants to go, and by which key; None is a person."""
        way_out = menu.on_timeout
        key = led_by
        for _ in range(menu.retries + 1):
            pressed = await self._pressed(here, menu, key)
            if pressed == "0":
                return self._person_of(menu), "0"
            if pressed is None:
                way_out, key = menu.on_timeout, TIMED_OUT
            elif pressed in menu.options:
                return menu.options[pressed], pressed
            else:
                way_out, key = menu.on_invalid, INVALID + pressed
        return way_out, key

    async def _pressed(self, here: str, menu: Menu, led_by: str) -> str | None:
        step = self._step(here, led_by)
        if self.ahead is not None:
            pressed, self.ahead = self.ahead, None
            await self.call.entered(step)
            return pressed
        prompts = self._files(menu.say)
        if led_by.startswith(INVALID):
            prompts = [*self._files(PromptRef(prompt=INVALID_KEY)), *prompts]
        keys = await self.call.ask(
            prompts,
            timeout=timedelta(seconds=menu.timeout_seconds),
            max_digits=1,
            entering=step,
        )
        return keys[0] if keys else None

    def _person_of(self, menu: Menu) -> str | None:
        """`0` is a person whatever the menu says: its own queue node, or the line's queue."""
        target = menu.options.get("0")
        return target if isinstance(self.nodes.get(target or ""), ToQueue) else None

    async def _person(self, key: str) -> FlowExit:
        await self._entered(PERSON, key)
        return EnterQueue(self.plan.queue)

    async def _read(self, spoken: Spoken | None) -> None:
        """Say something, unless the caller has already pressed a key to get past it."""
        if spoken is not None and self.ahead is None:
            self.ahead = await self.call.play(self._files(spoken)) or None

    async def _entered(self, node: str, key: str) -> None:
        await self.call.entered(self._step(node, key))

    def _step(self, node: str, key: str) -> Step:
        return Step(node, self.plan.flow, self.plan.version, key)

    def _files(self, spoken: Spoken) -> list[Path]:
        if isinstance(spoken, PromptRef):
            return [self.voice.prompt(spoken.prompt, self.language)]
        for language in (self.language, self.plan.language, *sorted(spoken)):
            if language in spoken:
                return [self.voice.text(spoken[language], language)]
        return []
