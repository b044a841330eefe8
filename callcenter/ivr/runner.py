"""The runner: walks one caller through a flow and returns where the call goes.

One interpreter for the phone, for tests, for simulation and for replay: it knows only
`CallSession`, `Voice` and `Desk`.

Each node is journalled as it is entered, and each menu again every time it is said again, with
what led there: the key pressed, `t` nothing was pressed in time, `i7` the key 7 the menu does not
have, `#` several digits (never which), `r` gone on after an `agi` process was lost, empty where the
flow went on by itself. The built-in way to a person, which is no node of the flow, is written as
`PERSON`.

Round trips: a menu costs two, however often it is said and whatever is told before it; a key
pressed ahead saves one. Nodes that ask several things are journalled at each question, so that no
step costs more than two.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Final

from callcenter.ivr.conversation import (
    INVALID,
    INVALID_KEY,
    RESUMED,
    TIMED_OUT,
    Around,
    Conversation,
    Frame,
    Go,
    Plan,
    Voice,
)
from callcenter.ivr.dialogues.articles import article, article_menu
from callcenter.ivr.dialogues.callback import callback
from callcenter.ivr.dialogues.cases import case_status
from callcenter.ivr.dialogues.digits import collect
from callcenter.ivr.dialogues.fax import fax
from callcenter.ivr.dialogues.survey import survey
from callcenter.ivr.exits import EnterQueue, FlowExit, HangUp, LeaveMessage, Transfer
from callcenter.ivr.nodes import (
    PERSON,
    RETURN,
    Article,
    ArticleMenu,
    Branch,
    ByHours,
    CaseStatus,
    Collect,
    End,
    Menu,
    Node,
    Say,
    Set,
    SubFlow,
    Survey,
    SwitchLanguage,
    ToCallback,
    ToFax,
    ToNumber,
    ToQueue,
    ToVoicemail,
)
from callcenter.ivr.session import CallerHungUp, CallSession

__all__ = ["INVALID_KEY", "MAX_STEPS", "PERSON", "Around", "Plan", "Voice", "run_flow"]

#: A caller who has been through so many nodes is going round in circles: a person helps.
MAX_STEPS: Final = 200

log = logging.getLogger(__name__)


async def run_flow(
    plan: Plan,
    call: CallSession,
    voice: Voice,
    around: Around | None = None,
    *,
    ahead: str | None = None,
    on_fault: Callable[[Exception], None] = lambda _exc: None,
) -> FlowExit:
    """Lead the caller through the flow. `ahead`: a key pressed before it began.

    Raises only `CallerHungUp`: any fault of ours ends in `EnterQueue`, the caller is never dropped.
    """
    try:
        talk = Conversation(plan, call, voice, around or Around())
        talk.ahead = ahead
        return await _Run(talk).through()
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
    def __init__(self, talk: Conversation) -> None:
        self.talk = talk
        self.call = talk.call
        self.plan = talk.plan

    async def through(self) -> FlowExit:
        going = self._begin()
        for _ in range(MAX_STEPS):
            if going.target == PERSON:
                return await self._person(going.key)
            if going.target == RETURN:
                going = Go(self._return(), going.key)
                continue
            node = self.talk.frame.definition.nodes[going.target]
            done = await self._visit(going.target, node, going.key)
            if not isinstance(done, Go):
                return done
            going = done
        return EnterQueue(self.plan.queue, why="steps")

    def _begin(self) -> Go:
        talk, call = self.talk, self.call
        entry = Go(self.plan.definition.entry)
        if call.resume_node is None:
            return entry
        talk.language = call.language or self.plan.language
        if call.resume_node == PERSON:
            return Go(PERSON, RESUMED)
        if call.resume_flow not in (None, "", self.plan.flow):
            # What ran this flow is forgotten with the process: `.return` is a person.
            self._enter_flow(call.resume_flow, back_to=PERSON)
        if call.resume_node in talk.frame.definition.nodes:
            return Go(call.resume_node, RESUMED)
        del talk.frames[1:]
        return entry

    def _enter_flow(self, name: str, *, back_to: str) -> str | None:
        """Where another flow begins; None where it is not there (it never was published)."""
        found = self.plan.library.flows.get(name)
        if found is None:
            return None
        version, definition = found
        self.talk.frames.append(Frame(name, version, definition, back_to))
        return definition.entry

    def _return(self) -> str:
        if len(self.talk.frames) == 1:
            return PERSON
        return self.talk.frames.pop().back_to or PERSON

    async def _visit(self, here: str, node: Node, key: str) -> Go | FlowExit:
        """One node: where the flow goes on, or the exit."""
        talk = self.talk
        match node:
            case Menu():
                return await self._choose(here, node, key)
            case Collect():
                return await collect(talk, here, node, key)
            case Article(article=str()):
                return await article(talk, here, node, key)
            case ArticleMenu():
                return await article_menu(talk, here, node, key)
            case CaseStatus():
                return await case_status(talk, here, node, key)
            case Survey():
                return await survey(talk, here, node, key)
            case ToCallback():
                return await callback(talk, here, node, key)
            case ToFax():
                return await fax(talk, here, node, key)
            case _:
                pass
        await talk.entered(here, key)
        match node:
            case Say():
                await talk.read(talk.files(node.say))
                return Go(node.next)
            case Article():
                await talk.read(talk.files(node.text))
                return Go(node.next)
            case SwitchLanguage():
                talk.language = node.language
                await self.call.set_language(node.language)
                return Go(node.next)
            case Branch():
                return Go(node.cases.get(talk.value_of(node.on), node.otherwise))
            case ByHours():
                now = self.plan.library.hours[node.schedule](talk.clock())
                if now.is_open:
                    return Go(node.open)
                return Go((node.holiday if now.is_holiday else None) or node.closed)
            case Set():
                talk.values |= node.values
                if node.pace is not None:
                    talk.is_slow = node.pace == "slow"
                return Go(node.next)
            case SubFlow():
                if len(talk.frames) > MAX_STEPS // 10:
                    return Go(PERSON)
                return Go(self._enter_flow(node.flow, back_to=node.next) or PERSON)
            case ToQueue():
                await talk.read(talk.files(node.say))
                return EnterQueue(node.queue, priority=node.priority)
            case ToVoicemail():
                # The mailbox itself says the last part: it does so even when we die now.
                *before, greeting = talk.files(node.say) or [Path()]
                await talk.read(before)
                if talk.ahead == "0":
                    return Go(PERSON, "0")
                return LeaveMessage(node.reason, greeting.stem)
            case ToNumber():
                await talk.read(talk.files(node.say))
                if talk.ahead == "0":
                    return Go(PERSON, "0")
                return Transfer(node.to, node.queue or self.plan.queue, node.ring_seconds)
            case End():
                await talk.read(talk.files(node.say))
                return Go(PERSON, "0") if talk.ahead == "0" else HangUp()
        raise AssertionError(f"no way through a node of type {node.type}")

    async def _choose(self, here: str, menu: Menu, led_by: str) -> Go:
        """Where the caller wants to go, and by which key."""
        way_out = menu.on_timeout
        key = led_by
        for _ in range(menu.retries + 1):
            files = self.talk.files(menu.say)
            if key.startswith(INVALID):
                files = [*self.talk.prompts(INVALID_KEY), *files]
            step = self.talk.step(here, key)
            pressed = await self.talk.one_key(step, files, menu.timeout_seconds)
            if pressed == "0":
                return Go(self._person_of(menu), "0")
            if pressed is None:
                way_out, key = menu.on_timeout, TIMED_OUT
            elif pressed in menu.options:
                return Go(menu.options[pressed], pressed)
            else:
                way_out, key = menu.on_invalid, INVALID + pressed
        return Go(way_out or PERSON, key)

    def _person_of(self, menu: Menu) -> str:
        """`0` is a person whatever the menu says: its own queue node, or the line's queue."""
        target = menu.options.get("0", PERSON)
        node = self.talk.frame.definition.nodes.get(target)
        return target if isinstance(node, ToQueue) else PERSON

    async def _person(self, key: str) -> FlowExit:
        await self.talk.entered(PERSON, key)
        return EnterQueue(self.plan.queue)
