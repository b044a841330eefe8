"""Acts of supervisors over AMI: done once, and told as done only when Asterisk was seen to do them.

Which channel is meant comes from the journal's rows; that it still lives, and is still where the
supervisor saw it, is asked of Asterisk right before the act.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from hashlib import blake2b
from typing import Any, Final, TypeVar

from callcenter.agents.supervision import service as kinds
from callcenter.agents.supervision.model import Pickup, SpyMode
from callcenter.asterisk.ami.client import AmiClient
from callcenter.asterisk.ami.messages import AmiMessage
from callcenter.asterisk.channel_ids import SPY_CHANNEL_PREFIX
from callcenter.asterisk.dialplan import (
    Context,
    Variable,
    our_queue,
)
from callcenter.asterisk.errors import ActionRefused, UnsafeValue
from callcenter.asterisk.queue_order import (
    QUEUE_PRIO,
    priority_of,
    with_priority,
)
from callcenter.calls.events import CallEvent, PriorityChanged
from callcenter.platform.clock import Clock
from callcenter.switch.acts import Act, ActRefused, ActUnknown, Executor

#: How long the supervisor's phone rings; the dialplan's Dial() has its own 20 s for a take-over.
_RING_MS: Final = 20_000
#: How long Asterisk may take for what it does at once.
_AT_ONCE: Final = timedelta(seconds=3)
_LOOK_EVERY: Final = timedelta(milliseconds=150)
_CHANNEL: Final = re.compile(r"PJSIP/[1-9][0-9]{2,5}-[0-9a-f]{8}")
#: Device states of a phone that can be called.
_CALLABLE: Final = frozenset({"NOT_INUSE", "UNKNOWN"})

#: Folds a record of ours into its call.
Note = Callable[[CallEvent], Awaitable[None]]
Seen = TypeVar("Seen")


class Supervision:
    """The executors. `note` is the journal consumer's."""

    def __init__(self, ami: AmiClient, note: Note, clock: Clock) -> None:
        self._ami = ami
        self._note = note
        self._clock = clock

    def executors(self) -> dict[str, Executor]:
        return {
            kinds.SPY: self.spy,
            kinds.SPY_MODE: self.change_mode,
            kinds.SPY_STOP: self.stop_spying,
            kinds.TAKE_OVER: self.take_over,
            kinds.MOVE: self.move,
            kinds.PRIORITY: self.prioritise,
        }

    async def spy(self, act: Act) -> dict[str, Any]:
        """Call the supervisor's phone into ChanSpy() of the agent's channel."""
        wish = act.arguments
        channel, phone, mode = wish["channel"], wish["phone"], SpyMode(wish["mode"])
        live = await self._channels()
        agent = _by_uniqueid(live, wish["uniqueid"])
        if agent is None or agent.get("Channel") != channel or not _CHANNEL.fullmatch(channel):
            raise ActRefused(f"Agent {wish['agent']} is not in that call any more.")
        await self._must_be_free(live, phone)
        by_itself = _AUTO_ANSWER if wish.get("auto_answer") else ()
        await self._ami.action(
            "Originate",
            {
                "Channel": f"PJSIP/{phone}",
                "ChannelId": f"{SPY_CHANNEL_PREFIX}{wish['spying_call']}",
                "Context": Context.SPY,
                "Exten": mode.value,
                "Priority": "1",
                "Timeout": str(_RING_MS),
                "CallerID": f"{mode.value} <{wish['agent']}>",
                "Async": "true",
                "Variable": [
                    f"{Variable.CALL_ID}={wish['spying_call']}",
                    f"{Variable.SPY_CHANNEL}={channel}",
                    f"{Variable.SPY_AGENT}={wish['agent']}",
                    f"{Variable.SPY_CALL}={wish['call_id']}",
                    # As sub-one-call counts them: no queue rings this phone meanwhile.
                    f"GROUP(phone)={phone}",
                    *by_itself,
                ],
            },
        )
        uniqueid = f"{SPY_CHANNEL_PREFIX}{wish['spying_call']}"

        async def rings() -> AmiMessage | None:
            return _by_uniqueid(await self._channels(), uniqueid)

        own = await self._seen(rings, _AT_ONCE)
        if own is None:
            raise ActRefused(f"Phone {phone} cannot be called: it is not there, or it refused.")
        return {"pickup": await self._picked_up(own["Channel"], channel, mode)}

    async def change_mode(self, act: Act) -> dict[str, Any]:
        """Lead the supervisor's channel into ChanSpy() anew, with other options."""
        wish = act.arguments
        own = _by_uniqueid(await self._channels(), f"{SPY_CHANNEL_PREFIX}{wish['spying_call']}")
        if own is None:
            raise ActRefused(f"Phone {wish['phone']} hears nobody any more.")
        mode = SpyMode(wish["mode"])
        await self._redirect(own["Channel"], Context.SPY, mode.value)
        pickup = await self._picked_up(own["Channel"], wish["channel"], mode)
        if pickup is not Pickup.CONNECTED:
            raise ActUnknown("The mode was not seen to change: look at /supervision/spying.")
        return {"pickup": pickup}

    async def stop_spying(self, act: Act) -> dict[str, Any]:
        """Hang up the supervisor's channel."""
        phone, agent = act.arguments["phone"], act.arguments["agent"]
        own = _spy_channel(await self._channels(), phone)
        if own is None or await self._variable(own["Channel"], Variable.SPY_AGENT) != agent:
            raise ActRefused(f"Phone {phone} does not hear agent {agent}.")
        await self._hang_up(own)
        return {}

    async def take_over(self, act: Act) -> dict[str, Any]:
        """Redirect the caller to the supervisor's phone."""
        wish = act.arguments
        phone = wish["phone"]
        live = await self._channels()
        caller = _by_uniqueid(live, wish["uniqueid"])
        if caller is None:
            raise ActRefused("The caller has hung up.")
        # Whoever listened first and takes over now has one phone.
        listening = _spy_channel(live, phone)
        if listening is not None:
            await self._hang_up(listening)
            live = await self._channels()
        await self._must_be_free(live, phone)
        by_itself = "yes" if wish.get("auto_answer") else ""
        await self._set(caller["Channel"], Variable.AUTO_ANSWER, by_itself)
        before = await self._status(caller["Channel"])
        old_bridge = before.get("BridgeID") if before is not None else None
        await self._redirect(caller["Channel"], Context.TAKE_OVER, phone)

        async def at_the_phone() -> Pickup | None:
            now = await self._status(caller["Channel"])
            if now is None:
                raise ActRefused("The caller has hung up.")
            if now.get("Context") != Context.TAKE_OVER:
                return None
            # A moment after the redirect it is still in the bridge with the agent.
            bridge = now.get("BridgeID")
            return Pickup.CONNECTED if bridge and bridge != old_bridge else None

        if await self._seen(at_the_phone, kinds.PICKUP_LIMIT) is None:
            now = await self._status(caller["Channel"])
            if now is None or now.get("Context") != Context.TAKE_OVER:
                raise ActRefused(
                    f"Phone {phone} did not take the call: the caller is back in the queue."
                )
            return {"pickup": Pickup.RINGING}
        return {"pickup": Pickup.CONNECTED}

    async def move(self, act: Act) -> dict[str, Any]:
        """Redirect a waiting caller into another queue."""
        wish = act.arguments
        channel = await self._caller(wish["uniqueid"])
        if await self._waiting(channel, wish["from"]) is None:
            raise ActRefused(f"The caller does not wait in queue {wish['from']} any more.")
        await self._set(channel, Variable.MOVE_TO, wish["to"])
        await self._redirect(channel, Context.MOVE, "s")

        async def there() -> AmiMessage | None:
            return await self._waiting(channel, wish["to"])

        moved = await self._seen(there, _AT_ONCE)
        if moved is None:
            # Taken at once, sent on by that queue, or hung up: the call's row will tell.
            raise ActUnknown(f"The caller was not seen to wait in queue {wish['to']}.")
        return _place(moved)

    async def prioritise(self, act: Act) -> dict[str, Any]:
        """Change a waiting caller's priority, and have the call's row follow."""
        wish = act.arguments
        queue, priority = wish["queue"], int(wish["priority"])
        channel = await self._caller(wish["uniqueid"])
        entry = await self._waiting(channel, queue)
        if entry is None:
            raise ActRefused(f"The caller does not wait in queue {queue} any more.")
        prio = str(with_priority(int(entry["Priority"]), priority))
        try:
            await self._ami.action(
                "QueueChangePriorityCaller",
                {
                    "Queue": entry["Queue"],
                    "Caller": channel,
                    "Priority": prio,
                    "Immediate": "yes",
                },
            )
        except ActionRefused as exc:
            raise ActRefused(exc.reason) from exc
        at = self._clock()
        # Wherever the caller waits next the priority goes along.
        await self._set(channel, Variable.PRIORITY, str(priority) if priority else "")
        await self._set(channel, QUEUE_PRIO, prio)
        changed = await self._waiting(channel, queue)
        if changed is None:
            raise ActUnknown("The caller left the queue while the priority was changed.")
        if changed.get("Priority") != prio:
            raise ActUnknown("Asterisk does not show the priority.")
        # Asterisk's journal has no record of it.
        await self._note(
            PriorityChanged(
                key=blake2b(f"act/{act.act_id}".encode(), digest_size=16).digest(),
                at=at,
                uniqueid=wish["uniqueid"],
                linkedid=wish["linkedid"],
                channel=channel,
                priority=priority,
            )
        )
        return _place(changed)

    # What Asterisk says ---------------------------------------------------------------------------

    async def _channels(self) -> Sequence[AmiMessage]:
        return await self._ami.list_action("CoreShowChannels")

    async def _status(self, channel: str) -> AmiMessage | None:
        """One channel as it is; None: it is gone."""
        try:
            found = await self._ami.list_action("Status", {"Channel": channel})
        except ActionRefused:
            return None
        return next((one for one in found if one.name == "Status"), None)

    async def _caller(self, uniqueid: str) -> str:
        """The caller's channel. Raises `ActRefused`."""
        caller = _by_uniqueid(await self._channels(), uniqueid)
        if caller is None:
            raise ActRefused("The caller has hung up.")
        return caller["Channel"]

    async def _waiting(self, channel: str, queue: str) -> AmiMessage | None:
        """The caller's entry in a queue of ours, in whichever of app_queue's queues it is that
        make it up; None: there is none."""
        name = await self._variable(channel, Variable.WAIT_IN)
        if our_queue(name) != queue:
            return None
        found = await self._ami.list_action("QueueStatus", {"Queue": name})
        entries = (one for one in found if one.name == "QueueEntry")
        return next((one for one in entries if one.get("Channel") == channel), None)

    async def _variable(self, channel: str, name: str) -> str:
        try:
            answer = await self._ami.action("Getvar", {"Channel": channel, "Variable": name})
        except ActionRefused:
            return ""
        return answer.get("Value") or ""

    async def _must_be_free(self, live: Sequence[AmiMessage], phone: str) -> None:
        if any((one.get("Channel") or "").startswith(f"PJSIP/{phone}-") for one in live):
            raise ActRefused(f"Phone {phone} is in a call.")
        answer = await self._ami.action("Getvar", {"Variable": f"DEVICE_STATE(PJSIP/{phone})"})
        state = answer.get("Value") or ""
        if state not in _CALLABLE:
            raise ActRefused(f"Phone {phone} cannot be called now ({state.lower()}).")

    async def _picked_up(self, own: str, spied: str, mode: SpyMode) -> Pickup:
        """Whether the supervisor's channel is in ChanSpy() of that channel, in that mode."""
        wanted = f"{spied},{_OPTIONS[mode]}"

        async def hears() -> Pickup | None:
            now = await self._status(own)
            if now is None:
                raise ActRefused("The phone did not take the call, or the conversation is over.")
            spies = now.get("Application") == "ChanSpy" and now.get("Data") == wanted
            return Pickup.CONNECTED if spies else None

        return await self._seen(hears, kinds.PICKUP_LIMIT) or Pickup.RINGING

    @staticmethod
    async def _seen(look: Callable[[], Awaitable[Seen | None]], limit: timedelta) -> Seen | None:
        """What `look` sees at last; None: nothing within the limit."""
        loop = asyncio.get_running_loop()
        until = loop.time() + limit.total_seconds()
        while True:
            seen = await look()
            if seen is not None or loop.time() >= until:
                return seen
            await asyncio.sleep(_LOOK_EVERY.total_seconds())

    # What Asterisk is told ------------------------------------------------------------------------

    async def _redirect(self, channel: str, context: Context, exten: str) -> None:
        try:
            await self._ami.action(
                "Redirect",
                {"Channel": channel, "Context": context, "Exten": exten, "Priority": "1"},
            )
        except (ActionRefused, UnsafeValue) as exc:
            raise ActRefused(exc.message) from exc

    async def _set(self, channel: str, name: str, value: str) -> None:
        try:
            await self._ami.action("Setvar", {"Channel": channel, "Variable": name, "Value": value})
        except ActionRefused as exc:
            raise ActRefused(exc.message) from exc

    async def _hang_up(self, channel: Mapping[str, str] | AmiMessage) -> None:
        name = channel["Channel"]
        try:
            await self._ami.action("Hangup", {"Channel": name})
        except ActionRefused:
            return  # it hung up by itself

        async def gone() -> bool | None:
            return True if await self._status(name) is None else None

        if await self._seen(gone, _AT_ONCE) is None:
            raise ActRefused("The supervisor's phone did not hang up.")


