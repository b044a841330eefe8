"""Python and dialplan/ name the same things: read from the files, no Asterisk needed."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from callcenter.agents.supervision.model import SpyMode
from callcenter.asterisk.config.model import (
    AgentConfig,
    DirectoryConfig,
    LineConfig,
    OwnLanguage,
    Paths,
    QueueConfig,
    SwitchConfig,
)
from callcenter.asterisk.config.queues import EXIT_VARIABLES
from callcenter.asterisk.config.render import render
from callcenter.asterisk.config.write import REPOSITORY, static_files
from callcenter.asterisk.dialplan import (
    MESSAGE_LONGEST_SECONDS,
    MESSAGE_SHORTEST_MS,
    MESSAGE_SILENCE_SECONDS,
    MESSAGE_TAKES,
    QUEUE_PLAN_WAITING,
    Context,
    DialplanPrompt,
    Exit,
    Global,
    JournalEvent,
    MessageReason,
    QueueStatus,
    RecordStatus,
    Route,
    Variable,
)
from callcenter.asterisk.queue_order import (
    HIGHEST_PRIORITY,
    PLACES_BACK,
    PRIORITY_STEP,
)
from callcenter.asterisk.supervision import auto_answer, spy_options
from callcenter.calls.model import SHORTEST_MESSAGE, DoorStep
from callcenter.channels.messages import model as messages
from callcenter.ivr.door import Notice
from callcenter.queues.model import Cause, ExitTo

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
        queues=(
            QueueConfig("general", ("1001",), languages=(OwnLanguage("en", 25),), max_waiting=9),
        ),
        directory=(
            DirectoryConfig("119", "119", "emergency"),
            DirectoryConfig("88880001", "053188880001"),
        ),
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
        agents=(AgentConfig("1001", "A", "0" * 32),),
        queues=(QueueConfig("general", ("1001",)),),
    )
    text = render(config)["extensions_globals.conf"]
    for name in set(Global) - {Global.NODE_ALIVE, Global.PLACES_FROM}:  # set as Asterisk runs
        assert re.search(rf"^{name}\w* = \S", text, re.MULTILINE), name


def test_agi_routes_are_those_of_the_registry(plan: Dialplan) -> None:
    used = set(re.findall(r"AGI\(\$\{CC_AGI_URL\}/(\w+)", plan.text))
    assert used == {str(route) for route in Route} - ROUTES_OUTSIDE_DIALPLAN


def test_journal_events_are_those_of_the_registry(plan: Dialplan) -> None:
    used = set(re.findall(r"CELGenUserEvent\((\w+)", plan.text))
    assert used == {str(event) for event in JournalEvent}


def test_prompts_are_those_of_the_registry(plan: Dialplan) -> None:
    played = set(re.findall(r"\$\{CC_PROMPTS\}/\$\{CHANNEL\(language\)\}/(\w+)", plan.text))
    assert played == {str(prompt) for prompt in DialplanPrompt}


#: Which module brings an application (`core show application X`); None: Asterisk's core.
MODULE_OF = {
    "AGI": "res_agi",
    **dict.fromkeys(
        ("AddQueueMember", "PauseQueueMember", "RemoveQueueMember", "UnpauseQueueMember"),
        "app_queue",
    ),
    "CELGenUserEvent": "app_celgenuserevent",
    "ConfBridge": "app_confbridge",
    "ChanSpy": "app_chanspy",
    "Dial": "app_dial",
    "ExecIf": "app_exec",
    "Gosub": "app_stack",
    "MixMonitor": "app_mixmonitor",
    "PlayTones": "app_playtones",
    "Playback": "app_playback",
    "Queue": "app_queue",
    "Read": "app_read",
    "ReceiveFAX": "res_fax",
    "Record": "app_record",
    "Return": "app_stack",
    "SendFAX": "res_fax",
    "SoftHangup": "app_softhangup",
    "StartMusicOnHold": "res_musiconhold",
    "StopMusicOnHold": "res_musiconhold",
    "StopPlayTones": "app_playtones",
    "UserEvent": "app_userevent",
    **dict.fromkeys(("Answer", "Goto", "GotoIf", "Hangup", "NoOp", "Set", "Wait")),
}


def test_every_application_has_its_module_loaded(plan: Dialplan) -> None:
    used = {re.split(r"[(\s]", line, maxsplit=1)[0] for _, _, line in plan.code}
    assert used <= MODULE_OF.keys(), used - MODULE_OF.keys()
    loaded = set(re.findall(r"^load = (\w+)\.so", static_files()["modules.conf"], re.MULTILINE))
    needed = {module for app, module in MODULE_OF.items() if app in used and module}
    assert needed <= loaded, needed - loaded


def test_no_agents_phone_is_rung_beside_another_call(plan: Dialplan) -> None:
    rung = [
        line
        for _, _, line in plan.code
        if line.startswith("Queue(") or (line.startswith("Dial(") and "@" not in line)
    ]
    assert len(rung) == 6
    first = {(c, e): line for c, e, line in reversed(plan.code)}
    asks = {Context.SUB_ONE_CALL} | {
        c for (c, e), line in first.items() if e == "s" and line == "Gosub(sub-one-call,s,1)"
    }
    assert [line for line in rung if not any(f"b({c}^s^1" in line for c in asks)] == []


def test_every_decision_of_a_flow_has_an_exit(plan: Dialplan) -> None:
    extens = plan.extens[Context.IVR]
    assert {f"to-{decision}" for decision in Exit} | {"to-", "_to-.", "s", "fax"} == set(extens)


def test_every_queue_status_has_an_exit(plan: Dialplan) -> None:
    extens = plan.extens[Context.QUEUE]
    others = {"status_", "_status_.", "s", "fax", "nobody", "to_", "_to_."}
    exits = {f"to_{to}" for to in ExitTo}
    assert {f"status_{status}" for status in QueueStatus} | others | exits == set(extens)


def test_the_exits_of_queues_are_those_of_the_room_and_sql() -> None:
    sql = (REPOSITORY / "migrations/versions/0014_queue_rules.sql").read_text(encoding="utf-8")
    for column, known in (("leads_to", ExitTo), ("cause", Cause)):
        checked = re.search(rf"ck_queue_exits_{column} CHECK \({column} IN \((.*?)\)\)", sql)
        assert checked
        assert set(re.findall(r"\w+", checked[1])) == {str(word) for word in known}


def test_queues_that_hand_callers_on_to_each_other_come_to_an_end(plan: Dialplan) -> None:
    way = [
        line for context, exten, line in plan.code if (context, exten) == ("cc-queue", "to_queue")
    ]
    counted = way.index("GotoIf($[${CC_MOVES} > 3]?to_voicemail,1)")
    been = way.index('GotoIf($["${CC_BEEN}" =~ ":${CC_TARGET}:"]?to_voicemail,1)')
    assert counted < been < way.index("Goto(s,enter)")
    # Nothing but the call's end makes the count or the list shorter.
    assert len(re.findall(r"Set\(CC_MOVES=", plan.text)) == 1
    assert re.findall(r"Set\(CC_BEEN=.*", plan.text) == ["Set(CC_BEEN=${CC_BEEN}:${CC_QUEUE}:)"]


def test_the_reasons_of_a_message_are_those_of_the_registry_the_room_and_sql(
    plan: Dialplan,
) -> None:
    reasons = {str(reason) for reason in MessageReason}
    greeted = {e.removeprefix("greet_") for e in plan.extens[Context.VOICEMAIL] if "greet_" in e}
    assert greeted == reasons | {"", "_greet_."}
    assert set(re.findall(r"Set\(CC_REASON=(\w+)\)", plan.text)) <= reasons
    assert {str(reason) for reason in messages.MessageReason} == reasons
    sql = (REPOSITORY / "migrations/versions/0007_messages.sql").read_text(encoding="utf-8")
    checked = re.search(r"ck_messages_reason CHECK \(reason IN \((.*?)\)\)", sql)
    assert checked
    assert set(re.findall(r"\w+", checked[1])) == reasons


def test_the_bounds_of_a_message_are_those_of_the_registry_and_of_the_fold(plan: Dialplan) -> None:
    [record] = re.findall(r"Record\(.*\.wav,(\d+),(\d+),(\w+)\)", plan.text)
    assert record == (str(MESSAGE_SILENCE_SECONDS), str(MESSAGE_LONGEST_SECONDS), "kq")
    assert f"?{MESSAGE_SILENCE_SECONDS * 1000}:0" in plan.text
    assert f"GotoIf($[${{CC_LENGTH}} < {MESSAGE_SHORTEST_MS}]?short,1)" in plan.text
    assert f"Set(CC_LAST_TAKE=$[0${{CC_TAKE}} + {MESSAGE_TAKES}])" in plan.text
    assert timedelta(milliseconds=MESSAGE_SHORTEST_MS) == SHORTEST_MESSAGE
    assert set(re.findall(r'RECORD_STATUS\}" = "(\w+)"', plan.text)) <= {*RecordStatus}


def test_every_take_is_announced_before_it_begins_and_told_when_it_is_over(plan: Dialplan) -> None:
    take = [
        line for context, exten, line in plan.code if (context, exten) == ("cc-voicemail", "take")
    ]
    began, spoken, ended = (
        next(i for i, line in enumerate(take) if line.startswith(start))
        for start in (
            "CELGenUserEvent(CC_VOICEMAIL,",
            "Record(",
            "CELGenUserEvent(CC_VOICEMAIL_END,",
        )
    )
    assert began < spoken < ended
    # Nothing stands between the file's end and its line in the journal but counting.
    assert all(line.startswith("Set(") for line in take[spoken + 1 : ended])


def test_a_greeting_that_a_flow_names_can_leave_no_folder(plan: Dialplan) -> None:
    before = plan.text.split("Playback(${CC_PROMPTS}/${CHANNEL(language)}/${CC_GREETING})")[0]
    assert "Set(CC_GREETING=${FILTER(a-z0-9_\\-,${CC_GREETING})})" in before


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
    for context, _, line in plan.code:
        if re.search(r"\?Set\(CALLERID\((num|name)\)=\)\)$", line):
            continue  # forgets it
        if context == Context.CALLBACK or context == Context.CALLBACK_DIAL:
            # The other way round: digits of ours are shown to the agent, and to the citizen.
            assert (
                line
                in (
                    "Set(CALLERID(num)=${CC_NUMBER})",
                    "Set(CALLERID(num)=${CC_LINE})",
                    "Set(CALLERID(name)=)",
                )
                or "CALLERID" not in line
            ), line
            continue
        if context == Context.SUB_AUTO_ANSWER:
            assert "$" not in line or line.startswith("GotoIf("), "fixed words"
            continue
        if "CALLERID" in line or "PJSIP_HEADER" in line:
            assert line.startswith(("CELGenUserEvent(", "Set(CC_SOURCE=", "Set(CC_PRES=")), line
            stripped = re.sub(r"\$\{FILTER\([^,]+,\$\{CALLERID\([\w-]+\)\}\)\}", "", line)
            assert "CALLERID" not in stripped, line
    headers = [(context, line) for context, _, line in plan.code if "PJSIP_HEADER(" in line]
    assert headers == [
        (Context.SUB_AUTO_ANSWER, f"Set({told})".replace(";", "\\;")) for told in auto_answer()
    ]


def test_the_trunk_reaches_hotline_numbers_and_nothing_else(plan: Dialplan) -> None:
    assert set(plan.extens[Context.FROM_TRUNK]) == {"12345"}
    dials = [(context, line) for context, _, line in plan.code if line.startswith("Dial(")]
    # CC_TRANSFER_TO is of a published flow, CC_OUT of the directory, digits only; no caller's word
    # is ever dialled.
    transfer = "Dial(PJSIP/${CC_TRANSFER_TO}@${CC_TRUNK_DIAL},${CC_TRANSFER_SECONDS})"
    # CC_CALLBACK_TO is the number of a wish, in the form `calls.numbers` allows.
    back = "Dial(PJSIP/${CC_CALLBACK_TO}@${CC_TRUNK_DIAL},${CC_RING},rIU(sub-callback-answered)"
    back += "${CC_ASKS})"
    asks = 'Set(CC_ASKS=${IF($["${CC_SURVEY}" = "yes"]?F(cc-callback-survey^s^1))})'
    assert (Context.CALLBACK_DIAL, "s", asks) in plan.code
    # CC_EXPERTS is of the rows, agents' ids; the group's extension is generated.
    alone = f"b({Context.SUB_ONE_CALL}^s^1)"
    experts = "Dial(PJSIP/${STRREPLACE(CC_EXPERTS,-,&PJSIP/)},${CC_EXPERT_SECONDS}," + alone + ")"
    by_itself = f"b({Context.SUB_AUTO_ANSWER}^s^1(${{CC_AUTO_ANSWER}}))"
    assert dials == [
        (Context.AGENT, f"Dial(PJSIP/${{CC_AGENT}},30,{alone})"),
        (Context.EXPERT, experts),
        (Context.CALLBACK_DIAL, back),
        (Context.AGENT_OUT, "Dial(PJSIP/${CC_OUT}@${CC_TRUNK_DIAL},60,${CC_OUT_OPTIONS})"),
        (Context.TAKE_OVER, f"Dial(PJSIP/${{CC_AGENT}},20,{by_itself})"),
        (Context.TRANSFER, transfer),
    ]
    assert "Set(CC_OUT=${FILTER(0123456789+,${CC_OUT})})" in plan.text
    set_by = [(c, e, line) for c, e, line in plan.code if line.startswith("Set(CC_OUT=")]
    assert set_by[-2:] == [
        (Context.FROM_AGENTS, "119", "Set(CC_OUT=119)"),
        (Context.FROM_AGENTS, "88880001", "Set(CC_OUT=053188880001)"),
    ]
    assert "Set(CC_TRANSFER_TO=${FILTER(0123456789+,${CC_TRANSFER_TO})})" in plan.text
    assert "Set(CC_CALLBACK_TO=${FILTER(0123456789+,${CC_CALLBACK_TO})})" in plan.text


def test_only_the_node_leads_to_what_supervisors_do(plan: Dialplan) -> None:
    for context, exten, line in plan.code:
        for entered in (Context.SPY, Context.TAKE_OVER, Context.MOVE, Context.ANNOUNCE):
            assert f"{entered}," not in line, (context, exten, line)
    whispered, spied = (line for _, _, line in plan.code if line.startswith("ChanSpy("))
    # u: without it the name is a beginning, and PJSIP/1001-0000002a would do for …2ab too.
    assert spied == "ChanSpy(${CC_SPY_CHANNEL},${CC_SPY_OPTIONS})"
    assert whispered == "ChanSpy(${CC_SPY_CHANNEL},quElw)"  # cc-announce
    options = re.findall(r"Set\(CC_SPY_OPTIONS=(\w+)\)", plan.text)
    assert options == list(spy_options().values())
    assert [str(mode) for mode in SpyMode] == list(plan.extens[Context.SPY])[:3]


def test_a_survey_says_goodbye_whatever_python_does(plan: Dialplan) -> None:
    way = [line for context, exten, line in plan.code if (context, exten) == ("cc-survey", "s")]
    asked = next(i for i, line in enumerate(way) if line.startswith("AGI("))
    assert way[asked - 1] == "Set(CC_NEXT=)"
    assert way[asked + 2].endswith("/goodbye)")
    assert way[asked + 3] == "Hangup(16)"
    assert "Set(CC_SURVEY=)" in way[:asked]


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
        "extensions_queues.conf",
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


def test_a_caller_is_told_before_recording_begins_also_when_python_is_dead(plan: Dialplan) -> None:
    way = [line for context, _, line in plan.code if context == Context.FAILOVER]
    told = next(i for i, line in enumerate(way) if line.endswith("/recording_notice)"))
    assert way[told].startswith("Playback(")
    queued = next(i for i, line in enumerate(way) if line == f"Goto({Context.QUEUE},s,1)")
    skips = [line for line in way[:told] if line.startswith("GotoIf(")]
    assert told < queued
    assert len(skips) == 1, "only a notice that was heard, or no recording at all, spares it"
    assert "CC_NOTICE" in skips[0]
    assert "CC_RECORD_FROM" in skips[0]
    journalled = [line for line in way[:told] if line.startswith(f"Gosub({Context.SUB_IVR_STEP},")]
    assert [re.split(r"[(),]", line)[4] for line in journalled] == [DoorStep.NOTICE]


def test_what_a_notice_is_about_is_remembered_by_the_channel(plan: Dialplan) -> None:
    prefix = Notice("recording", 3, {}).about.split("/")[0] + "/"
    step = [line for context, _, line in plan.code if context == Context.SUB_IVR_STEP]
    wanted = f'${{ARG5:0:{len(prefix)}}}" = "{prefix}"]?Set(CC_NOTICE=${{ARG5:{len(prefix)}}})'
    assert any(wanted in line for line in step)


def test_a_priority_reaches_the_queue_as_digits_and_before_it(plan: Dialplan) -> None:
    way = [line for context, _, line in plan.code if context == Context.SUB_QUEUE_PRIO]
    filtered = way.index("Set(CC_PRIORITY=${FILTER(0123456789,${CC_PRIORITY}):0:2})")
    bounded = way.index(f"ExecIf($[0${{CC_PRIORITY}} > {HIGHEST_PRIORITY}]?Set(CC_PRIORITY=20))")
    given = way.index(
        f"Set(QUEUE_PRIO=$[(0${{CC_PRIORITY}} + 1) * {PRIORITY_STEP} - ${{CC_PLACE}}])"
    )
    assert filtered < bounded < given
    for context in (Context.QUEUE, Context.CALLBACK):
        way = [line for name, _, line in plan.code if name == context]
        queue = next(i for i, line in enumerate(way) if line.startswith("Queue("))
        assert way.index("Gosub(sub-queue-prio,s,1)") < queue


def test_a_place_is_counted_as_python_counts_it(plan: Dialplan) -> None:
    way = [line for context, _, line in plan.code if context == Context.SUB_QUEUE_PRIO]
    steps = [
        f"Set(CC_PLACE=$[${{STRFTIME(,UTC,%s%1q)}} - 0${{{Global.PLACES_FROM}}}])",
        f"GotoIf($[${{CC_PLACE}} >= 0 & ${{CC_PLACE}} <= {2 * PLACES_BACK}]?place)",
        f"Gosub({Context.QUEUE_PLAN},{QUEUE_PLAN_WAITING},1)",
        f'GotoIf($["${{{Global.PLACES_FROM}}}" != "" & ${{{Variable.ALL_WAITING}}} > 0]?place)',
        f"Set(GLOBAL({Global.PLACES_FROM})=$[${{STRFTIME(,UTC,%s%1q)}} - {PLACES_BACK}])",
        f"Set({Variable.PLACE}=$[${{CC_JOINED:0:11}} - ${{{Global.PLACES_FROM}}}])",
        f"ExecIf($[${{CC_PLACE}} < 0]?Set({Variable.PLACE}=0))",
        f"ExecIf($[${{CC_PLACE}} > {PRIORITY_STEP - 1}]?Set({Variable.PLACE}={PRIORITY_STEP - 1}))",
    ]
    begin = way.index(steps[0])
    assert way[begin : begin + len(steps)] == steps


def test_who_has_no_time_yet_gets_one_and_nobody_waits_without_a_limit(plan: Dialplan) -> None:
    way = [line for context, _, line in plan.code if context == Context.SUB_QUEUE_PRIO]
    joined = way.index('ExecIf($["${CC_JOINED}" = ""]?Set(CC_JOINED=${STRFTIME(,UTC,%s%3q)}))')
    assert joined < next(i for i, line in enumerate(way) if "Set(QUEUE_PRIO=" in line)
    way = [line for context, exten, line in plan.code if (context, exten) == ("cc-queue", "s")]
    [queue] = [line for line in way if line.startswith("Queue(")]
    assert queue.split(",")[4].rstrip(")") == "${CC_WAIT_FOR}"
    assert "ExecIf($[${CC_WAIT_FOR} < 1]?Set(CC_WAIT_FOR=1))" in way
    every = {Variable.LONGEST, Variable.MOST, Variable.OWN}
    every |= {name for pair in EXIT_VARIABLES.values() for name in pair}
    for exten in set(plan.extens[Context.QUEUE_PLAN]) - {QUEUE_PLAN_WAITING}:
        lines = [
            line for context, at, line in plan.code if (context, at) == (Context.QUEUE_PLAN, exten)
        ]
        # A caller who comes from another queue brings nothing of it along.
        assert every <= {name for name in Variable for line in lines if f"Set({name}=" in line}


def test_agents_reach_literal_numbers_only(plan: Dialplan) -> None:
    """A pattern would let a phone dial any number at the city's expense."""
    extens = plan.extens[Context.FROM_AGENTS]
    assert {"1001", "general", "119", "88880001"} <= set(extens)
    assert not [exten for exten in extens if exten.startswith("_")]


def test_a_citizen_put_aside_is_never_left_to_the_music(plan: Dialplan) -> None:
    way = [line for context, _, line in plan.code if context == Context.HOLD]
    looks = next(
        i for i, line in enumerate(way) if "CONFBRIDGE_INFO(parties,${CC_CALL_ID})" in line
    )
    assert way[looks].endswith("?alone)")
    assert any(re.fullmatch(r"GotoIf\(\$\[\$\{CC_ROUNDS\} < \d+\]\?wait\)", line) for line in way)
    assert way[-1] == f"Goto({Context.MEET},back,1)"
