"""Lines of the journal: what they become, and what becomes of bad ones."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callcenter.calls import events as ev
from callcenter.calls.journal import (
    LONGEST_LINE,
    Ignored,
    Reject,
    parse_line,
)
from callcenter.calls.journal_fields import clean_name
from callcenter.calls.numbers import normalise_number

pytestmark = pytest.mark.unit

CALL = "4fc6bba4-4f16-4435-9887-6240b902185e"


def line(eventtype: str = "CHAN_START", extra: str = "", **columns: str) -> bytes:
    user = eventtype if eventtype.startswith("CC_") else ""
    if user and not extra.startswith("{"):
        extra = json.dumps({"extra": extra})
    row = {
        "eventtype": eventtype,
        "eventtime": "1795463732.913826",
        "uniqueid": "node1-1.1",
        "linkedid": "node1-1.1",
        "channame": "PJSIP/trunk-00000001",
        "context": "from-trunk",
        "exten": "12345",
        "cid_num": "13800138000",
        "cid_name": "",
        "appname": "",
        "appdata": "",
        "userdeftype": user,
        "eventextra": extra,
        "peer": "",
    } | columns
    return ",".join('"' + value.replace('"', '""') + '"' for value in row.values()).encode()


def began(extra: str, **columns: str) -> ev.CallBegan:
    event = parse_line(line("CC_CALL", extra, **columns), "CN")
    assert isinstance(event, ev.CallBegan), event
    return event


def test_a_channel_start_keeps_its_time_to_the_microsecond() -> None:
    event = parse_line(line(), "CN")
    assert isinstance(event, ev.ChannelStarted)
    assert event.at == datetime(2026, 11, 23, 19, 55, 32, 913826, tzinfo=UTC)
    assert event.number == "+8613800138000"


def test_a_channel_start_is_stored_without_the_number_that_may_be_withheld() -> None:
    event = parse_line(line(cid_name="王先生"), "CN")
    assert isinstance(event, ev.ChannelStarted)
    detail = ev.to_detail(event)
    assert detail == {"channel": "PJSIP/trunk-00000001", "context": "from-trunk", "exten": "12345"}


def test_our_user_event_is_known_by_its_name_in_either_column() -> None:
    extra = f"call={CALL}&direction=inbound&dialled=12345&number=&pres=&source=from"
    assert began(extra).call_id == UUID(CALL)
    assert isinstance(parse_line(line("CC_END", f"call={CALL}&node="), "CN"), Ignored)
    assert isinstance(
        parse_line(line("USER_DEFINED", extra, userdeftype="CC_CALL"), "CN"), ev.CallBegan
    )


def test_a_withheld_number_is_kept_as_withheld_and_nowhere_else() -> None:
    event = began(
        f"call={CALL}&direction=inbound&dialled=12345&number=13800138000"
        "&pres=prohib_not_screened&source=pai",
        cid_name="王先生",
    )
    assert (event.withheld, event.number, event.name, event.source) == (
        True,
        None,
        None,
        "withheld",
    )


def test_a_callers_name_loses_control_and_direction_characters_and_nothing_else() -> None:
    assert clean_name("王先生") == "王先生"
    assert clean_name("a\u202eb\x07c\x9bd\u200bе") == "a b c d е"
    assert clean_name("\x00\u2066 \r\n") is None


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("13800138000", "+8613800138000"),
        ("+8613800138000", "+8613800138000"),
        ("(010) 6651-2345", "+861066512345"),
        ("+441632960960", "+441632960960"),
        ("1001", "1001"),
        ("12345", "12345"),
        ("anonymous", None),
        ("", None),
        ("1", None),
        ("12345&PJSIP/x", None),
        ("１２３４５", None),
        ("9" * 40, None),
        ("'; DROP TABLE calls; --", None),
    ],
)
def test_numbers_become_e164_short_ones_stay_and_hostile_text_is_no_number(
    text: str, number: str | None
) -> None:
    assert normalise_number(text, "CN") == number


@pytest.mark.parametrize(
    ("bad", "rule"),
    [
        (b'"CHAN_START","1.2"', "14 columns"),
        (b'"unclosed', "not CSV"),
        (line(eventtime="yesterday"), "eventtime"),
        (line(uniqueid="a b"), "uniqueid"),
        (line("HANGUP", "{broken"), "not JSON"),
        (line("CC_CALL", "call=no-uuid&direction=inbound"), "UUID"),
        (line("CC_CALL", "call"), "key=value"),
        (line("CC_IVR", "node=&key="), "node is empty"),
        (line("CC_IVR", "node=a b&key="), "node has a form"),
        (line("CC_QUEUE", "queue=UPPER&why=flow"), "queue has a form"),
        (line("CC_RECORDING", "recording=../../etc/passwd&kind=conversation"), "recording has"),
        (line("CC_CALL", f"call={CALL}&direction=sideways"), "direction"),
        (line(exten="x" * LONGEST_LINE), "longer"),
        (line("not a word"), "eventtype"),
    ],
)
def test_a_bad_line_is_refused_with_the_rule_it_breaks(bad: bytes, rule: str) -> None:
    found = parse_line(bad, "CN")
    assert isinstance(found, Reject)
    assert rule in found.rule
    assert len(found.key) == 16
    assert len(found.text) <= 2000


def test_bytes_that_are_no_utf8_are_replaced_and_the_record_counts() -> None:
    event = parse_line(line().replace(b'"12345"', b'"\xff\xfe"'), "CN")
    assert isinstance(event, ev.ChannelStarted)
    assert event.exten == "��"


def test_a_record_nobody_folds_is_ignored_not_refused() -> None:
    assert parse_line(line("APP_END"), "CN") == Ignored("APP_END")


@given(st.binary(max_size=400))
def test_no_bytes_raise(data: bytes) -> None:
    parse_line(data, "CN")


@given(
    st.lists(st.text(max_size=30), min_size=14, max_size=14),
    st.sampled_from(["CC_CALL", "CC_IVR", "HANGUP"]),
)
def test_no_text_in_any_column_raises_and_none_carries_nul(columns: list[str], kind: str) -> None:
    columns[0] = columns[11] = kind
    columns[1:4] = ["1795463732.913826", "a", "b"]
    text = ",".join('"' + value.replace('"', '""') + '"' for value in columns)
    found = parse_line(text.encode("utf-8", "replace"), "CN")
    if isinstance(found, ev.CallEvent):
        assert "\x00" not in json.dumps(ev.to_detail(found), ensure_ascii=False)


def test_a_node_says_what_was_heard_there_beside_the_flow() -> None:
    heard = parse_line(line("CC_IVR", "node=.notice&key=&flow=&about=notice/recording/3"), "CN")
    assert isinstance(heard, ev.FlowNodeEntered)
    assert (heard.node, heard.about, heard.flow) == (".notice", "notice/recording/3", None)
    old = parse_line(line("CC_IVR", "node=menu&key=1"), "CN")
    assert isinstance(old, ev.FlowNodeEntered)
    assert old.about == ""
    broken = parse_line(line("CC_IVR", "node=menu&key=1&about=$(x)"), "CN")
    assert isinstance(broken, Reject)


@pytest.mark.parametrize(
    ("written", "priority"),
    [("&priority=20", 20), ("&priority=", None), ("", None), ("&priority=0", None)]
    + [(f"&priority={odd}", None) for odd in ("21", "99", "-1", "x")],
)
def test_a_priority_is_1_to_20_or_none(written: str, priority: int | None) -> None:
    event = parse_line(line("CC_QUEUE", f"queue=general&why=flow{written}"), "CN")
    assert isinstance(event, ev.QueueEntered)
    assert event.priority == priority
