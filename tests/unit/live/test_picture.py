"""The picture, its deltas, and who sees what of it."""

from __future__ import annotations

import asyncio
import itertools
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callcenter.access.model import Principal, Role, Session
from callcenter.live.clients import Client, Stage, Wanted, view_of
from callcenter.live.model import (
    MOST_CALLERS,
    AgentRow,
    CallNow,
    Picture,
    Rows,
    Topic,
    View,
    compose,
    difference,
    scene,
)
from callcenter.live.schemas import SERVER_MESSAGE
from callcenter.platform.errors import NotAllowed
from callcenter.testing.live_client import Mirror

pytestmark = pytest.mark.unit

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
IDS = [UUID(int=number) for number in range(8)]
AGENTS = ["1001", "1002", "1003", "1004"]
QUEUES = ["general", "law", "water"]
USERS = {agent: uuid4() for agent in AGENTS}
NUMBER = "+8613800138000"


def call(call_id: UUID, **fields: Any) -> CallNow:
    values: dict[str, Any] = {
        "call_id": call_id,
        "direction": "inbound",
        "line": "12345",
        "state": "queued",
        "queue": "general",
        "waiting_since": NOW,
        "agent": None,
        "ringing": (),
        "talking": (),
        "started_at": NOW,
        "queued_at": NOW,
        "agent_answered_at": None,
        "priority": None,
        "language": "zh",
        "case_number": None,
        "caller_number": NUMBER,
        "caller_withheld": False,
    }
    return CallNow(**values | fields)


def rows_of(**fields: Any) -> Rows:
    return Rows(
        queues={name: name.title() for name in QUEUES},
        agents={
            "1001": AgentRow(
                agent_id="1001", name="An", team="east", user_id=USERS["1001"], queues=("general",)
            ),
            "1002": AgentRow(
                agent_id="1002", name="Bo", team="west", user_id=USERS["1002"], queues=("law",)
            ),
            "1003": AgentRow(
                agent_id="1003", name="Cy", user_id=USERS["1003"], queues=("general", "law")
            ),
        },
        **fields,
    )


def principal(role: Role, agent: str | None = None) -> Principal:
    return Principal(USERS[agent] if agent else uuid4(), "somebody", role)


@st.composite
def some_rows(draw: st.DrawFn) -> Rows:
    agents = {
        agent: AgentRow(
            agent_id=agent,
            name=draw(st.sampled_from(["An", "Bo"])),
            team=draw(st.sampled_from([None, "east", "west"])),
            user_id=draw(st.sampled_from([None, USERS[agent]])),
            queues=draw(st.sampled_from([(), ("general",), ("law", "water")])),
            out_of=draw(st.sampled_from([(), ("law",)])),
            state=draw(st.sampled_from(["offline", "ready", "talking", "holding", "wrap_up"])),
        )
        for agent in draw(st.sets(st.sampled_from(AGENTS)))
    }
    some_agents = st.lists(st.sampled_from(AGENTS), max_size=2, unique=True).map(tuple)
    calls = {}
    for call_id in draw(st.sets(st.sampled_from(IDS))):
        phones = draw(some_agents)
        calls[call_id] = call(
            call_id,
            queue=draw(st.sampled_from([None, *QUEUES])),
            waiting_since=draw(st.sampled_from([None, NOW, NOW + timedelta(seconds=9)])),
            state=draw(st.sampled_from(["in_menu", "queued", "talking"])),
            agent=draw(st.sampled_from([None, *AGENTS])),
            ringing=phones[:1],
            talking=phones[1:],
            phones=phones,
        )
    names = draw(st.sets(st.sampled_from(QUEUES)))
    return Rows(
        queues={name: name for name in sorted(names)},
        agents=agents,
        calls=calls,
        today={"general": (draw(st.integers(0, 2)), 0)},
    )


topic_sets = st.sets(st.sampled_from(Topic), min_size=1).map(frozenset)
views = st.builds(
    View,
    topics=topic_sets,
    numbers=st.booleans(),
    every_team=st.booleans(),
    team=st.sampled_from([None, "east"]),
    queues=st.sampled_from([None, frozenset({"general"}), frozenset({"law", "water"})]),
)


@settings(max_examples=50, deadline=None)
@given(st.lists(some_rows(), min_size=2, max_size=5), views, st.data())
def test_deltas_upon_a_scene_make_the_present_scene(
    moments: list[Rows], view: View, data: st.DataObject
) -> None:
    pictures: list[Picture] = []
    for rows in moments:
        pictures.append(compose(rows, NOW, pictures[-1] if pictures else None))
    known = {t: dict(items) for t, items in scene(pictures[0], view).items.items()}
    seen = scene(pictures[0], view)
    for picture in pictures[1:]:
        if data.draw(st.booleans(), "misses this one"):
            continue
        now = scene(picture, view)
        for topic, change in difference(seen, now).items():
            for key in change.gone:
                del known[topic][key]
            known[topic] |= {_key(item): item for item in change.changed}
        seen = now
        assert known == {t: dict(items) for t, items in scene(picture, view).items.items()}
        # … and a picture made without the one before says the same.
        alone = scene(compose(moments[pictures.index(picture)], NOW), view)
        assert known == {t: dict(items) for t, items in alone.items.items()}


