"""Acts in a conversation, done once by the node: `agents.in_call` orders them.

More than two people, or two of whom one is put aside, meet in a ConfBridge named by the call. Its
citizen and agent come there out of Queue()'s bridge by one Redirect of both; the recording sits on
the citizen's channel and goes on. What must hold while Python is dead stands in
`dialplan/extensions_in_call.conf`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from callcenter.agents.in_call import store
from callcenter.asterisk.ami.bus import AmiBus
from callcenter.asterisk.ami.client import AmiClient
from callcenter.asterisk.ami.messages import AmiMessage
from callcenter.asterisk.channel_ids import leg_call_of
from callcenter.asterisk.channels import Channel, Channels
from callcenter.asterisk.dialplan import (
    Context,
    Variable,
)
from callcenter.asterisk.errors import ActionRefused, AsteriskError
from callcenter.asterisk.trunk import NAME as TRUNK
from callcenter.platform.db import Database, DatabaseUnavailable
from callcenter.switch.acts import Act, ActRefused, ActUnknown, Executor

log = logging.getLogger(__name__)

_RING_MS: Final = 45_000
_CALLED_WITHIN: Final = timedelta(seconds=2)
_LET_GO_WITHIN: Final = timedelta(milliseconds=500)
#: How much later a phone may begin to ring for a queue that called it before we did.
_CHOSEN_BEFORE: Final = timedelta(milliseconds=300)
_LOOK_EVERY_SECONDS: Final = 0.05
_DIGIT: Final = timedelta(milliseconds=120)
_BETWEEN_DIGITS_SECONDS: Final = 0.2
#: Who left or joined and was not looked at yet.
_MOST_NEWS: Final = 10_000


class InCallActs:
    """`executors` are the node's; `run`, to be supervised, does what follows of somebody's joining
    or leaving: brings a citizen back, lets an agent go."""

    def __init__(
        self, ami: AmiClient, bus: AmiBus, database: Database, *, trunk_host: str | None
    ) -> None:
        self._channels = Channels(ami)
        self._database = database
        self._trunk_host = trunk_host
        self._locks: dict[str, asyncio.Lock] = {}
        self._failed: dict[str, str] = {}
        self._asked: dict[str, str] = {}  # call → the leg of whom is asked there
        self._news: asyncio.Queue[tuple[str, str]] = asyncio.Queue(_MOST_NEWS)
        bus.on("OriginateResponse", self._on_originated)
        bus.on("ConfbridgeJoin", self._on_joined)
        bus.on("Hangup", self._on_gone)

    def executors(self) -> dict[str, Executor]:
        """By kind of act."""
        return {
            "in_call.hold": self._hold,
            "in_call.unhold": self._unhold,
            "in_call.transfer": self._transfer_or_consult,
            "in_call.complete": self._complete,
            "in_call.cancel": self._cancel,
            "in_call.three_way": self._call_in,
            "in_call.conference": self._call_in,
            "in_call.call_out": self._call_in,
            "in_call.emergency": self._call_in,
            "in_call.release": self._release,
            "in_call.dtmf": self._dtmf,
        }

    async def run(self) -> None:
        """For ever."""
        while True:
            what, uniqueid = await self._news.get()
            try:
                if what == "joined":
                    await self._after_joining(uniqueid)
                else:
                    await self._after_leaving(uniqueid)
            except (DatabaseUnavailable, AsteriskError, ActRefused, ActUnknown) as exc:
                # The dialplan lets nobody wait for ever; an agent who is not let go can hang up.
                log.warning("%s %s was not followed up: %s", uniqueid, what, exc.message)

    # What acts do. Each raises `ActRefused` where it was certainly not done.

    async def _hold(self, act: Act) -> dict[str, Any]:
        async with self._one_at_a_time(_call(act)):
            citizen, _ = await self._meet(act.arguments)
            if citizen.is_held:
                raise ActRefused("The citizen is put aside already.")
            await self._put_aside(citizen)
        return {}

    async def _unhold(self, act: Act) -> dict[str, Any]:
        async with self._one_at_a_time(_call(act)):
            citizen = await self._citizen(act.arguments)
            if not citizen.is_held:
                raise ActRefused("The citizen is not put aside.")
            await self._bring_back(citizen)
        return {}

    async def _transfer_or_consult(self, act: Act) -> dict[str, Any]:
        if "leg" in act.arguments:
            return await self._call_in(act)
        async with self._one_at_a_time(_call(act)):
            citizen = await self._citizen(act.arguments)
            met = citizen.meets or citizen.is_held
            if not citizen.bridge and not citizen.is_held:
                raise ActRefused("The citizen talks with nobody now.")
            by = str(act.arguments["agent_id"])
            await self._channels.set_variable(citizen, Variable.PASSED_BY, by)
            try:
                await self._channels.send(citizen, Context.FROM_AGENTS, str(act.arguments["to"]))
            except ActionRefused as exc:
                raise ActRefused(f"Nothing was transferred: {exc.reason}") from exc
            await self._until_passed(citizen)
            if met:
                # Outside a conference Asterisk hangs up who is left by the citizen.
                await self._channels.end_conference(str(act.arguments["call_id"]))
        return {}

    async def _until_passed(self, citizen: Channel) -> None:
        """The dialplan takes the variable away once it has told the journal."""
        for _ in range(60):
            value = await self._channels.variable(citizen, Variable.PASSED_BY)
            if not value:
                return
            await asyncio.sleep(_LOOK_EVERY_SECONDS)
        raise ActUnknown("The citizen was sent there, but was not seen to arrive.")

    async def _call_in(self, act: Act) -> dict[str, Any]:
        said = act.arguments
        leg = str(said["leg"])
        async with self._one_at_a_time(_call(act)):
            if said["endpoint"] is not None:
                await self._must_be_free(str(said["endpoint"]))
            citizen, _ = await self._meet(said)
            if said["held"]:
                self._asked[_call(act)] = leg
                citizen = await self._put_aside(citizen)
            self._failed.pop(leg, None)
            try:
                await self._channels.originate(originate(said, self._trunk_host))
                state = await self._until_called(leg)
                if said["endpoint"] is not None:
                    await self._must_ring_alone(str(said["endpoint"]), leg)
            except (ActionRefused, ActRefused) as exc:
                if said["held"]:
                    await self._bring_back(citizen)
                if isinstance(exc, ActRefused):
                    raise
                raise ActRefused(f"Nobody was called: {exc.reason}") from exc
        return {"state": state}

    async def _complete(self, act: Act) -> dict[str, Any]:
        async with self._one_at_a_time(_call(act)):
            live = await self._channels.live()
            citizen = _of(live, act.arguments, "citizen")
            if not citizen.is_held:
                raise ActRefused("The citizen is not put aside: there is no consultation.")
            await self._bring_back(citizen)
            self._asked.pop(_call(act), None)
            agent = live.get(str(act.arguments["agent"]))
            if agent is not None:
                await self._channels.hang_up(agent)
        return {}

    async def _cancel(self, act: Act) -> dict[str, Any]:
        async with self._one_at_a_time(_call(act)):
            live = await self._channels.live()
            self._asked.pop(_call(act), None)
            asked = live.get(str(act.arguments["leg"]))
            if asked is not None:
                await self._channels.hang_up(asked)
            citizen = await self._citizen(act.arguments)
            if citizen.is_held:
                await self._bring_back(citizen)
        return {}

    async def _release(self, act: Act) -> dict[str, Any]:
        async with self._one_at_a_time(_call(act)):
            called_in = (await self._channels.live()).get(str(act.arguments["leg"]))
            if called_in is None:
                raise ActRefused("They have hung up.")
            await self._channels.hang_up(called_in)
        return {}

    async def _dtmf(self, act: Act) -> dict[str, Any]:
        far = _of(await self._channels.live(), act.arguments, "far")
        sent = 0
        for digit in str(act.arguments["digits"]):
            try:
                await self._channels.press(far, digit, _DIGIT)
            except ActionRefused as exc:
                raise ActRefused(f"{sent} keys were pressed, then: {exc.reason}") from exc
            sent += 1
            await asyncio.sleep(_BETWEEN_DIGITS_SECONDS)
        return {"sent": sent}

    # Parts of them.

    @asynccontextmanager
    async def _one_at_a_time(self, call: str) -> AsyncIterator[None]:
        """Two acts in one call do not mix."""
        lock = self._locks.setdefault(call, asyncio.Lock())
        try:
            async with lock:
                yield
        finally:
            if not lock.locked():
                self._locks.pop(call, None)

    async def _citizen(self, said: Mapping[str, Any]) -> Channel:
        return _of(await self._channels.live(), said, "citizen")

    async def _meet(self, said: Mapping[str, Any]) -> tuple[Channel, Channel]:
        """Citizen and agent in the call's conference (the citizen may be put aside)."""
        live = await self._channels.live()
        citizen, agent = _of(live, said, "citizen"), _of(live, said, "agent")
        if agent.meets and (citizen.meets or citizen.is_held):
            return citizen, agent
        if not citizen.bridge or citizen.bridge != agent.bridge:
            raise ActRefused("The agent and the citizen do not talk with each other now.")
        try:
            await self._channels.send(citizen, Context.MEET, "citizen", (agent, "staff"))
        except ActionRefused as exc:
            raise ActRefused(f"They cannot meet: {exc.reason}") from exc
        agent = await self._channels.seen(agent, lambda c: c.meets, "the agent in a conference")
        citizen = await self._channels.seen(
            citizen, lambda c: c.meets, "the citizen in a conference"
        )
        return citizen, agent

    async def _put_aside(self, citizen: Channel) -> Channel:
        try:
            await self._channels.send(citizen, Context.HOLD, "s")
        except ActionRefused as exc:
            raise ActRefused(f"The citizen cannot be put aside: {exc.reason}") from exc
        return await self._channels.seen(citizen, lambda c: c.is_held, "the citizen put aside")

    async def _bring_back(self, citizen: Channel) -> Channel:
        try:
            await self._channels.send(citizen, Context.MEET, "citizen")
        except ActionRefused as exc:
            raise ActRefused(f"The citizen cannot be brought back: {exc.reason}") from exc
        back = await self._channels.seen(citizen, lambda c: c.meets, "the citizen brought back")
        if await self._send_back_if_alone(back.uniqueid, await self._channels.live()):
            raise ActRefused("The agent has hung up; the citizen waits for another one.")
        return back

    async def _send_back_if_alone(self, citizen: str, live: Mapping[str, Channel]) -> bool:
        """A citizen who comes into the conference in the moment in which the last of ours leaves it
        is let go by nobody: they go to the queue. True: so it was done."""
        if not _may_be_alone(citizen, live):
            return False
        # Whom the conference is just letting go is still there for a moment.
        await asyncio.sleep(_LET_GO_WITHIN.total_seconds())
        live = await self._channels.live()
        if not _may_be_alone(citizen, live) or not live[citizen].meets:
            return False
        log.warning("a citizen was alone in a conference: to the queue (%s)", citizen)
        await self._channels.send(live[citizen], Context.MEET, "back")
        return True

    async def _must_be_free(self, endpoint: str) -> None:
        live = await self._channels.live()
        if any(_is_of(endpoint, channel) for channel in live.values()):
            raise ActRefused(f"Agent {endpoint} is in a call.")

    async def _must_ring_alone(self, endpoint: str, leg: str) -> None:
        """Raises `ActRefused`, with our call to this phone taken back, where a queue has it ring
        too: one whose INVITE had left before our channel was there to be counted."""
        deadline = asyncio.get_running_loop().time() + _CHOSEN_BEFORE.total_seconds()
        while asyncio.get_running_loop().time() < deadline:
            live = await self._channels.live()
            own = live.get(leg)
            if own is None:
                return
            others = [c for c in live.values() if _is_of(endpoint, c) and c.uniqueid != leg]
            if any(other.state != "Down" for other in others):
                await self._channels.hang_up(own)
                raise ActRefused(f"Agent {endpoint} is in a call.")
            await asyncio.sleep(_LOOK_EVERY_SECONDS)

    async def _until_called(self, leg: str) -> str:
        """Until the leg rings, or is answered; its state. Raises `ActRefused`, `ActUnknown`."""
        deadline = asyncio.get_running_loop().time() + _CALLED_WITHIN.total_seconds()
        while True:
            if leg in self._failed:
                raise ActRefused(self._failed.pop(leg))
            channel = (await self._channels.live()).get(leg)
            late = asyncio.get_running_loop().time() > deadline
            if channel is not None and (channel.state in ("Ringing", "Up") or late):
                # A trunk may say nothing for a while: it is being called all the same.
                return channel.state.lower()
            if late:
                raise ActUnknown("Asterisk was asked to call, but was not seen to.")
            await asyncio.sleep(_LOOK_EVERY_SECONDS)

    # What follows of joining and leaving.

    def _on_originated(self, event: AmiMessage) -> None:
        leg = event.get("Uniqueid") or ""
        if leg_call_of(leg) is not None and event.get("Response") != "Success":
            if len(self._failed) > _MOST_NEWS:
                self._failed.clear()
            self._failed[leg] = _REASONS.get(
                event.get("Reason") or "", "They cannot be called now."
            )
            self._note("gone", leg)

    def _on_joined(self, event: AmiMessage) -> None:
        leg = event.get("Uniqueid") or ""
        if leg_call_of(leg) is not None:
            self._note("joined", leg)

    def _on_gone(self, event: AmiMessage) -> None:
        if event.get("Context") == Context.MEET:
            self._note("gone", event.get("Uniqueid") or "")

    def _note(self, what: str, uniqueid: str) -> None:
        try:
            self._news.put_nowait((what, uniqueid))
        except asyncio.QueueFull:
            log.error("too many joined and left at once: %s %s is not followed up", uniqueid, what)

    async def _after_joining(self, leg: str) -> None:
        """An emergency service has answered: the agent goes, where the act says so."""
        async with self._database.transaction() as connection:
            row = await store.party_by_leg(connection, leg)
        if row is None or row["releases"] is None:
            return
        agent = (await self._channels.live()).get(str(row["releases"]))
        if agent is not None:
            await self._channels.hang_up(agent)

    async def _after_leaving(self, uniqueid: str) -> None:
        """Whom the agent asked is gone, or the agent, having asked: the citizen is brought back to
        who is left."""
        async with self._database.transaction() as connection:
            party = await store.party_by_leg(connection, uniqueid)
            call_id = leg_call_of(uniqueid)
            found = await store.citizen_of_leg(connection, uniqueid)
            if found is None and call_id is not None:
                now = await store.call_now(connection, call_id)
                found = (call_id, now.citizen.uniqueid) if now and not now.ended else None
        asked = party is not None and party["purpose"] == "consultation" and not party["joined_at"]
        if found is None or (party is not None and not asked):
            return
        call, citizen_id = found
        if party is not None and self._asked.get(str(call), uniqueid) != uniqueid:
            return  # somebody else is asked by now
        async with self._one_at_a_time(str(call)):
            live = await self._channels.live()
            citizen = live.get(citizen_id)
            if citizen is None or not citizen.is_held:
                self._asked.pop(str(call), None)
                await self._send_back_if_alone(citizen_id, live)
                return
            # Nobody left: the dialplan sends the citizen to another agent within a second.
            if any(c.meets and c.conference == str(call) for c in live.values()):
                await self._bring_back(citizen)


