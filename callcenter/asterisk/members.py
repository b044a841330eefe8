"""Members of Asterisk's queues over AMI: what is there, and what to do about what is not as wanted.

All members are dynamic: they come by QueueAdd, not by `member =` lines, and app_queue keeps them in
its own database (`persistentmembers`), so that Asterisk goes on alone after a restart.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from callcenter.asterisk.ami.client import AmiClient
from callcenter.asterisk.dialplan import (
    QUEUE_PREFIX,
    asterisk_queue,
)
from callcenter.asterisk.errors import ActionRefused
from callcenter.queues.membership import Membership

#: Before an agent's id: the interface that rings, and whose state counts.
INTERFACE_PREFIX: Final = "PJSIP/"


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenMember:
    """A member as Asterisk says; `is_static`: from a file, and gone at the next reload."""

    queue: str
    interface: str
    penalty: int
    paused: bool
    reason: str
    is_static: bool

    @property
    def agent_id(self) -> str:
        return agent_of(self.interface)


@dataclass(frozen=True, slots=True)
class Repair:
    """One action that makes a member as wanted; `field` says what differed."""

    action: str
    headers: Mapping[str, str]
    field: str


def interface(agent_id: str) -> str:
    """The member's interface of an agent."""
    return INTERFACE_PREFIX + agent_id


def agent_of(interface: str) -> str:
    """The reverse."""
    return interface.removeprefix(INTERFACE_PREFIX)


async def look(ami: AmiClient, agent_id: str | None = None) -> list[SeenMember]:
    """Members of our queues (of one agent). Raises `AmiError`s."""
    headers = {} if agent_id is None else {"Member": interface(agent_id)}
    return [
        SeenMember(
            # With the language behind it, where it is a queue for one.
            queue=event["Queue"].removeprefix(QUEUE_PREFIX),
            interface=event["Location"],
            penalty=int(event.get("Penalty") or 0),
            paused=event.get("Paused") == "1",
            reason=event.get("PausedReason") or "",
            is_static=event.get("Membership") == "static",
        )
        for event in await ami.list_action("QueueStatus", headers)
        if event.name == "QueueMember" and event["Queue"].startswith(QUEUE_PREFIX)
    ]


def repairs(wanted: Collection[Membership], seen: Iterable[SeenMember]) -> list[Repair]:
    """What to do so that Asterisk has these members and no others, in this order.

    Who must not be rung is paused first, and who may be rung again is told so last.
    """
    should = {(m.queue, interface(m.agent_id)): m for m in wanted}
    there = {(m.queue, m.interface): m for m in seen}
    pauses: list[Repair] = []
    ends: list[Repair] = []
    others = [
        _repair("QueueRemove", key, "member")
        for key in sorted(there.keys() - should.keys())
        if not there[key].is_static
    ]
    for key in sorted(should.keys() - there.keys()):
        member = should[key]
        others.append(
            _repair(
                "QueueAdd",
                key,
                "member",
                Penalty=str(member.penalty),
                Paused="true" if member.paused else "false",
                MemberName=member.agent_id,
                StateInterface=key[1],
                **({"Reason": member.reason} if member.reason else {}),
            )
        )
    for key in sorted(should.keys() & there.keys()):
        want, have = should[key], there[key]
        if want.penalty != have.penalty:
            others.append(_repair("QueuePenalty", key, "penalty", Penalty=str(want.penalty)))
        if want.paused and (not have.paused or have.reason != want.reason):
            field = "reason" if have.paused else "paused"
            pauses.append(_repair("QueuePause", key, field, Paused="true", Reason=want.reason))
        if have.paused and not want.paused:
            ends.append(_repair("QueuePause", key, "paused", Paused="false"))
    return [*pauses, *others, *ends]


def differences(wanted: Collection[Membership], seen: Iterable[SeenMember]) -> list[str]:
    """Each field that is not as wanted, in words; static members are told too."""
    seen = list(seen)
    said = [
        f"queue {r.headers['Queue'].removeprefix(QUEUE_PREFIX)}: {r.field} "
        f"of {r.headers['Interface']}"
        for r in repairs(wanted, seen)
    ]
    return said + [
        f"queue {m.queue}: {m.interface} is a member from a file" for m in seen if m.is_static
    ]


async def repair(ami: AmiClient, wanted: Collection[Membership], seen: Sequence[SeenMember]) -> int:
    """Make it so; how many fields differed. What Asterisk refuses is seen at the next look.

    Raises `AmiError`s where the link is lost.
    """
    todo = repairs(wanted, seen)
    for action, headers in _gathered(todo, seen):
        try:
            await ami.action(action, headers)
        except ActionRefused:
            # Added or removed meanwhile, or a queue that is not loaded yet.
            continue
    return len(todo)


def _repair(action: str, key: tuple[str, str], field: str, **headers: str) -> Repair:
    queue, interface = key
    return Repair(
        action, {"Queue": asterisk_queue(queue), "Interface": interface, **headers}, field
    )


def _gathered(
    todo: Sequence[Repair], seen: Sequence[SeenMember]
) -> Iterable[tuple[str, dict[str, str]]]:
    """One pause for all queues of an agent where all need the same: it takes hold at once."""
    queues_of: dict[str, int] = defaultdict(int)
    for member in seen:
        queues_of[member.interface] += 1
    for one in todo:
        if one.action == "QueueAdd":
            # Comes with its own pause, which one for all queues would undo.
            queues_of[one.headers["Interface"]] += 1
    alike: dict[tuple[tuple[str, str], ...], int] = defaultdict(int)
    for one in todo:
        if one.action == "QueuePause":
            alike[_without_queue(one)] += 1
    told: set[tuple[tuple[str, str], ...]] = set()
    for one in todo:
        key = _without_queue(one)
        if one.action == "QueuePause" and alike[key] == queues_of[one.headers["Interface"]]:
            if key not in told:
                told.add(key)
                yield one.action, dict(key)
        else:
            yield one.action, dict(one.headers)


def _without_queue(one: Repair) -> tuple[tuple[str, str], ...]:
    return tuple((name, value) for name, value in one.headers.items() if name != "Queue")