def _key(item: Any) -> str:
    for name in ("name", "agent_id", "call_id"):
        if name == "name" and hasattr(item, "agent_id"):
            continue
        if hasattr(item, name):
            return str(getattr(item, name))
    raise AssertionError(item)


def client(stage: Stage, who: Principal, **wanted: Any) -> Client:
    session = Session(fingerprint=b"x", principal=who, expires_at=NOW)
    return Client(stage=stage, session=session, wanted=Wanted(**wanted))


@settings(max_examples=50, deadline=None)
@given(
    st.lists(some_rows(), min_size=1, max_size=6),
    st.sampled_from(Role),
    st.sampled_from([None, *AGENTS]),
    topic_sets,
    st.data(),
)
def test_a_clients_mirror_equals_a_fresh_snapshot_whatever_it_missed(
    moments: list[Rows],
    role: Role,
    agent: str | None,
    topics: frozenset[Topic],
    data: st.DataObject,
) -> None:
    stage, who, mirror = Stage(), principal(role, agent), Mirror()
    one = client(stage, who, topics=topics)
    picture = None
    for rows in moments:
        picture = compose(rows, NOW, picture)
        stage.show(picture, {})
        stage.is_stale = data.draw(st.integers(0, 4), "can be read") == 0
        if data.draw(st.booleans(), "is slow"):
            continue
        text = one.next_text()
        if text is None:
            continue
        one.number += 1
        SERVER_MESSAGE.validate_json(text)
        mirror.take(json.loads(text))
        if not stage.is_stale:
            fresh = Mirror()
            fresh.take(json.loads(client(stage, who, topics=topics).next_text() or ""))
            assert (mirror.items, mirror.own) == (fresh.items, fresh.own)


def test_what_did_not_change_is_the_same_object() -> None:
    rows = rows_of(calls={IDS[0]: call(IDS[0]), IDS[1]: call(IDS[1])})
    before = compose(rows, NOW)
    rows.calls[IDS[1]] = call(IDS[1], state="talking", waiting_since=None)
    now = compose(rows, NOW, before)
    assert now.calls[str(IDS[0])] is before.calls[str(IDS[0])]
    assert now.agents["1001"] is before.agents["1001"]
    changes = difference(scene(before, EVERYTHING), scene(now, EVERYTHING))
    assert set(changes) == {Topic.QUEUES, Topic.CALLS}
    assert [item.call_id for item in changes[Topic.CALLS].changed] == [IDS[1]]  # type: ignore[attr-defined]


EVERYTHING = View(numbers=True, every_team=True)


def test_a_queue_counts_its_waiting_calls_and_its_agents() -> None:
    late = call(IDS[0], waiting_since=NOW + timedelta(seconds=3))
    early, gone = call(IDS[1]), call(IDS[2], waiting_since=None)
    rows = rows_of(calls={one.call_id: one for one in (late, early, gone)}, today={"law": (3, 1)})
    cy = AgentRow(agent_id="1003", name="Cy", queues=("general", "law"), out_of=("law",))
    rows.agents["1003"] = replace(cy, state="holding")
    picture = compose(rows, NOW)
    general, law = picture.queues["general"], picture.queues["law"]
    assert (general.waiting, general.callers) == (2, (IDS[1], IDS[0]))
    assert general.longest_wait_since == NOW
    assert (general.offline, general.talking) == (1, 1)
    assert (law.offline, law.talking) == (2, 0), "who is logged out of a queue is not there"
    assert (law.answered_today, law.abandoned_today, law.waiting) == (3, 1, 0)
    assert law.longest_wait_since is None


def test_a_queue_names_a_hundred_callers_and_counts_all() -> None:
    many = [UUID(int=number) for number in range(130)]
    picture = compose(rows_of(calls={one: call(one) for one in many}), NOW)
    assert picture.queues["general"].waiting == 130
    assert len(picture.queues["general"].callers) == MOST_CALLERS == 100


def test_a_supervisor_sees_all_teams_and_numbers_and_may_look_at_one() -> None:
    calls = {IDS[0]: call(IDS[0]), IDS[1]: call(IDS[1], queue=None, waiting_since=None)}
    picture = compose(rows_of(calls=calls), NOW)
    who = principal(Role.SUPERVISOR)
    everything = scene(picture, view_of(picture, who, Wanted()))
    assert set(everything.items[Topic.AGENTS]) == {"1001", "1002", "1003"}
    assert set(everything.items[Topic.CALLS]) == {str(IDS[0]), str(IDS[1])}
    west = scene(picture, view_of(picture, who, Wanted(team="west")))
    assert set(west.items[Topic.AGENTS]) == {"1002"}
    assert set(west.items[Topic.QUEUES]) == {"law"}
    assert not west.items[Topic.CALLS]
    assert view_of(picture, who, Wanted(team="west")).numbers


