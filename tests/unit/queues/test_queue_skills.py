"""Who serves a queue's callers, by skills, languages and the longest wait."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callcenter.queues.model import Kind, Relaxation, Requirement
from callcenter.queues.skills import (
    Skilled,
    asked_of,
    own_languages,
    own_seconds,
    servers,
)

pytestmark = pytest.mark.unit

ENGLISH = Requirement(
    Kind.LANGUAGE, "en", 4, (Relaxation(20, 2), Relaxation(40, 1), Relaxation(60, 0))
)
LAW = Requirement(Kind.SKILL, "law", 3, (Relaxation(30, 1),))

names = st.sampled_from(("law", "tax", "farming"))
levels = st.dictionaries(names, st.integers(1, 5))


@st.composite
def requirements(draw: st.DrawFn) -> Requirement:
    level = draw(st.integers(1, 5))
    lower = sorted(draw(st.sets(st.integers(0, level - 1), max_size=4)), reverse=True)
    after = sorted(draw(st.sets(st.integers(1, 600), min_size=len(lower), max_size=len(lower))))
    steps = tuple(Relaxation(at, least) for at, least in zip(after, lower, strict=True))
    return Requirement(Kind.SKILL, draw(names), level, steps)


asked = st.lists(requirements(), max_size=3, unique_by=lambda one: one.name)


@st.composite
def crews(draw: st.DrawFn) -> list[Skilled]:
    return [
        Skilled(
            agent_id=str(1001 + number),
            penalty=draw(st.integers(0, 5)),
            skills=draw(levels),
            is_there=draw(st.booleans()),
        )
        for number in range(draw(st.integers(0, 6)))
    ]


def serving(agents: list[Skilled], *wanted: Requirement, waited: float = 0) -> list[str]:
    return sorted(servers(agents, wanted, default_language="zh", waited_seconds=waited))


@given(crews(), asked, st.floats(0, 700), st.floats(0, 700))
def test_who_serves_after_a_wait_serves_after_a_longer_one_too(
    agents: list[Skilled], wanted: list[Requirement], one: float, other: float
) -> None:
    sooner, later = sorted((one, other))
    assert set(serving(agents, *wanted, waited=sooner)) <= set(
        serving(agents, *wanted, waited=later)
    )


@given(crews(), asked, st.floats(0, 700))
def test_whoever_does_all_that_is_asked_serves_at_once(
    agents: list[Skilled], wanted: list[Requirement], waited: float
) -> None:
    able = {
        agent.agent_id
        for agent in agents
        if all(agent.skills.get(one.name, 0) >= one.level for one in wanted)
    }
    assert able <= set(serving(agents, *wanted, waited=waited))


@given(crews(), asked, st.floats(0, 700))
def test_nobody_is_kept_waiting_for_a_level_that_nobody_there_has(
    agents: list[Skilled], wanted: list[Requirement], waited: float
) -> None:
    there = {agent.agent_id for agent in agents if agent.is_there}
    if not there & set(serving(agents, *wanted, waited=waited)):
        # Then not at the end of all waiting either.
        assert not there & set(serving(agents, *wanted, waited=10_000))


@given(crews(), asked, st.floats(0, 700))
def test_who_can_more_has_no_higher_penalty(
    agents: list[Skilled], wanted: list[Requirement], waited: float
) -> None:
    penalties = servers(agents, wanted, default_language="zh", waited_seconds=waited)
    places = {agent.agent_id: agent for agent in agents}
    for one, of_one in penalties.items():
        for other, of_other in penalties.items():
            better, worse = places[one], places[other]
            if better.penalty <= worse.penalty and all(
                better.skills.get(need.name, 0) >= worse.skills.get(need.name, 0) for need in wanted
            ):
                assert of_one <= of_other


@given(crews())
def test_a_queue_that_asks_nothing_has_all_its_agents_at_their_own_penalty(
    agents: list[Skilled],
) -> None:
    assert servers(agents, (), default_language="zh") == {
        agent.agent_id: agent.penalty for agent in agents
    }


def test_the_asked_level_falls_as_the_wait_grows() -> None:
    crew = [
        Skilled(agent_id="1001", languages={"zh": 5, "en": 5}),
        Skilled(agent_id="1002", languages={"zh": 5, "en": 2}),
        Skilled(agent_id="1003", languages={"zh": 5}),
    ]
    assert serving(crew, ENGLISH, waited=0) == ["1001"]
    assert serving(crew, ENGLISH, waited=19.9) == ["1001"]
    assert serving(crew, ENGLISH, waited=20) == ["1001", "1002"]
    assert serving(crew, ENGLISH, waited=60) == ["1001", "1002", "1003"]
    assert servers(crew, [ENGLISH], default_language="zh", waited_seconds=60) == {
        "1001": 0,
        "1002": 3,
        "1003": 5,
    }


def test_a_step_at_which_nobody_who_is_there_could_serve_is_not_waited_for() -> None:
    good_but_away = Skilled(agent_id="1001", languages={"en": 5}, is_there=False)
    passable = Skilled(agent_id="1002", languages={"en": 2})
    assert serving([good_but_away, passable], ENGLISH) == ["1001", "1002"]


def test_without_a_relaxation_nobody_below_the_level_ever_serves() -> None:
    strict = Requirement(Kind.SKILL, "law", 3)
    crew = [Skilled(agent_id="1001", skills={"law": 2})]
    assert serving(crew, strict, waited=7200) == []


def test_an_agent_without_a_language_speaks_the_instances_own() -> None:
    chinese = Requirement(Kind.LANGUAGE, "zh", 5)
    crew = [Skilled(agent_id="1001"), Skilled(agent_id="1002", languages={"en": 5})]
    assert serving(crew, chinese) == ["1001"]
    assert serving(crew, ENGLISH) == ["1002"]


def test_callers_of_the_instances_own_language_have_no_queue_of_their_own() -> None:
    chinese = Requirement(Kind.LANGUAGE, "zh", 3)
    everything = (LAW, ENGLISH, chinese)
    assert own_languages(everything, "zh") == ("en",)
    assert asked_of(everything, "en", "zh") == (LAW, ENGLISH)
    assert asked_of(everything, None, "zh") == (LAW, chinese)


def test_who_speaks_another_language_is_let_go_a_moment_after_the_last_step() -> None:
    assert own_seconds((LAW, ENGLISH), longest=300) == 65
    assert own_seconds((LAW, ENGLISH), longest=50) == 50
    assert own_seconds((), longest=300) == 5
