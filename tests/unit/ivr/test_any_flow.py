"""Properties of every flow: generated ones of all node types, sound and with planted defects."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from callcenter.ivr.check import Code, check, errors_in, estimated, examine
from callcenter.ivr.check.ways import asks
from callcenter.ivr.exits import EnterQueue, FlowExit, LeaveMessage, Transfer
from callcenter.ivr.model import Flow, parse_flow
from callcenter.ivr.nodes import Branch, ByHours, Menu, Node, SubFlow, ToFax
from callcenter.ivr.runner import MAX_STEPS, run_flow
from callcenter.ivr.session import Step
from callcenter.testing.sample_flow import VOICE
from callcenter.testing.scripted_caller import Early, ScriptedCaller
from callcenter.testing.whole_flow import BUSY_AROUND, DESK_AROUND, SECONDS, whole_plan

pytestmark = pytest.mark.unit

KEYS: Final = "123456789*#"
COUNT: Final = 8
IDS: Final = [f"n{i}" for i in range(COUNT)]
PERSON: Final = {"type": "queue", "queue": "legal"}
_ONE_EACH: Final = (
    *("say", "text", "language", "menu", "menu", "queue", "hangup", "branch", "schedule"),
    *("article", "article_menu", "case_status", "callback", "voicemail", "fax", "transfer"),
    *("survey", "set", "flow", "notice", "collect", "phone"),
)


def said(keys: Sequence[str]) -> dict[str, str]:
    """Words that announce keys."""
    zh = [f"事{key}按{'星号' if key == '*' else '井号' if key == '#' else key}" for key in keys]
    en = [f"press {key} for t{place}" for place, key in enumerate(keys)]
    return {"zh": "，".join(zh) or "请选", "en": ", ".join(en) or "choose"}


@st.composite
def nodes(draw: st.DrawFn, targets: list[str], below: list[str]) -> dict[str, Any]:
    """One node: keys lead to `targets`, what needs no key leads to `below`."""
    by_key, onward = st.sampled_from(targets), st.sampled_from(below)
    kind = draw(st.sampled_from(_ONE_EACH))
    words = draw(st.sampled_from([{"zh": "说话", "en": "words"}, {"prompt": "recording_notice"}]))
    match kind:
        case "say":
            return {"type": kind, "say": words, "next": draw(onward)}
        case "text":
            return {"type": "article", "text": words, "next": draw(onward)}
        case "language":
            language = draw(st.sampled_from(["zh", "en"]))
            return {"type": kind, "language": language, "next": draw(onward)}
        case "set":
            pace = draw(st.sampled_from(["slow", "normal"]))
            values = {"wish": draw(st.sampled_from("ab"))}
            return {"type": kind, "pace": pace, "values": values, "next": draw(onward)}
        case "queue":
            return {"type": kind, "queue": "legal", "say": words}
        case "transfer":
            return {"type": kind, "to": "02088886666"}
        case "voicemail":
            return {"type": kind, "reason": "closed", "say": words}
        case "hangup":
            return {"type": kind}
        case "branch":
            cases = {value: draw(onward) for value in "ab"}
            return {"type": kind, "on": "wish", "cases": cases, "otherwise": draw(onward)}
        case "schedule":
            ways = {"open": draw(onward), "closed": draw(onward), "holiday": draw(onward)}
            return {"type": kind, "schedule": "office", **ways}
        case "article":
            fax = draw(by_key)
            return {"type": kind, "article": "id_card", "fax": fax, "next": draw(onward)}
        case "article_menu":
            ways = {"next": draw(by_key), "fax": draw(by_key), "on_timeout": draw(onward)}
            return {"type": kind, "category": "permits", **ways}
        case "case_status":
            return {"type": kind, "next": draw(by_key), "on_failed": draw(onward)}
        case "callback":
            return {"type": kind, "queue": "legal", "say": words, "on_refused": draw(onward)}
        case "fax":
            source = draw(st.sampled_from([{"document": "form"}, {"article": "id_card"}, {}]))
            return {"type": kind, **source, "next": draw(by_key), "on_failed": draw(onward)}
        case "survey":
            keys = draw(st.lists(st.sampled_from(KEYS), min_size=1, max_size=3, unique=True))
            answers = dict.fromkeys(keys, "yes")
            node = {"type": kind, "question": "q", "say": said(keys), "answers": answers}
            return {**node, "next": draw(onward)}
        case "flow" | "notice":
            name = "faq" if kind == "flow" else kind
            return {"type": "flow", "flow": name, "next": draw(onward)}
        case "collect" | "phone":
            node = {
                "type": "collect",
                "say": words,
                "into": "wanted",
                "min_digits": draw(st.integers(1, 5)),
                "max_digits": draw(st.integers(5, 11)),
                "read_back": draw(st.booleans()),
                "purpose": "to be called back",
                "kind": "phone" if kind == "phone" else "digits",
                "next": draw(by_key),
            }
            return node | draw(_ways_out(onward))
        case _:
            keys = draw(st.lists(st.sampled_from(KEYS), min_size=1, max_size=4, unique=True))
            options = {key: draw(by_key) for key in keys}
            node = {"type": "menu", "say": said(keys), "options": options}
            return node | {"retries": draw(st.integers(0, 2))} | draw(_ways_out(onward))


@st.composite
def _ways_out(draw: st.DrawFn, onward: st.SearchStrategy[str]) -> dict[str, Any]:
    return {way: draw(onward) for way in ("on_timeout", "on_invalid") if draw(st.booleans())}


@st.composite
def flows(draw: st.DrawFn) -> dict[str, Any]:
    """Whatever a flow may be: loops, dead ends and all."""
    targets = [*IDS, ".person", ".return"]
    return {"entry": "n0", "nodes": {node_id: draw(nodes(targets, targets)) for node_id in IDS}}


#: Reads what is asked for, first of all: personal data is asked for with need.
FIRST: Final = {
    "type": "menu",
    "say": [said(["1"]), {"value": "wanted", "as": "digits"}],
    "options": {"1": "n0"},
    "retries": 0,
    "on_timeout": "n0",
}


@st.composite
def sound_flows(draw: st.DrawFn) -> Flow:
    """Sound by the way it is made: without a key it only goes down, where a person waits."""
    made: dict[str, Any] = {IDS[-1]: PERSON}
    for place in reversed(range(COUNT - 1)):
        below = [name for name in IDS[place + 1 :] if made[name]["type"] != "hangup"]
        made[IDS[place]] = draw(nodes([*IDS, ".person", ".return"], [*below, ".person"]))
    if made["n0"]["type"] == "hangup":
        made["n0"] = PERSON
    return parse_flow({"entry": "first", "nodes": {"first": FIRST, **dict(sorted(made.items()))}})


presses = st.lists(
    st.one_of(
        st.none(),
        st.sampled_from(["0", *KEYS, "12345", "13800138000", "5#"]),
        st.sampled_from("0" + KEYS).map(Early),
    ),
    max_size=40,
)
callers = st.sampled_from([None, "+8613800138000"])
_MANY = settings(max_examples=150, deadline=None)
#: One event loop for thousands of calls.
LOOP = asyncio.Runner()


@pytest.fixture(autouse=True, scope="module")
def _loop() -> Iterator[None]:
    with LOOP:
        yield


def run(flow: Flow, caller: ScriptedCaller) -> FlowExit:
    return LOOP.run(run_flow(whole_plan(flow), caller, VOICE, DESK_AROUND))


def is_a_person(done: FlowExit) -> bool:
    """A person, or the mailbox where the flow says that nobody is there."""
    if isinstance(done, EnterQueue):
        return done.why == "flow"
    return isinstance(done, Transfer) or (isinstance(done, LeaveMessage) and done.why != "choice")


@_MANY
@given(flow=sound_flows())
def test_a_sound_flow_has_no_errors(flow: Flow) -> None:
    assert errors_in(check(flow, BUSY_AROUND)) == []


@_MANY
@given(flow=sound_flows(), presses=presses, number=callers)
def test_a_sound_flow_always_ends_within_the_bound_and_without_a_fault(
    flow: Flow, presses: list[Any], number: str | None
) -> None:
    caller = ScriptedCaller(presses, caller=number)
    done = run(flow, caller)
    assert not (isinstance(done, EnterQueue) and done.why in ("fault", "steps"))
    assert len(caller.path) <= MAX_STEPS * 3
    assert max(caller.trips_per_step) <= 2


@_MANY
@given(flow=sound_flows(), presses=presses, number=callers)
def test_from_every_node_that_asks_silence_reaches_a_person(
    flow: Flow, presses: list[Any], number: str | None
) -> None:
    caller = ScriptedCaller(presses, caller=number)
    run(flow, caller)
    nodes = {entry.node: flow.nodes.get(entry.node) for entry in caller.path}
    for name in sorted(name for name, node in nodes.items() if node is not None and asks(node)):
        assert is_a_person(run(flow, ScriptedCaller(resume_node=name, caller=number)))


@_MANY
@given(document=flows())
def test_silence_fails_in_the_runner_only_where_the_check_says_so(
    document: dict[str, Any],
) -> None:
    flow = parse_flow(document)
    findings = check(flow, BUSY_AROUND)
    said = {f.node for f in findings if f.code is Code.SILENCE_NOT_A_PERSON}
    for name, node in flow.nodes.items():
        if asks(node) and name not in said:
            for number in (None, "+8613800138000"):
                assert is_a_person(run(flow, ScriptedCaller(resume_node=name, caller=number)))


@_MANY
@given(document=flows())
def test_silence_that_fails_fails_in_the_runner_too_where_nothing_forks(
    document: dict[str, Any],
) -> None:
    flow = parse_flow(document)
    if any(forks(node) or isinstance(node, SubFlow) for node in flow.nodes.values()):
        return
    for finding in check(flow, BUSY_AROUND):
        if finding.code is Code.SILENCE_NOT_A_PERSON:
            assert not is_a_person(run(flow, ScriptedCaller(resume_node=finding.node)))


@_MANY
@given(document=flows())
def test_what_the_runner_enters_is_reachable_to_the_check(document: dict[str, Any]) -> None:
    flow = parse_flow(document)
    findings = check(flow, BUSY_AROUND)
    never = {f.node for f in findings if f.code is Code.UNREACHABLE_NODE}
    for script in ([], list("123456789*#"), ["9", "2", None, "13800138000", "1"] * 4):
        caller = ScriptedCaller(script)
        run(flow, caller)
        assert not never & {entry.node for entry in caller.path}


@_MANY
@given(document=flows())
def test_from_every_menu_zero_reaches_a_person_though_the_flow_is_broken(
    document: dict[str, Any],
) -> None:
    flow = parse_flow(document)
    for node_id, node in flow.nodes.items():
        if isinstance(node, Menu):
            assert isinstance(run(flow, ScriptedCaller(["0"], resume_node=node_id)), EnterQueue)


BYE: Final = {"zh": "再见", "en": "bye"}
_MENU: Final = {"type": "menu", "say": said(["1"]), "options": {"1": "n7"}}
#: What is planted: the finding, and the node in which it is.
DEFECTS: Final[dict[Code, dict[str, Any]]] = {
    Code.DANGLING_REFERENCE: {"type": "say", "say": BYE, "next": "gone"},
    Code.UNKNOWN_QUEUE: {"type": "queue", "queue": "gone"},
    Code.UNKNOWN_PROMPT: {"type": "queue", "queue": "legal", "say": {"prompt": "gone"}},
    Code.LANGUAGE_INCOMPLETE: {"type": "queue", "queue": "legal", "say": {"zh": "好"}},
    Code.ZERO_NOT_A_PERSON: _MENU | {"options": {"1": "n7", "0": "first"}},
    Code.LOOP_WITHOUT_EXIT: {"type": "say", "say": BYE, "next": "HERE"},
    Code.SILENCE_NOT_A_PERSON: _MENU | {"on_timeout": "HERE"},
    Code.UNKNOWN_SCHEDULE: {"type": "schedule", "schedule": "gone", "open": "n7", "closed": "n7"},
    Code.UNKNOWN_ARTICLE: {"type": "article", "article": "gone", "next": "n7"},
    Code.UNKNOWN_CATEGORY: {"type": "article_menu", "category": "gone", "next": "n7"},
    Code.UNKNOWN_DOCUMENT: {"type": "fax", "document": "gone", "next": "n7"},
    Code.UNKNOWN_FLOW: {"type": "flow", "flow": "gone", "next": "n7"},
    Code.SUBFLOW_CYCLE: {"type": "flow", "flow": "main", "next": "n7"},
    Code.OWN_NUMBER: {"type": "transfer", "to": "12346"},
    Code.KEY_DOES_NOTHING: _MENU | {"say": said(["1", "2"])},
    Code.KEY_USED_TWICE: _MENU | {"say": said(["1", "1"])},
    Code.PERSONAL_DATA_WITHOUT_NEED: {
        "type": "collect",
        "say": BYE,
        "into": "identity",
        "kind": "id_number",
        "min_digits": 18,
        "purpose": "none that is used",
        "next": "n7",
    },
}


@_MANY
@given(flow=sound_flows(), where=st.sampled_from(IDS[:-1]), code=st.sampled_from(list(DEFECTS)))
def test_a_planted_defect_is_found_where_it_was_planted(flow: Flow, where: str, code: Code) -> None:
    document = flow.as_json()
    node = DEFECTS[code]
    if code is Code.KEY_USED_TWICE:
        node = node | {"say": {"zh": "一按1，二按1", "en": "press 1"}}
    planted = {name: where if value == "HERE" else value for name, value in node.items()}
    document["nodes"] |= {where: planted}
    # A flow that goes back may have asked for the flow that runs it: the check lets that be.
    assume(code is not Code.PERSONAL_DATA_WITHOUT_NEED or ".return" not in str(document))
    errors = errors_in(check(parse_flow(document), BUSY_AROUND))
    assert (code, where) in {(f.code, f.node) for f in errors}
    # The other nodes were sound: what else is found follows from the planted one.
    followers = {Code.SILENCE_NOT_A_PERSON, Code.LOOP_WITHOUT_EXIT}
    assert {f.code for f in errors if f.node != where} <= followers
    assert {f.code for f in errors if f.node == where} <= followers | {code}


@_MANY
@given(document=flows())
def test_the_check_is_stable_and_never_fails(document: dict[str, Any]) -> None:
    assert examine(parse_flow(document), BUSY_AROUND) == examine(parse_flow(document), BUSY_AROUND)


# Seconds -----------------------------------------------------------------------------------------


class TimedCaller(ScriptedCaller):
    """Counts the seconds a caller spends, as the check's own lengths have them."""

    seconds = 0.0

    async def ask(
        self,
        prompts: Sequence[Path],
        *,
        timeout: timedelta,
        max_digits: int = 1,
        entering: Step | None = None,
    ) -> str | None:
        pressed = await super().ask(
            prompts, timeout=timeout, max_digits=max_digits, entering=entering
        )
        self.seconds += sum(map(length, prompts))
        if pressed is None:
            self.seconds += timeout.total_seconds()
        return pressed

    async def play(self, prompts: Sequence[Path]) -> str | None:
        self.seconds += sum(map(length, prompts))
        return await super().play(prompts)