def test_an_agent_sees_their_own_team_and_no_other() -> None:
    theirs = call(IDS[1], queue="law", talking=("1002",), phones=("1002",), waiting_since=None)
    picture = compose(rows_of(calls={IDS[0]: call(IDS[0]), IDS[1]: theirs}), NOW)
    who = principal(Role.AGENT, "1001")
    east = scene(picture, view_of(picture, who, Wanted()))
    assert set(east.items[Topic.AGENTS]) == {"1001"}
    assert set(east.items[Topic.QUEUES]) == {"general"}
    assert set(east.items[Topic.CALLS]) == {str(IDS[0])}
    with pytest.raises(NotAllowed):
        view_of(picture, who, Wanted(team="west"))


def test_those_without_a_team_see_those_without_one() -> None:
    picture = compose(rows_of(), NOW)
    for who in (principal(Role.AGENT, "1003"), principal(Role.AGENT)):
        seen = scene(picture, view_of(picture, who, Wanted()))
        assert set(seen.items[Topic.AGENTS]) == {"1003"}


def test_queues_narrow_what_is_told() -> None:
    calls = {IDS[0]: call(IDS[0]), IDS[1]: call(IDS[1], queue="law")}
    picture = compose(rows_of(calls=calls), NOW)
    view = view_of(picture, principal(Role.ADMIN), Wanted(queues=frozenset({"law"})))
    seen = scene(picture, view)
    assert set(seen.items[Topic.QUEUES]) == {"law"}
    assert set(seen.items[Topic.AGENTS]) == {"1002", "1003"}
    assert set(seen.items[Topic.CALLS]) == {str(IDS[1])}


def test_a_number_is_told_to_the_agent_whose_phone_rings_and_to_no_other() -> None:
    rings = call(IDS[0], ringing=("1001",), phones=("1001",))
    rows = rows_of(calls={IDS[0]: rings})
    rows.agents["1004"] = AgentRow(agent_id="1004", name="Di", team="east", user_id=USERS["1004"])
    picture, stage = compose(rows, NOW), Stage()
    stage.show(picture, {})
    told = {
        agent: json.loads(client(stage, principal(Role.AGENT, agent)).next_text() or "")
        for agent in ("1001", "1004")
    }
    for message in told.values():
        [shown] = message["calls"]
        assert shown["caller_number"] is None
        assert "phones" not in shown
    assert told["1001"]["own"]["call"]["caller_number"] == NUMBER
    assert told["1004"]["own"] == {"agent_id": "1004", "call": None, "screen": None}
    assert NUMBER not in json.dumps(told["1004"])
    supervisor = json.loads(client(stage, principal(Role.SUPERVISOR)).next_text() or "")
    assert supervisor["calls"][0]["caller_number"] == NUMBER
    assert supervisor["own"] is None


def test_the_call_talked_comes_before_one_that_rings() -> None:
    one = call(IDS[0], ringing=("1001",), phones=("1001",))
    two = call(IDS[1], talking=("1001",), phones=("1001",), started_at=NOW + timedelta(seconds=1))
    picture = compose(rows_of(calls={IDS[0]: one, IDS[1]: two}), NOW)
    assert picture.own_calls["1001"].call_id == IDS[1]


def test_clients_of_the_same_view_share_one_text() -> None:
    stage = Stage()
    crowd = [client(stage, principal(Role.SUPERVISOR)) for _ in range(50)]
    rows = rows_of(calls={IDS[0]: call(IDS[0])})
    picture = compose(rows, NOW)
    stage.show(picture, {})
    assert len({one.next_text() for one in crowd}) == 1
    assert stage.written == 1
    rows.calls[IDS[1]] = call(IDS[1])
    stage.show(compose(rows, NOW, picture), {})
    assert len({one.next_text() for one in crowd}) == 1
    assert stage.written == 2


def test_a_client_far_behind_gets_everything_and_its_numbers_go_on() -> None:
    stage, rows = Stage(), rows_of()
    slow = client(stage, principal(Role.SUPERVISOR))
    picture = compose(rows, NOW)
    stage.show(picture, {})
    assert json.loads(slow.next_text() or "")["why"] == "begin"
    slow.number += 1
    for number in range(60):
        rows.calls = {IDS[0]: call(IDS[0], priority=number)}
        picture = compose(rows, NOW, picture)
    stage.show(picture, {})
    message = json.loads(slow.next_text() or "")
    assert (message["type"], message["why"], message["number"]) == ("snapshot", "behind", 2)


async def test_between_two_messages_to_a_client_is_a_pause() -> None:
    stage, rows = Stage(), rows_of()
    one = client(stage, principal(Role.SUPERVISOR))
    picture = compose(rows, NOW)
    stage.show(picture, {})
    loop, sent = asyncio.get_running_loop(), list[float]()
    one.wake()
    async for _ in one.messages():
        sent.append(loop.time())
        rows.calls = {IDS[0]: call(IDS[0], priority=len(sent))}
        picture = compose(rows, NOW, picture)
        stage.show(picture, {})
        one.wake()
        if len(sent) == 4:
            break
    assert all(later - earlier >= 0.12 for earlier, later in itertools.pairwise(sent))
