"""A call comes in: the door of its line, its flow, the case, and where the call goes on."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from callcenter.ivr.conversation import Around, Conversation, Plan, Voice
from callcenter.ivr.dialogues.callback import offer_callback
from callcenter.ivr.door import ClosedTo, Door, DoorPort, Way, at_the_door
from callcenter.ivr.exits import EnterQueue, FlowExit, HangUp, LeaveMessage, Refuse, Transfer
from callcenter.ivr.flows import FlowCache, Straight
from callcenter.ivr.model import Flow
from callcenter.ivr.runner import run_flow
from callcenter.ivr.session import CallerHungUp, CallSession
from callcenter.ivr.waits import NobodyKnows, WaitPort, wait_parts
from callcenter.platform.deadline import at_most
from callcenter.prompts.pieces.values import Unspeakable
from callcenter.queues.estimates.model import Foretold

#: What a line nobody knows speaks.
DEFAULT_LANGUAGE: Final = "zh"
#: A caller waits no longer than this for the case to be written; `node` catches up otherwise.
CASE_LIMIT: Final = timedelta(seconds=1)

#: Who waits in a queue has left the flow: nothing in it is gone to any more.
_NO_FLOW: Final = Flow.model_validate({"entry": "end", "nodes": {"end": {"type": "hangup"}}})

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class QueuedCall:
    """What is known of a call that is about to reach a person: enough to open its case."""

    call_id: UUID
    line: str
    queue: str
    why: str


OpenCase = Callable[[QueuedCall], Coroutine[Any, Any, None]]


class OpenDoor:
    """A line without a door: nothing is said, nobody is kept out."""

    async def door_for(self, line: str, caller: str | None) -> Door:
        return Door()


class IvrService:
    """Runs calls. `open_case` must be idempotent by call id: `node` opens the same case from the
    journal when it failed here.
    """

    def __init__(
        self,
        cache: FlowCache,
        voice: Voice,
        open_case: OpenCase,
        *,
        doors: DoorPort | None = None,
        around: Around | None = None,
        waits: WaitPort | None = None,
        case_limit: timedelta = CASE_LIMIT,
    ) -> None:
        self._cache = cache
        self._voice = voice
        self._open_case = open_case
        self._doors = doors or OpenDoor()
        self._around = around or Around()
        self._waits = waits or NobodyKnows()
        self._case_limit = case_limit
        #: For metrics: exits by kind and reason, `fault`, `case_late`, `case_failed`.
        self.counts: Counter[str] = Counter()

    async def run(self, call: CallSession) -> None:
        """Lead one caller from the first prompt to where the call goes.

        Raises `CallerHungUp` when the caller is gone, and what the session raises when it cannot
        even hand the call on: the dialplan then goes its own way.
        """
        try:
            exit = await self._decide(call)
        except CallerHungUp:
            raise
        except Exception as exc:
            self._count_fault(exc)
            log.error("call %s: fault before the flow: %s", call.call_id, type(exc).__name__)
            exit = EnterQueue(self._cache.default_queue, why="fault")
        if isinstance(exit, EnterQueue):
            _, foretold = await asyncio.gather(
                self._case_exists(call, exit), self._waits.foretell(exit.queue, exit.priority)
            )
            await self._tell(call, foretold)
            exit = replace(exit, position=foretold.position, wait=foretold.wait)
        elif isinstance(exit, Transfer):
            await self._case_exists(call, exit)
        self.counts[f"exit_{type(exit).__name__}"] += 1
        await call.leave(exit)

    async def offer_callback(self, call: CallSession, queue: str, *, waits: bool = True) -> None:
        """Offer a caller who waits in `queue` (or did, until it gave them up) to be called back:
        the wish is taken, or the dialplan goes on as it would have. Raises as `run`.
        """
        exit: FlowExit = EnterQueue(queue)
        try:
            plan = await self._cache.plan_for(call.line)
            language = call.language or plan.language or DEFAULT_LANGUAGE
            offer = Plan("", 0, _NO_FLOW, queue, language)
            talk = Conversation(offer, call, self._voice, self._around)
            exit = await offer_callback(talk, queue, waits=waits)
        except CallerHungUp:
            raise
        except Exception as exc:
            self._count_fault(exc)
            log.error("call %s: fault in a callback's offer: %s", call.call_id, type(exc).__name__)
        self.counts[f"exit_{type(exit).__name__}"] += 1
        await call.leave(exit)

    async def _decide(self, call: CallSession) -> FlowExit:
        # Both ask the database, neither for longer than a moment: the caller waits for one of them.
        plan, door = await asyncio.gather(
            self._cache.plan_for(call.line), self._doors.door_for(call.line, call.caller)
        )
        language = plan.language or DEFAULT_LANGUAGE
        if call.resume_node is not None:
            language = call.language or language
        elif plan.language is not None:
            await call.set_language(plan.language)
        flow, version = (plan.flow, plan.version) if isinstance(plan, Plan) else ("", 0)
        met = await at_the_door(door, call, self._voice, language, flow=flow, version=version)
        if met.way is Way.REFUSED:
            return Refuse()
        if met.way is Way.CLOSED:
            if door.closed_to is ClosedTo.HANGUP:
                return HangUp()
            return LeaveMessage("closed", met.greeting.stem if met.greeting else "")
        if isinstance(plan, Straight):
            exit: FlowExit = EnterQueue(plan.queue, why=plan.why)
        elif met.ahead == "0":
            # A person from everywhere, also from the words before the flow.
            exit = EnterQueue(plan.queue)
        else:
            exit = await run_flow(
                plan,
                call,
                self._voice,
                self._around,
                ahead=met.ahead,
                on_fault=self._count_fault,
            )
        if isinstance(exit, EnterQueue):
            # Who is on the nuisance list came by the emergency key: nobody asks them how it was.
            survey = door.survey and door.blocked is None
            return replace(exit, priority=max(door.priority, exit.priority), survey=survey)
        return exit

    async def _tell(self, call: CallSession, foretold: Foretold) -> None:
        """How long it will be, in the caller's language; a key skips it."""
        language = call.language or DEFAULT_LANGUAGE
        try:
            names = wait_parts(foretold, language)
        except Unspeakable:
            return
        if names:
            self.counts["wait_told"] += 1
            await call.play([self._voice.prompt(name, language) for name in names])

    def _count_fault(self, _exc: Exception) -> None:
        self.counts["fault"] += 1

    async def _case_exists(self, call: CallSession, exit: EnterQueue | Transfer) -> None:
        """The case is written before anybody is rung; a call never waits long for it."""
        why = exit.why if isinstance(exit, EnterQueue) else "transfer"
        wanted = QueuedCall(call.call_id, call.line, exit.queue, why)
        try:
            await at_most(self._case_limit, self._open_case(wanted), name="ivr-open-case")
        except TimeoutError:
            self.counts["case_late"] += 1
            log.warning("call %s: no case within the limit, the call goes on", call.call_id)
        except Exception as exc:
            self.counts["case_failed"] += 1
            log.error(
                "call %s: no case now (%s), the call goes on", call.call_id, type(exc).__name__
            )
