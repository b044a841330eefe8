"""A call without a telephone, and the keys of real calls over another version."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callcenter.calls.model import led_by
from callcenter.ivr.conversation import Plan
from callcenter.ivr.exits import EnterQueue, HangUp
from callcenter.ivr.library import Library, OpenState
from callcenter.ivr.model import Flow
from callcenter.ivr.runner import PERSON
from callcenter.ivr.studio.replay import PastCall, presses_of, replay
from callcenter.ivr.studio.simulation import (
    Gone,
    Hearing,
    Press,
    Simulated,
    exit_document,
    simulate,
)
from callcenter.testing.sample_flow import VOICE, document, flow, plan

pytestmark = pytest.mark.unit

AT = datetime(2026, 11, 24, 2, tzinfo=UTC)


def hearing() -> Hearing:
    return Hearing(VOICE, lambda name, _language: {"invalid": "wrong key"}.get(name))


def seconds_of(_path: Path, words: str) -> float:
    return float(len(words))


async def call(presses: list[Press], definition: Flow | None = None, **more: Any) -> Simulated:
    return await simulate(
        plan(definition),
        presses,
        at=more.get("at", AT),
        line="12345",
        caller=more.get("caller"),
        hearing=hearing(),
        seconds_of=seconds_of,
    )


async def test_what_is_heard_is_told_node_by_node_with_seconds() -> None:
    done = await call(["1", "7", "9"])
    told = [(step.node, step.key, " ".join(step.heard), step.seconds) for step in done.path]
    assert told == [
        ("welcome", "", "中welcome", 8),
        ("menu", "", "中menu", 5),
        ("answer", "1", "中answer", 7),
        ("menu", "", "中menu", 5),
        ("menu", "i7", "wrong key 中menu", 14),
        ("bye", "9", "中bye", 4),
    ]
    assert done.exit == HangUp()
    assert done.seconds == 43


async def test_waiting_costs_the_menu_s_time_out() -> None:
    done = await call([None, None])
    assert done.exit == EnterQueue("general")
    assert [(step.node, step.seconds) for step in done.path] == [
        ("welcome", 8),
        ("menu", 5 + 4),
        ("menu", 5 + 4),
        (PERSON, 0),
    ]


async def test_the_clock_moves_with_the_call() -> None:
    # The menu is reached after eight seconds: a schedule that closes meanwhile is closed.
    closes = AT + timedelta(seconds=8)
    hours = {"day": lambda at: OpenState(at < closes)}
    by_hours = {"type": "schedule", "schedule": "day", "open": "legal", "closed": "bye"}
    definition = flow(menu=by_hours)
    late: Plan = replace(plan(definition), library=Library(hours=hours))
    for at, wanted in ((AT, HangUp()), (AT - timedelta(seconds=1), EnterQueue("legal"))):
        done = await simulate(
            late, [], at=at, line="1", caller=None, hearing=hearing(), seconds_of=seconds_of
        )
        assert done.exit == wanted


async def test_a_caller_may_hang_up_instead_of_answering() -> None:
    done = await call([Gone.HANG_UP])
    assert exit_document(done.exit) == {"type": "hung_up"}


async def test_a_broken_version_is_told_as_a_fault() -> None:
    done = await call([], flow(welcome={"type": "say", "say": {"zh": "x"}, "next": "gone"}))
    assert done.is_fault
    assert exit_document(done.exit)["why"] == "fault"


# Replay ----------------------------------------------------------------------------------------


def past(done: Simulated, number: int = 1) -> PastCall:
    """What the rows say of a simulated call."""
    path = []
    for step in done.path:
        key, why = led_by(step.key)
        path.append({"node": step.node, "key": key, "led_by": str(why)})
    return PastCall(UUID(int=number), AT, "12345", False, "zh", 3, path, done.exit is None)


presses = st.lists(
    st.one_of(st.none(), st.sampled_from("0123456789*#"), st.just(Gone.HANG_UP)), max_size=12
)


@settings(max_examples=150, deadline=None)
@given(presses=presses)
async def test_a_call_replayed_over_the_version_it_heard_ends_where_it_ended(
    presses: list[Press],
) -> None:
    done = await call(presses)
    found = await replay(
        [past(done)],
        heard={3: plan()},
        other=plan(),
        hearing=hearing(),
        seconds_of=seconds_of,
    )
    if any("#" in step.key for step in done.path):
        assert found.not_replayable == 1
    else:
        assert (found.same, found.moved, found.unlike) == (1, 0, 0)


async def test_who_would_have_ended_elsewhere_is_told_by_exit() -> None:
    changed = document()
    changed["nodes"]["menu"]["options"]["3"] = "bye"
    calls = [past(await call([key]), number) for number, key in enumerate(["3", "3", "9", "0"])]
    found = await replay(
        calls,
        heard={3: plan()},
        other=plan(flow(**changed["nodes"])),
        hearing=hearing(),
        seconds_of=seconds_of,
    )
    assert (found.calls, found.same, found.moved) == (4, 2, 2)
    (move,) = found.moves
    assert (move.before, move.after, move.count) == (
        {"type": "queue", "queue": "legal"},
        {"type": "hangup"},
        2,
    )
    assert move.calls == [UUID(int=0), UUID(int=1)]
    assert found.exits_before == {"queue:legal": 2, "hangup": 1, "queue:general": 1}


async def test_a_call_whose_path_the_version_does_not_give_is_not_judged() -> None:
    done = await call(["9"])
    one = past(done)
    one.path[1]["node"] = "elsewhere"  # type: ignore[index]
    found = await replay(
        [one], heard={3: plan()}, other=plan(), hearing=hearing(), seconds_of=seconds_of
    )
    assert (found.unlike, found.same, found.moved) == (1, 0, 0)


def test_keyed_digits_cannot_be_replayed() -> None:
    path = [{"node": "n", "key": "#", "led_by": "key"}]
    assert presses_of(PastCall(UUID(int=1), AT, "1", True, "zh", 3, path, False)) is None
