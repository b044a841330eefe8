"""The journal of a call that tells somebody on call of an alert."""

from __future__ import annotations

from uuid import UUID

import pytest

from callcenter.calls.book import CallBook
from callcenter.calls.events import CallEvent
from callcenter.calls.facts import AlertTold, CallEnded, Fact
from callcenter.calls.journal import Reject, parse_line
from callcenter.calls.model import Call, Disposition
from callcenter.calls.tail import Position

pytestmark = pytest.mark.unit

CALL = UUID("00000000-0000-4000-8000-000000000007")
ALERT = UUID("00000000-0000-4000-8000-000000000008")
PHONE, TRUNK = "PJSIP/1001-00000009", "PJSIP/trunk-00000009"
TOLD = f"alert={ALERT}&agent=1001&key="


def line(kind: str, extra: str, second: int, channel: str = PHONE) -> bytes:
    own = f"alert-{CALL}"
    ours = kind if kind.startswith("CC_") else ""
    return (
        f'"{kind}","179546373{second}.000000","{own}","{own}","{channel}","cc-alert","s",'
        f'"1001","","","","{ours}","{extra}",""'
    ).encode()


def read(*lines: bytes) -> tuple[Call, list[Fact]]:
    book = CallBook("n1")
    for text in lines:
        event = parse_line(text, "CN")
        assert isinstance(event, CallEvent), event
        book.take(event, Position(0, 0))
    [call] = book.calls.values()
    return call, book.facts


def test_who_picks_up_and_presses_1_has_acknowledged_the_alert() -> None:
    began = f"call={CALL}&direction=internal&dialled=1001&number=&pres=&source="
    call, facts = read(
        line("CHAN_START", "", 0),
        line("ANSWER", "", 1),
        line("CC_CALL", began, 2),
        line("CC_ALERT", TOLD, 3),
        line("CC_ALERT", f"{TOLD}1", 4),
        line("HANGUP", "", 5),
    )
    assert (call.call_id, call.direction, call.disposition) == (
        CALL,
        "internal",
        Disposition.ANSWERED,
    )
    told = [fact for fact in facts if isinstance(fact, AlertTold)]
    assert {(fact.alert, fact.agent) for fact in told} == {(str(ALERT), "1001")}
    assert [fact.acknowledged for fact in told] == [False, True]
    assert (call.talks, call.visits) == ((), ()), "no talk and no wait in anybody's figures"


@pytest.mark.parametrize(("channel", "direction"), [(PHONE, "internal"), (TRUNK, "outbound")])
def test_a_phone_that_nobody_picks_up_has_its_record_too(channel: str, direction: str) -> None:
    call, facts = read(
        line("CHAN_START", "", 0, channel),
        line("HANGUP", "", 5, channel),
        line("CHAN_END", "", 6, channel),
        line("LINKEDID_END", "", 7, channel),
    )
    assert (call.call_id, call.direction) == (CALL, direction)
    assert call.disposition is Disposition.FAILED
    assert [fact.kind for fact in facts if isinstance(fact, CallEnded)] == ["call_ended"]
    assert not [fact for fact in facts if isinstance(fact, AlertTold)]


@pytest.mark.parametrize(
    "extra",
    [
        "agent=1001&key=1",
        f"alert={ALERT}&agent=1001&key=drop",
        f"alert={ALERT}&agent=x&key=",
        f"alert={ALERT}&agent=&key=1",
        "alert=1&agent=1001&key=1",
    ],
)
def test_a_record_we_do_not_write_is_refused(extra: str) -> None:
    assert isinstance(parse_line(line("CC_ALERT", extra, 3), "CN"), Reject)
