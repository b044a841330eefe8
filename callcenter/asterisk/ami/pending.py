"""Actions that wait for Asterisk's answer, matched by ActionID and by nothing else.

Every future here ends: with the answer, with a refusal, at its time limit, or with the link.
None is ever sent a second time: an Originate sent twice calls a citizen twice.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import Final

from callcenter.asterisk.ami.messages import AmiMessage
from callcenter.asterisk.errors import ActionRefused, ActionTimedOut, LinkLost

_SUCCESS: Final = frozenset({"Success", "Follows", "Goodbye"})
#: A list longer than this is no answer but a flood (30,000 channels are beyond any one Asterisk).
_MAX_LIST: Final = 100_000


@dataclass(slots=True)
class _Pending:
    action: str
    future: asyncio.Future[list[AmiMessage]]
    is_list: bool
    complete_event: str | None
    collected: list[AmiMessage] = field(default_factory=list)


class PendingActions:
    """The actions in flight on one link."""

    def __init__(self) -> None:
        self._waiting: dict[str, _Pending] = {}
        # Answers to these came or will come too late; their list events are not news.
        self._over: deque[str] = deque(maxlen=512)
        self.late = 0

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def expects_lists(self) -> bool:
        """Whether some event that nobody asked for by name may still be part of an answer."""
        return bool(self._over) or any(each.is_list for each in self._waiting.values())

    def expect(
        self, action_id: str, action: str, *, is_list: bool, complete_event: str | None
    ) -> asyncio.Future[list[AmiMessage]]:
        """Notes the action before it is written; the future is `ended` by one of the below."""
        future: asyncio.Future[list[AmiMessage]] = asyncio.get_running_loop().create_future()
        self._waiting[action_id] = _Pending(action, future, is_list, complete_event)
        return future

    def expire(self, action_id: str, seconds: float) -> None:
        """The time limit has come.

        Called by a timer, not by `asyncio.timeout()`: after a stall of our own loop the timer and
        the answer are due in the same turn, and then the answer, which is handled first, counts.
        """
        pending = self._waiting.get(action_id)
        if pending is not None and not pending.future.done():
            pending.future.set_exception(ActionTimedOut(pending.action, seconds))

    def forget(self, action_id: str) -> None:
        """The asker has its answer or has gone away."""
        if self._waiting.pop(action_id, None) is not None:
            self._over.append(action_id)

    def fail_all(self, reason: str) -> None:
        """The link is gone: everything in flight ends with `LinkLost`."""
        for pending in self._waiting.values():
            if not pending.future.done():
                pending.future.set_exception(LinkLost(reason))

    def take(self, message: AmiMessage) -> bool:
        """Whether the message is (part of) an answer, and so no news for the consumer of events."""
        action_id = message.action_id
        is_response = "Response" in message and "Event" not in message
        pending = self._waiting.get(action_id) if action_id is not None else None
        if pending is None or pending.future.done():
            if is_response or (pending is None and self._is_late_row(action_id, message)):
                self.late += 1
                return True
            return False
        if is_response:
            self._respond(pending, message)
            return True
        if not pending.is_list:
            # OriginateResponse carries the action's id and is an event like any other.
            return False
        self._collect(pending, message)
        return True

    def _is_late_row(self, action_id: str | None, message: AmiMessage) -> bool:
        return action_id in self._over and message.name != "OriginateResponse"

    def _respond(self, pending: _Pending, message: AmiMessage) -> None:
        if message["Response"] not in _SUCCESS:
            reason = message.get("Message") or message["Response"]
            pending.future.set_exception(ActionRefused(pending.action, reason))
        elif not pending.is_list:
            pending.future.set_result([message])

    def _collect(self, pending: _Pending, message: AmiMessage) -> None:
        ending = message.get("EventList", "")
        if ending == "cancelled":
            pending.future.set_exception(ActionRefused(pending.action, "the list was cancelled"))
        elif ending == "Complete" or message.name == pending.complete_event:
            pending.future.set_result(pending.collected)
        elif len(pending.collected) >= _MAX_LIST:
            pending.future.set_exception(ActionRefused(pending.action, "the list has no end"))
        else:
            pending.collected.append(message)