#: AST_CONTROL_… of OriginateResponse.
_REASONS: Final = {
    "0": "They cannot be reached.",
    "1": "They hung up.",
    "3": "They did not answer.",
    "5": "They are engaged.",
    "8": "They cannot be reached: the lines are congested.",
}


def originate(said: Mapping[str, Any], trunk_host: str | None) -> dict[str, str | list[str]]:
    """The headers of the one Originate that calls somebody into a call."""
    call_id = UUID(str(said["call_id"]))
    caller = str(said["caller_id"])
    variables = [f"{Variable.CALL_ID}={call_id}"]
    if said["endpoint"] is not None:
        channel = f"PJSIP/{said['endpoint']}"
        # The dialplan's sub-one-call counts it: Queue() and Dial() give way from here on.
        variables.append(f"GROUP(phone)={said['endpoint']}")
    else:
        channel = f"PJSIP/{said['dialled']}@{TRUNK}"
        # RFC 3325: a provider that takes our own number from the registration for everybody's sees
        # here whose it is; RFC 3323 where it must not be passed on.
        shown = said["asserted"] or caller
        variables.append(
            f"PJSIP_HEADER(add,P-Asserted-Identity)=<sip:{shown}@{trunk_host or 'localhost'}>"
        )
        if said["hidden"]:
            variables.append("PJSIP_HEADER(add,Privacy)=id")
    return {
        "Channel": channel,
        "ChannelId": str(said["leg"]),
        "Context": Context.MEET,
        "Exten": "joins",
        "Priority": "1",
        "Timeout": str(_RING_MS),
        "CallerID": f"<{caller}>",
        "Async": "true",
        "Variable": variables,
    }


def _call(act: Act) -> str:
    return str(act.arguments["call_id"])


def _may_be_alone(citizen: str, live: Mapping[str, Channel]) -> bool:
    """In the conference with nobody else, or on the way into it."""
    own = live.get(citizen)
    if own is None or own.context != Context.MEET:
        return False
    name = own.conference
    return not any(
        other.meets and other.conference == name and other.uniqueid != citizen
        for other in live.values()
    )


def _is_of(endpoint: str, channel: Channel) -> bool:
    return channel.name.startswith(f"PJSIP/{endpoint}-")


def _of(live: Mapping[str, Channel], said: Mapping[str, Any], who: str) -> Channel:
    channel = live.get(str(said[who]))
    if channel is None:
        raise ActRefused("They have hung up.")
    return channel
