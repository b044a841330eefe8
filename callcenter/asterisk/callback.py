"""Callbacks over AMI: a placeholder, by Originate of a Local channel, waits in the queue in the
citizen's place; what it does then stands in dialplan/extensions_callback.conf.

The ids of both halves are ours, made of the call: Asterisk itself refuses a second one while the
first lives, and a node that was restarted knows its placeholders again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from callcenter.asterisk.channel_ids import (
    CALLBACK_CHANNEL_PREFIX,
    CALLBACK_QUEUE_SUFFIX,
    callback_call_of,
)
from callcenter.asterisk.dialplan import (
    Context,
    Variable,
    our_queue,
)
from callcenter.asterisk.errors import AsteriskError
from callcenter.asterisk.placing import AmiLines
from callcenter.queues.callbacks.dialler import (
    CallbackCall,
    QueueNow,
)
from callcenter.switch.placing import OutcomeUnknown

#: Longer than any placeholder waits: the queue gives it up first.
_ANSWER_LIMIT: Final = timedelta(hours=24)
#: Device states (`Status` of QueueMember) of a phone that is there: whoever is busy or paused is
#: somebody to wait for. The others are unknown (0), invalid (4), unavailable (5).
_THERE: Final = frozenset("123678")


class AmiCallbackLines(AmiLines):
    """`CallbackLines` over one node's AMI link."""

    async def queues(self) -> Mapping[str, QueueNow]:
        """Raises `OutcomeUnknown`."""
        try:
            events = await self._ami.list_action(
                "QueueStatus", complete_event="QueueStatusComplete"
            )
        except AsteriskError as exc:
            raise OutcomeUnknown(exc.message) from exc
        return queues_of(dict(event.pairs) for event in events)

    async def place(self, call: CallbackCall) -> None:
        """Raises `NotPlaced`, `OutcomeUnknown`."""
        await self._originate(originate(call))

    async def withdraw(self, call_id: UUID) -> None:
        """Raises `OutcomeUnknown`."""
        channel = (await self._channels()).get(
            f"{CALLBACK_CHANNEL_PREFIX}{call_id}{CALLBACK_QUEUE_SUFFIX}"
        )
        if channel is None:
            return
        # One queue of ours is one of app_queue for each language; the channel says which.
        queue = (channel.get("ApplicationData") or "").partition(",")[0]
        # Refused: an agent has just taken it; what comes of that the journal tells.
        await self._end(
            "QueueWithdrawCaller", {"Queue": queue, "Caller": channel.get("Channel") or ""}
        )

    def _call_of(self, uniqueid: str) -> UUID | None:
        return callback_call_of(uniqueid)


def queues_of(events: Iterable[Mapping[str, str]]) -> dict[str, QueueNow]:
    """From the events of QueueStatus."""
    room: dict[str, bool] = {}
    there: set[str] = set()
    for event in events:
        queue = our_queue(event.get("Queue", ""))
        match event.get("Event"):
            case "QueueParams":
                waiting, most = _number(event, "Calls"), _number(event, "Max")
                room[queue] = room.get(queue, True) and (most == 0 or waiting < most)
            case "QueueMember" if event.get("Status", "") in _THERE:
                there.add(queue)
            case _:
                pass
    return {queue: QueueNow(somebody=queue in there, room=free) for queue, free in room.items()}


def _number(event: Mapping[str, str], name: str) -> int:
    text = event.get(name, "")
    return int(text) if text.isdecimal() else 0


def originate(call: CallbackCall) -> dict[str, str | list[str]]:
    """The headers of the one Originate of this attempt."""
    channel = f"{CALLBACK_CHANNEL_PREFIX}{call.call_id}"
    values = {
        # Inherited by the legs: what they record belongs to this call.
        f"__{Variable.CALL_ID}": str(call.call_id),
        f"__{Variable.LANGUAGE}": call.language,
        Variable.CALLBACK: str(call.callback_id),
        Variable.CALLBACK_TO: call.dialled,
        Variable.NUMBER: call.number,
        Variable.QUEUE: call.queue,
        f"__{Variable.LINE}": call.line,
        Variable.PRIORITY: "" if call.priority is None else str(call.priority),
        Variable.JOINED: str(int(_since_1970(call.joined_at) * 1000)),
        Variable.WAIT: str(int(call.wait.total_seconds())),
        Variable.RING: str(int(call.ring.total_seconds())),
        Variable.ASKED: str(int(_since_1970(call.asked_at))),
        Variable.SURVEY: "yes" if call.survey else "",
        Variable.UNTIL: str(int(_since_1970(call.until))),
    }
    return {
        "Channel": f"Local/s@{Context.CALLBACK}/n",
        "ChannelId": channel,
        "OtherChannelId": channel + CALLBACK_QUEUE_SUFFIX,
        "Context": Context.CALLBACK_DIAL,
        "Exten": "s",
        "Priority": "1",
        "Timeout": str(int(_ANSWER_LIMIT.total_seconds() * 1000)),
        "Async": "true",
        "Variable": [f"{name}={value}" for name, value in values.items()],
    }


def _since_1970(moment: datetime) -> float:
    return moment.timestamp()