def length(path: Path) -> float:
    name = str(path)
    if name.startswith("slow "):
        return length(Path(name.removeprefix("slow "))) / 0.8
    language, rest = name[:2], name[3:]
    if name[2] == "_":
        return SECONDS[rest, language]
    return {"带": 5.0, "it": 6.0, "证件": 2.0, "card": 2.0}.get(rest) or estimated(rest, language)


def silent_seconds(flow: Flow) -> tuple[float, bool]:
    """What a caller with, and one without a number waits; whether both get to a person."""
    waited = []
    for number in (None, "+8613800138000"):
        caller = TimedCaller(caller=number)
        done = run(flow, caller)
        assert getattr(done, "why", "") not in ("fault", "steps")
        if not isinstance(done, EnterQueue | Transfer):
            return 0.0, False
        waited.append(caller.seconds)
    return max(waited), True


def forks(node: Node) -> bool:
    """Whether it goes on by itself by what is so at the moment, or was heard before."""
    if isinstance(node, ToFax):
        return node.document is None and node.article is None
    return isinstance(node, Branch | ByHours)


def without_values(flow: Flow) -> Flow:
    """A caller who keys nothing hears no values, which the check reckons with."""
    document = flow.as_json()
    document["nodes"]["first"]["say"] = said(["1"])
    return parse_flow(document)


@_MANY
@given(flow=sound_flows())
def test_silence_takes_no_longer_than_the_check_says(flow: Flow) -> None:
    flow = without_values(flow)
    said = examine(flow, BUSY_AROUND).seconds.by_silence
    waited, reached = silent_seconds(flow)
    if reached:
        assert said is not None
        assert waited <= said + 0.1


@_MANY
@given(flow=sound_flows())
def test_silence_takes_as_long_as_the_check_says_where_nothing_forks(flow: Flow) -> None:
    flow = without_values(flow)
    if any(forks(node) for node in flow.nodes.values()):
        return
    said = examine(flow, BUSY_AROUND).seconds.by_silence
    waited, reached = silent_seconds(flow)
    if reached:
        assert said == pytest.approx(waited, abs=0.1)


@_MANY
@given(flow=sound_flows())
def test_the_figures_are_in_order(flow: Flow) -> None:
    found = examine(flow, BUSY_AROUND).seconds
    assert found.shortest is not None
    assert found.longest is not None
    assert found.shortest <= found.longest
    if found.by_silence is not None:
        assert found.shortest <= found.by_silence <= found.longest + 0.1
