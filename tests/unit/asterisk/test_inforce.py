"""What Asterisk says against what we want: fixtures are answers of Asterisk 22.10.1."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from callcenter.agents.phone import PhoneKind
from callcenter.asterisk.config.inforce import (
    Snapshot,
    changed_phones,
    not_in_force,
    phone_differences,
)
from callcenter.asterisk.config.model import (
    AgentConfig,
    LineConfig,
    OwnLanguage,
    Paths,
    QueueConfig,
    SwitchConfig,
)
from callcenter.asterisk.config.queues import edition
from callcenter.asterisk.config.render import render
from callcenter.asterisk.config.secrets import agent_digest

pytestmark = pytest.mark.unit

FIXTURES = Path(__file__).parents[2] / "recordings" / "ami" / "inforce"

#: What the captured Asterisk had been given.
WANTED = SwitchConfig(
    node="node1",
    paths=Paths(Path("/h"), Path("/m"), Path("/d"), Path("/p")),
    ami_secret="s" * 32,
    lines=(LineConfig("12345"), LineConfig("12346", mode="direct", language="en")),
    agents=tuple(AgentConfig(a, a, agent_digest(a, "pw" + a)) for a in ("1001", "1002", "1003")),
    queues=(
        QueueConfig("general", ("1001", "1002"), ring_seconds=5),
        QueueConfig("complaints", ("1003",)),
        QueueConfig("english"),
    ),
)


def events(name: str) -> tuple[dict[str, str], ...]:
    text = (FIXTURES / f"{name}.txt").read_text(encoding="utf-8")
    return tuple(
        {line.partition(":")[0]: line.partition(":")[2].strip() for line in block.splitlines()}
        for block in text.split("\n\n")
    )


def plan_events(config: SwitchConfig) -> tuple[dict[str, str], ...]:
    """The generated context of queues as ShowDialPlan lists it."""
    found: list[dict[str, str]] = []
    exten, priority = "", 0
    for line in render(config)["extensions_queues.conf"].splitlines():
        if match := re.match(r"(?:exten = ([^,]+),1| same = n),(\w+)\((.*)\)$", line):
            exten, priority = match[1] or exten, 1 if match[1] else priority + 1
            found.append(
                {
                    "Event": "ListDialplan",
                    "Context": "cc-queue-plan",
                    "Extension": exten,
                    "Priority": str(priority),
                    "Application": match[2],
                    "AppData": match[3],
                }
            )
    return tuple(found)


def queue_events(config: SwitchConfig) -> tuple[dict[str, str], ...]:
    """What was captured, before queues had an edition, with the one they have now."""
    editions = {f"q_{queue.name}": str(edition(config, queue)) for queue in config.queues}
    return tuple(
        event | {"ServiceLevel": editions[event["Queue"]]} if "ServiceLevel" in event else event
        for event in events("queue_status")
    )


@pytest.fixture
def snapshot() -> Snapshot:
    return Snapshot(
        from_trunk=events("show_dialplan_from_trunk"),
        from_agents=events("show_dialplan_from_agents"),
        endpoints=events("pjsip_show_endpoints"),
        auths=events("pjsip_show_auths"),
        queue_plan=plan_events(WANTED),
        queue_status=queue_events(WANTED),
    )


def said(wanted: SwitchConfig, snapshot: Snapshot) -> list[str]:
    return [str(difference) for difference in not_in_force(wanted, snapshot)]


def test_what_was_given_is_in_force(snapshot: Snapshot) -> None:
    assert said(WANTED, snapshot) == []


def test_an_empty_answer_is_not_in_force() -> None:
    lines = said(WANTED, Snapshot())
    assert "line 12345: is missing" in lines
    assert "endpoint trunk: is missing" in lines
    assert "queue general: is missing" in lines


def test_a_new_line_is_missing_until_asterisk_lists_it(snapshot: Snapshot) -> None:
    wanted = replace(WANTED, lines=(*WANTED.lines, LineConfig("12333")))
    assert said(wanted, snapshot) == ["line 12333: is missing"]


def test_a_removed_line_is_still_there(snapshot: Snapshot) -> None:
    wanted = replace(WANTED, lines=WANTED.lines[:1])
    assert said(wanted, snapshot) == ["line 12346: should not be there"]


def test_a_line_of_another_mode_leads_another_way(snapshot: Snapshot) -> None:
    wanted = replace(WANTED, lines=(LineConfig("12345", mode="direct"), WANTED.lines[1]))
    assert said(wanted, snapshot) == ["line 12345: leads another way"]


def test_a_changed_password_is_seen_and_not_told(snapshot: Snapshot) -> None:
    fresh = AgentConfig("1001", "1001", agent_digest("1001", "new"))
    lines = said(replace(WANTED, agents=(fresh, *WANTED.agents[1:])), snapshot)
    assert lines == ["endpoint 1001: has another password than the database"]


def test_a_new_agent_is_missing_everywhere(snapshot: Snapshot) -> None:
    fresh = AgentConfig("1004", "x", "b" * 32)
    wanted = replace(WANTED, agents=(*WANTED.agents, fresh))
    assert said(wanted, snapshot) == [
        "agents' number 1004: is missing",
        "endpoint 1004: is missing",
        "endpoint 1004: has no digest",
    ]


def test_queue_parameters_count(snapshot: Snapshot) -> None:
    general = replace(WANTED.queues[0], strategy="linear", max_waiting=5)
    assert said(replace(WANTED, queues=(general, *WANTED.queues[1:])), snapshot) == [
        "queue general: Strategy is 'rrmemory', wanted 'linear'",
        "queue general: Max is '0', wanted '5'",
    ]


@pytest.mark.parametrize(
    ("membership", "lines"),
    [("dynamic", []), ("static", ["queue english: has member PJSIP/1001 from a file"])],
)
def test_members_are_no_file_s_matter(
    snapshot: Snapshot, membership: str, lines: list[str]
) -> None:
    member = {
        "Event": "QueueMember",
        "Queue": "q_english",
        "Location": "PJSIP/1001",
        "Membership": membership,
    }
    seen = replace(snapshot, queue_status=(*snapshot.queue_status, member))
    assert said(WANTED, seen) == lines


def test_what_ami_does_not_tell_of_a_queue_is_seen_by_its_edition(snapshot: Snapshot) -> None:
    # QueueParams has no ringing time, no music and no announcements.
    general = replace(WANTED.queues[0], ring_seconds=25)
    assert said(replace(WANTED, queues=(general, *WANTED.queues[1:])), snapshot) == [
        "queue general: works by an older or other text of its section",
    ]


def test_a_queues_longest_wait_and_exits_are_read_back_from_its_plan(snapshot: Snapshot) -> None:
    general = replace(WANTED.queues[0], max_wait_seconds=60)
    assert said(replace(WANTED, queues=(general, *WANTED.queues[1:])), snapshot) == [
        "plan of queue_general: leads another way",
    ]


def test_a_further_language_is_a_queue_of_its_own(snapshot: Snapshot) -> None:
    general = replace(WANTED.queues[0], languages=(OwnLanguage("en", 25),))
    wanted = replace(WANTED, queues=(general, *WANTED.queues[1:]))
    assert said(wanted, replace(snapshot, queue_plan=plan_events(wanted))) == [
        "queue general in en: is missing",
    ]


def test_only_new_phones_and_those_of_another_kind_are_looked_at_one_by_one() -> None:
    first, second, third = WANTED.agents
    fresh = AgentConfig("1004", "x", "b" * 32)
    browser = replace(second, kind=PhoneKind.WEBRTC)
    renamed = replace(third, name="y", digest="c" * 32)
    after = replace(WANTED, agents=(first, browser, renamed, fresh))
    assert changed_phones(WANTED, after) == (browser, fresh)
    assert changed_phones(WANTED, WANTED) == ()


def test_a_phone_is_what_its_endpoint_says_it_is() -> None:
    browser = replace(WANTED.agents[0], kind=PhoneKind.WEBRTC)
    detail = {"Event": "EndpointDetail", "ObjectName": "1001", "Webrtc": "yes"}
    aor = {"Event": "AorDetail", "ObjectName": "1001"}
    assert phone_differences([browser], {"1001": (detail, aor)}) == []
    for said in ((), (aor,), (detail | {"Webrtc": "no"},), (detail | {"ObjectName": "1002"},)):
        [difference] = phone_differences([browser], {"1001": said})
        assert str(difference) == "endpoint 1001: is no phone of kind webrtc"
    assert phone_differences(WANTED.agents[:1], {"1001": (detail | {"Webrtc": "no"},)}) == []
    assert len(phone_differences(WANTED.agents[:1], {"1001": (detail,)})) == 1
