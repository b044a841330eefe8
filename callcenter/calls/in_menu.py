"""The caller's way through the flow: its nodes, what was said at the door, how the flow was left.

Pure. Each function takes the call and gives it back changed; none raises.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from callcenter.calls import events as ev
from callcenter.calls import facts as fa
from callcenter.calls.facts import Fact
from callcenter.calls.model import (
    SELF_SERVICE_NODES,
    Call,
    CallState,
    DoorStep,
    PathStep,
    led_by,
)

_NOTICE: Final = re.compile(r"notice/([a-z][a-z0-9_-]{0,62})/([1-9][0-9]{0,8})")
_PRIORITY: Final = re.compile(r"priority/([1-9][0-9]{0,17})")


def came_to(call: Call, event: ev.FlowNodeEntered) -> tuple[Call, list[Fact]]:
    """The caller comes to a node of the flow, or to a step at the door."""
    key, why = led_by(event.pressed)
    if call.state is CallState.RINGING:
        call = replace(call, state=CallState.IN_MENU)
    step = PathStep(event.node, key, why, event.at, event.about)
    if event.flow and event.flow != (call.ivr_flow or event.flow):
        step = replace(step, flow=event.flow, version=event.version)
    call = replace(
        call,
        ivr_path=(*call.ivr_path, step),
        # The line's own flow, though it may run others.
        ivr_flow=call.ivr_flow or event.flow,
        ivr_version=call.ivr_version or event.version,
        language=event.language or call.language,
        self_served=call.self_served or _serves(event),
    )
    call = _at_the_door(call, event)
    return call, [
        fa.NodeEntered(call_id=call.call_id, at=event.at, node=event.node, key=key, led_by=why)
    ]


def left(call: Call, event: ev.FlowLeft) -> tuple[Call, list[Fact]]:
    """The flow gave the caller back; an empty `next` means that it broke."""
    call = replace(call, language=event.language or call.language)
    if event.next == "hangup":
        return replace(call, self_served=True), []
    if event.next == "blocked":
        return replace(call, refused=True), []
    if event.next == "callback":
        return replace(call, wants_callback=True), []
    if event.next:
        return call, []
    return call, [fa.FlowFailed(call_id=call.call_id, at=event.at)]


def _serves(event: ev.FlowNodeEntered) -> bool:
    """Whether who leaves here has been told something: an answer, or how a case stands."""
    if event.about:
        return event.about.startswith(("article/", "case/told", "fax/ordered"))
    return event.node_type in SELF_SERVICE_NODES


def _at_the_door(call: Call, event: ev.FlowNodeEntered) -> Call:
    if notice := _NOTICE.fullmatch(event.about):
        return replace(call, recording_notice=notice[1], recording_notice_version=int(notice[2]))
    if entry := _PRIORITY.fullmatch(event.about):
        return replace(call, priority_entry=int(entry[1]))
    if event.node == DoorStep.BLOCKED:
        return replace(call, refused=True)
    if event.node == DoorStep.EMERGENCY:
        return replace(call, refused=False)
    return call