#: As in dialplan/extensions_supervision.conf (tests/contract).
_OPTIONS: Final = {SpyMode.LISTEN: "quE", SpyMode.WHISPER: "quEw", SpyMode.JOIN: "quEB"}


#: As in sub-auto-answer (tests/contract). A variable whose name is a function is written by it,
#: before the phone is called; `PreDialGoSub` is ignored where the Originate is Async (22.10).
_AUTO_ANSWER: Final = (
    "PJSIP_HEADER(add,Call-Info)=<sip:hotline>;answer-after=0",
    "PJSIP_HEADER(add,Alert-Info)=<http://hotline>;info=alert-autoanswer;delay=0",
    "PJSIP_HEADER(add,Answer-Mode)=Auto",
)


def auto_answer() -> Sequence[str]:
    """What asks a phone to answer by itself, as variables of its channel."""
    return _AUTO_ANSWER


def _by_uniqueid(live: Sequence[AmiMessage], uniqueid: str) -> AmiMessage | None:
    return next((one for one in live if one.get("Uniqueid") == uniqueid), None)


def _spy_channel(live: Sequence[AmiMessage], phone: str) -> AmiMessage | None:
    """The channel by which this phone hears somebody, or rings for it."""
    for one in live:
        named = (one.get("Channel") or "").startswith(f"PJSIP/{phone}-")
        if named and (one.get("Uniqueid") or "").startswith(SPY_CHANNEL_PREFIX):
            return one
    return None


def _place(entry: AmiMessage) -> dict[str, Any]:
    prio = int(entry["Priority"])
    return {"position": int(entry["Position"]), "priority": priority_of(prio)}


def spy_options() -> Mapping[SpyMode, str]:
    """ChanSpy()'s options by mode."""
    return _OPTIONS
