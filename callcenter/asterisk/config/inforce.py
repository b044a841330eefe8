"""Is the wanted configuration what Asterisk works with? Compared with what it says over AMI.

A written file and an answered Reload prove nothing: a bad line is skipped with a warning. So after
every reload these lists are read, and only an empty answer of `not_in_force` counts as in force.

| AMI action | headers read |
|---|---|
| ShowDialPlan, Context: from-trunk | Extension Priority Application AppData |
| ShowDialPlan, Context: from-agents, cc-queue-plan | the same |
| PJSIPShowEndpoints | ObjectName Aor Auths |
| PJSIPShowAuths | ObjectName Username Realm Md5Cred (22: PasswordDigest too) |
| PJSIPShowEndpoint, for a new or changed phone | EndpointDetail: ObjectName Webrtc |
| QueueStatus | QueueParams: Queue Strategy Max Weight ServiceLevel |
| | QueueMember: Queue Location Membership |

Each list is given as the events between the response and `…Complete`, header to value.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from callcenter.agents.phone import PhoneKind
from callcenter.asterisk.config.model import AgentConfig, QueueConfig, SwitchConfig
from callcenter.asterisk.config.queues import asterisk_queues, edition
from callcenter.asterisk.config.render import render
from callcenter.asterisk.config.sip import REALM, endpoint_names
from callcenter.asterisk.dialplan import (
    Context,
    language_of_queue,
)

#: What an extension of a generated context is called in a difference.
_WORDS = {
    Context.FROM_TRUNK: "line",
    Context.FROM_AGENTS: "agents' number",
    Context.QUEUE_PLAN: "plan of",
}

Event = Mapping[str, str]
Step = tuple[str, str]  # application, its arguments


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as wanted: `subject` such as `line 12345`, and what is wrong."""

    subject: str
    problem: str

    def __str__(self) -> str:
        return f"{self.subject}: {self.problem}"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What Asterisk answered."""

    from_trunk: tuple[Event, ...] = ()
    from_agents: tuple[Event, ...] = ()
    queue_plan: tuple[Event, ...] = ()
    endpoints: tuple[Event, ...] = ()
    auths: tuple[Event, ...] = ()
    queue_status: tuple[Event, ...] = ()


def not_in_force(wanted: SwitchConfig, snapshot: Snapshot) -> list[Difference]:
    """Everything that differs; empty: the whole configuration is in force."""
    return [
        *dialplan_differences(wanted, Context.FROM_TRUNK, snapshot.from_trunk),
        *dialplan_differences(wanted, Context.FROM_AGENTS, snapshot.from_agents),
        *dialplan_differences(wanted, Context.QUEUE_PLAN, snapshot.queue_plan),
        *endpoint_differences(wanted, snapshot.endpoints, snapshot.auths),
        *queue_differences(wanted, snapshot.queue_status),
    ]


def dialplan_differences(
    wanted: SwitchConfig, context: Context, events: Iterable[Event]
) -> list[Difference]:
    """Numbers of a generated context: missing, different, or there though nobody wants them."""
    word = _WORDS[context]
    should = _wanted_steps(wanted)[context]
    found: dict[str, dict[int, Step]] = {}
    for event in events:
        if event.get("Event") == "ListDialplan" and event.get("Context") == context:
            if "Extension" not in event:  # an include or a switch: generated contexts have none
                found.setdefault("(include)", {})[0] = ("", "")
                continue
            priority = int(event["Priority"])
            step = (event["Application"], event.get("AppData", ""))
            found.setdefault(event["Extension"], {})[priority] = step
    return _compare(
        word, should, {name: [steps[key] for key in sorted(steps)] for name, steps in found.items()}
    )


def endpoint_differences(
    wanted: SwitchConfig, endpoints: Iterable[Event], auths: Iterable[Event]
) -> list[Difference]:
    """Phones and the trunk: present, no others, each with its own address and digest."""
    found = {e["ObjectName"]: e for e in endpoints if e.get("Event") == "EndpointList"}
    digests = {e["ObjectName"]: e for e in auths if e.get("Event") == "AuthList"}
    should = set(endpoint_names(wanted))
    differences = [Difference(f"endpoint {n}", "is missing") for n in sorted(should - found.keys())]
    differences += [
        Difference(f"endpoint {n}", "should not be there") for n in sorted(found.keys() - should)
    ]
    for agent in wanted.agents:
        name, subject = agent.agent_id, f"endpoint {agent.agent_id}"
        if name in found and (found[name].get("Auths"), found[name].get("Aor")) != (name, name):
            differences.append(Difference(subject, "is not bound to its digest and address"))
        auth = digests.get(name)
        if auth is None:
            differences.append(Difference(subject, "has no digest"))
            continue
        known = {auth.get("Md5Cred", ""), *auth.get("PasswordDigest", "").split(",")}
        same = agent.digest in known or f"MD5:{agent.digest}" in known
        if not same or auth.get("Username") != name or auth.get("Realm") != REALM:
            # Never the digests themselves: this text is logged and shown.
            differences.append(Difference(subject, "has another password than the database"))
    return differences


def changed_phones(before: SwitchConfig, after: SwitchConfig) -> tuple[AgentConfig, ...]:
    """Phones of which the lists of endpoints and digests do not tell everything that changed."""
    known = {agent.agent_id: agent.kind for agent in before.agents}
    return tuple(agent for agent in after.agents if known.get(agent.agent_id) is not agent.kind)


def phone_differences(
    agents: Iterable[AgentConfig], details: Mapping[str, Iterable[Event]]
) -> list[Difference]:
    """What PJSIPShowEndpoint says of a phone, by agent id, against the kind it should be of.

    Read: EndpointDetail: ObjectName Webrtc.
    """
    differences = []
    for agent in agents:
        said = {
            event.get("Webrtc", "").lower()
            for event in details.get(agent.agent_id, ())
            if event.get("Event") == "EndpointDetail" and event.get("ObjectName") == agent.agent_id
        }
        if said != {"yes" if agent.kind is PhoneKind.WEBRTC else "no"}:
            differences.append(
                Difference(f"endpoint {agent.agent_id}", f"is no phone of kind {agent.kind}")
            )
    return differences


def queue_differences(wanted: SwitchConfig, events: Iterable[Event]) -> list[Difference]:
    """Queues; their members are compared elsewhere (`callcenter.asterisk.members`), but none may
    come from a file."""
    params: dict[str, Event] = {}
    members: dict[str, set[str]] = {}
    for event in events:
        if event.get("Event") == "QueueParams":
            params[event["Queue"]] = event
        elif event.get("Event") == "QueueMember" and event.get("Membership") == "static":
            members.setdefault(event["Queue"], set()).add(event["Location"])
    should = {name: queue for queue in wanted.queues for name in asterisk_queues(queue)}
    differences = [
        Difference(_subject(name, should[name]), "is missing")
        for name in sorted(should.keys() - params.keys())
    ]
    differences += [
        Difference(f"queue {n}", "should not be there")
        for n in sorted(params.keys() - should.keys())
    ]
    for name, queue in should.items():
        if name not in params:
            continue
        subject, event = _subject(name, queue), params[name]
        facts = {
            "Strategy": queue.strategy,
            "Max": str(queue.max_waiting),
            "Weight": str(queue.weight),
        }
        wrong = [
            Difference(subject, f"{header} is {event.get(header)!r}, wanted {value!r}")
            for header, value in facts.items()
            if event.get(header) != value
        ]
        if not wrong and event.get("ServiceLevel") != str(edition(wanted, queue)):
            wrong.append(Difference(subject, "works by an older or other text of its section"))
        differences += wrong
        differences += [
            Difference(subject, f"has member {m} from a file")
            for m in sorted(members.get(name, set()))
        ]
    return differences


def _subject(asterisk_name: str, queue: QueueConfig) -> str:
    language = language_of_queue(asterisk_name)
    return f"queue {queue.name}{f' in {language}' if language else ''}"


def _compare(
    word: str, should: Mapping[str, list[Step]], found: Mapping[str, list[Step]]
) -> list[Difference]:
    differences = []
    for name in sorted(should.keys() | found.keys()):
        if name not in found:
            differences.append(Difference(f"{word} {name}", "is missing"))
        elif name not in should:
            differences.append(Difference(f"{word} {name}", "should not be there"))
        elif should[name] != found[name]:
            differences.append(Difference(f"{word} {name}", "leads another way"))
    return differences


_STEP = re.compile(r"(?:exten = ([^,]+),1|\s*same = n),(\w+)\((.*)\)(?:\s+;.*)?$")


def _wanted_steps(config: SwitchConfig) -> dict[Context, dict[str, list[Step]]]:
    """What the generated files say, read the way Asterisk lists it: text has one author, render."""
    files = render(config)
    result: dict[Context, dict[str, list[Step]]] = {}
    for context, name in (
        (Context.FROM_TRUNK, "extensions_lines.conf"),
        (Context.FROM_AGENTS, "extensions_phones.conf"),
        (Context.QUEUE_PLAN, "extensions_queues.conf"),
    ):
        steps: dict[str, list[Step]] = {}
        exten = ""
        for line in files[name].splitlines():
            match = _STEP.match(line)
            if match:
                exten = match[1] or exten
                steps.setdefault(exten, []).append((match[2], match[3]))
        result[context] = steps
    return result
