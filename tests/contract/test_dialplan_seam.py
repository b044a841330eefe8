"""Python and dialplan/ name the same things: read from the files, no Asterisk needed."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from callcenter.asterisk.config.model import (
    AgentConfig,
    LineConfig,
    Paths,
    QueueConfig,
    SwitchConfig,
)
from callcenter.asterisk.config.render import render
from callcenter.asterisk.config.write import REPOSITORY, static_files
from callcenter.asterisk.dialplan import (
    Context,
    DialplanPrompt,
    Exit,
    Global,
    JournalEvent,
    QueueStatus,
    Route,
    Variable,
)

pytestmark = pytest.mark.contract

#: Sent by Python alone: the watchdog asks without a call.
ROUTES_OUTSIDE_DIALPLAN = {Route.PING}


@dataclass
class Dialplan:
    """Contexts → extensions → labels, and every line of code."""

    extens: dict[str, dict[str, set[str]]] = field(default_factory=dict)
    code: list[tuple[str, str, str]] = field(default_factory=list)  # context, exten, application(…)

    @property
    def text(self) -> str:
        return "\n".join(line for _, _, line in self.code)


def read() -> Dialplan:
    switch = SwitchConfig(
        node="n1",
        paths=Paths(Path("/h"), Path("/m"), Path("/d"), Path("/p")),
        ami_secret="x" * 32,
        lines=(LineConfig("12345"),),
        agents=(AgentConfig("1001", "A", "0" * 32),),
        queues=(QueueConfig("general", ("1001",)),),
    )
    files = static_files() | render(switch)
    plan = Dialplan()
    for name, text in files.items():
        if not name.startswith("extensions_") or name == "extensions_globals.conf":
            continue
        context = exten = ""
        for raw in text.splitlines():
            line = raw.strip()
            if not line or line.startswith(";"):
                continue
            if match := re.fullmatch(r"\[([\w-]+)\]", line):
                context = match[1]
                assert context not in plan.extens, f"[{context}] stands twice"
                plan.extens[context] = {}
                continue
            match = re.match(r"(?:exten = ([^,]+),1|same = n(?:\((\w+)\))?),(.*)", line)
            assert match, f"{name}: not in house style: {raw}"
            exten = match[1] or exten
            labels = plan.extens[context].setdefault(exten, set())
            if match[2]:
                labels.add(match[2])
            plan.code.append((context, exten, match[3]))
    return plan


@pytest.fixture(scope="module")
def plan() -> Dialplan:
    return read()


def test_contexts_are_those_of_the_registry(plan: Dialplan) -> None:
    assert set(plan.extens) == {str(context) for context in Context}


def test_variables_are_those_of_the_registry(plan: Dialplan) -> None:
    used = set(re.findall(r"\bCC_[A-Z_]+\b", re.sub(r"CELGenUserEvent\(\w+", "", plan.text)))
    known = {str(name) for name in (*Variable, *Global)}
    assert used <= known
    assert known - used <= {Variable.QUEUESTATUS, Global.DEFAULT_LANGUAGE}


@pytest.mark.parametrize("event", ["CC_CALL", "CC_IVR", "CC_EXIT"])
def test_the_journal_is_told_the_language(plan: Dialplan, event: str) -> None:
    told = re.findall(rf"CELGenUserEvent\({event},(.*)\)$", plan.text, re.M)
    # A call that an agent begins has no language.
    told = [extra for extra in told if "direction=internal" not in extra]
    assert told
    assert all(re.search(r"&language=\$\{[^&]+:0:2\}", extra) for extra in told)


def test_globals_are_written_by_the_generator() -> None:
    config = SwitchConfig(
        node="n1",
        paths=Paths(Path("/h"), Path("/m"), Path("/d"), Path("/p")),
        ami_secret="x" * 32,
        queues=(QueueConfig("general"),),
    )
    text = render(config)["extensions_globals.conf"]
    for name in Global:
        assert re.search(rf"^{name}\w* = \S", text, re.MULTILINE), name


def test_agi_routes_are_those_of_the_registry(plan: Dialplan) -> None:
    used = set(re.findall(r"AGI\(\$\{CC_AGI_URL\}/(\w+)", plan.text))
    assert used == {str(route) for route in Route} - ROUTES_OUTSIDE_DIALPLAN


def test_journal_events_are_those_of_the_registry(plan: Dialplan) -> None:
    used = set(re.findall(r"CELGenUserEvent\((\w+)", plan.text))
    assert used == {str(event) for event in JournalEvent}


def test_prompts_are_those_of_the_registry(plan: Dialplan) -> None:
    played = set(
        re.findall(r"Playback\(\$\{CC_PROMPTS\}/\$\{CHANNEL\(language\)\}/(\w+)\)", plan.text)
    )
    played |= set(re.findall(r"Set\(CC_REASON=(\w+)\)", plan.text))
    assert played == {str(prompt) for prompt in DialplanPrompt}


#: Which module brings an application (`core show application X`); None: Asterisk's core.
MODULE_OF = {
    "AGI": "res_agi",
    "CELGenUserEvent": "app_celgenuserevent",
    "Dial": "app_dial",
    "ExecIf": "app_exec",
    "Gosub": "app_stack",
    "MixMonitor": "app_mixmonitor",
    "Playback": "app_playback",
    "Queue": "app_queue",
    "Read": "app_read",
    "ReceiveFAX": "res_fax",
    "Record": "app_record",
    "Return": "app_stack",
    "SendFAX": "res_fax",
    **dict.fromkeys(("Answer", "Goto", "GotoIf", "Hangup", "NoOp", "Set", "Wait")),
}


def test_every_application_has_its_module_loaded(plan: Dialplan) -> None:
    used = {re.split(r"[(\s]", line, maxsplit=1)[0] for _, _, line in plan.code}
    assert used <= MODULE_OF.keys(), used - MODULE_OF.keys()
    loaded = set(re.findall(r"^load = (\w+)\.so", static_files()["modules.conf"], re.MULTILINE))
    needed = {module for app, module in MODULE_OF.items() if app in used and module}
    assert needed <= loaded, needed - loaded


def test_every_decision_of_a_flow_has_an_exit(plan: Dialplan) -> None:
    extens = plan.extens[Context.IVR]
    assert {f"to-{decision}" for decision in Exit} | {"to-", "_to-.", "s", "fax"} == set(extens)


def test_every_queue_status_has_an_exit(plan: Dialplan) -> None:
    extens = plan.extens[Context.QUEUE]
    others = {"status_", "_status_.", "s", "fax"}
    assert {f"status_{status}" for status in QueueStatus} | others == set(extens)


def test_every_way_leads_somewhere(plan: Dialplan) -> None:
    for context, exten, line in plan.code:
        for target in targets(line):
            where = f"[{context}] {exten}: {line}"
            to_context, to_exten, priority = (context, exten, target[-1])
            if len(target) == 3:
                to_context, to_exten = target[0], target[1]
            elif len(target) == 2:
                to_exten = target[0]
            assert to_context in plan.extens, where
            names = plan.extens[to_context]
            if (
                "${" in to_exten
            ):  # a jump by a value: the prefix needs an empty and a catch-all exit
                prefix = to_exten.split("${")[0]
                assert prefix in names, where
                assert f"_{prefix}." in names, where
                to_exten = prefix
            if to_exten not in names:
                assert to_exten.isdigit(), where
                assert "_X." in names, where
                to_exten = "_X."
            if not priority.isdigit():
                assert priority in names[to_exten], where


def test_every_extension_ends(plan: Dialplan) -> None:
    last: dict[tuple[str, str], str] = {}
    for context, exten, line in plan.code:
        last[context, exten] = line
    for where, line in last.items():
        assert line.startswith(("Goto(", "Hangup(", "Return(")), (where, line)


def test_catch_alls_hold_no_digit_class_by_accident(plan: Dialplan) -> None:
    """In a pattern n, x and z are digit classes, in either case."""
    for extens in plan.extens.values():
        for exten in extens:
            if exten.startswith("_") and exten != "_X.":
                assert not set(exten[1:].lower()) & set("nxz"), exten


def test_nothing_of_the_caller_reaches_a_path_or_a_program(plan: Dialplan) -> None:
    assert not re.search(r"\b(System|TrySystem|SHELL|FILE|ENV|CURL|Exec|EVAL)\(", plan.text)
    for _, _, line in plan.code:
        if re.search(r"\?Set\(CALLERID\((num|name)\)=\)\)$", line):
            continue  # forgets it
        if "CALLERID" in line or "PJSIP_HEADER" in line:
            assert line.startswith(("CELGenUserEvent(", "Set(CC_SOURCE=", "Set(CC_PRES=")), line
            stripped = re.sub(r"\$\{FILTER\([^,]+,\$\{CALLERID\([\w-]+\)\}\)\}", "", line)
            assert "CALLERID" not in stripped, line
    assert "PJSIP_HEADER(" not in plan.text


def test_the_trunk_reaches_hotline_numbers_and_nothing_else(plan: Dialplan) -> None:
    assert set(plan.extens[Context.FROM_TRUNK]) == {"12345"}
    dials = [(context, line) for context, _, line in plan.code if line.startswith("Dial(")]
    assert dials == [(Context.AGENT, "Dial(PJSIP/${CC_AGENT},30)")]


def test_nothing_in_the_dialplan_leads_to_a_fax_call_of_ours(plan: Dialplan) -> None:
    for context, exten, line in plan.code:
        assert str(Context.FAX_OUT) not in line, (context, exten, line)


def test_a_fax_machine_is_heard_wherever_a_caller_may_be_in_the_first_half_minute(
    plan: Dialplan,
) -> None:
    for context in ("INBOUND", "IVR", "QUEUE", "VOICEMAIL", "FAILOVER", "SUB_IVR_ASK"):
        assert "fax" in plan.extens[Context[context]], context


def test_every_dialplan_file_is_included_once() -> None:
    text = (REPOSITORY / "asterisk-conf" / "extensions.conf").read_text(encoding="utf-8")
    included = re.findall(r'^#include "(.+)"$', text, re.MULTILINE)
    here = {path.name for path in (REPOSITORY / "dialplan").glob("*.conf")}
    generated = {name for name in included if name not in here}
    assert here <= set(included)
    assert generated == {
        "extensions_globals.conf",
        "extensions_lines.conf",
        "extensions_phones.conf",
    }


def test_each_context_says_who_enters_and_how_it_leaves() -> None:
    for path in (REPOSITORY / "dialplan").glob("*.conf"):
        lines = path.read_text(encoding="utf-8").splitlines()
        for number, line in enumerate(lines):
            if line.startswith("["):
                above = []
                while number and lines[number - 1].startswith(";"):
                    number -= 1
                    above.append(lines[number])
                comment = " ".join(above)
                assert "Enters:" in comment, (path.name, line)
                assert re.search("Leaves|Return|last word|Remembers|identity|One file", comment)


def targets(line: str) -> list[list[str]]:
    """Where a line may jump to: [context, exten, priority], [exten, priority] or [priority]."""
    found = []
    for match in re.finditer(r"(GotoIf|Goto|Gosub)\((.*)\)", line):
        name, inside = match[1], match[2]
        if name == "GotoIf":
            depth, cut = 0, 0
            for position, char in enumerate(inside):
                depth += (char == "[") - (char == "]")
                if char == "?" and depth == 0:
                    cut = position
                    break
            branches = [branch for branch in inside[cut + 1 :].split(":") if branch]
        else:
            branches = [inside]
        found += [
            # A Gosub's arguments stand in brackets behind the priority, commas and all.
            re.sub(r"^([^(]*,[^(,]+)\(.*\)$", r"\1", branch).split(",")[:3]
            for branch in branches
        ]
    return found
