"""Real callers' keys over another version of a flow: who would have ended elsewhere?

A call's path tells what was pressed at each question. The same keys are run through the version the
call heard and through the other one, by the runner the phone uses; exits are compared. Digits that
were keyed are never stored, so a call that keyed some cannot be replayed and is counted as such.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from callcenter.ivr.conversation import KEYED, Plan
from callcenter.ivr.exits import EnterQueue
from callcenter.ivr.nodes import PERSON
from callcenter.ivr.studio.simulation import (
    Gone,
    Hearing,
    Press,
    Simulated,
    exit_document,
    simulate,
)

#: Calls named for one kind of move; all are counted.
MOST_NAMED: Final = 50


@dataclass(frozen=True, slots=True)
class PastCall:
    """A call that heard a flow: its path as `calls.ivr_path` has it."""

    call_id: UUID
    started_at: datetime
    line: str
    is_caller_known: bool
    language: str
    version: int
    path: Sequence[Mapping[str, Any]]
    hung_up_in_flow: bool


@dataclass(slots=True)
class Move:
    """Calls that ended in `before` and would end in `after`."""

    before: Mapping[str, Any]
    after: Mapping[str, Any]
    count: int = 0
    calls: list[UUID] = field(default_factory=list)


@dataclass(slots=True)
class Replayed:
    """What came of all calls. `unlike`: the keys did not lead through the version that was heard as
    the call's own path says (the library or the hours have changed since), so they are not judged.
    """

    calls: int = 0
    same: int = 0
    moved: int = 0
    not_replayable: int = 0
    unlike: int = 0
    exits_before: dict[str, int] = field(default_factory=dict)
    exits_after: dict[str, int] = field(default_factory=dict)
    moves: list[Move] = field(default_factory=list)


def presses_of(call: PastCall) -> list[Press] | None:
    """What the caller did at each question; None where digits were keyed."""
    presses: list[Press] = []
    for step in call.path:
        key, led_by = step.get("key"), step.get("led_by")
        if led_by == "silence":
            presses.append(None)
        elif led_by in ("key", "wrong_key"):
            if not key or KEYED in str(key):
                return None
            presses.append(str(key))
        elif led_by == "resumed":
            return None  # a process was lost: the keys before it do not belong together
    if call.hung_up_in_flow:
        presses.append(Gone.HANG_UP)
    return presses


async def replay(
    calls: Iterable[PastCall],
    *,
    heard: Mapping[int, Plan],
    other: Plan,
    hearing: Hearing,
    seconds_of: Callable[[Path, str], float],
) -> Replayed:
    """Run every call through the version it heard (`heard`, by number) and through `other`."""
    done = Replayed()
    moves: dict[tuple[str, str], Move] = {}
    for call in calls:
        done.calls += 1
        presses = presses_of(call)
        plan = heard.get(call.version)
        if presses is None or plan is None:
            done.not_replayable += 1
            continue
        before, after = [
            await simulate(
                replace(one, language=call.language),
                presses,
                at=call.started_at,
                line=call.line,
                caller="+0" if call.is_caller_known else None,
                hearing=hearing,
                seconds_of=seconds_of,
            )
            for one in (plan, other)
        ]
        if not _is_like(call, before):
            done.unlike += 1
            continue
        _compare(done, moves, call, before, after)
    done.moves = sorted(moves.values(), key=lambda move: -move.count)
    return done


def _is_like(call: PastCall, before: Simulated) -> bool:
    """Whether the keys lead where they led. Whoever hung up while something was read has heard it
    to the end in the simulation, and came to the next question.
    """
    real = [step.get("node") for step in call.path if not _is_at_the_door(step)]
    simulated = [step.node for step in before.path]
    return (simulated[: len(real)] if call.hung_up_in_flow else simulated) == real


def _is_at_the_door(step: Mapping[str, Any]) -> bool:
    return str(step.get("node", "")).startswith(".") and step.get("node") != PERSON


def _compare(
    done: Replayed,
    moves: dict[tuple[str, str], Move],
    call: PastCall,
    before: Simulated,
    after: Simulated,
) -> None:
    was, would = (_place(one) for one in (before, after))
    names = _name(was), _name(would)
    done.exits_before[names[0]] = done.exits_before.get(names[0], 0) + 1
    done.exits_after[names[1]] = done.exits_after.get(names[1], 0) + 1
    if was == would:
        done.same += 1
        return
    done.moved += 1
    move = moves.setdefault(names, Move(was, would))
    move.count += 1
    if len(move.calls) < MOST_NAMED:
        move.calls.append(call.call_id)


def _place(simulated: Simulated) -> Mapping[str, Any]:
    """Where a call ends, without how it got there: `why` a queue was entered is no other place."""
    if isinstance(simulated.exit, EnterQueue) and simulated.exit.why != "fault":
        return {"type": "queue", "queue": simulated.exit.queue}
    return exit_document(simulated.exit)


def _name(place: Mapping[str, Any]) -> str:
    return ":".join(str(value) for value in place.values())
