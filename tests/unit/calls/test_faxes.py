"""Faxes in the journal: what their records become, and what they make of a call."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from callcenter.calls import events as ev
from callcenter.calls import facts as fa
from callcenter.calls.book import CallBook
from callcenter.calls.events import CallEvent, from_stored, to_detail
from callcenter.calls.fold import apply, begin
from callcenter.calls.journal import Reject, parse_line
from callcenter.calls.model import Call, Disposition
from callcenter.calls.tail import Position
from callcenter.calls.timeline import timeline

pytestmark = pytest.mark.unit

CALL = UUID("4fc6bba4-4f16-4435-9887-6240b902185e")
FAX = "0bcb15ad-caad-562b-95a1-f5148dd29146"
NOW = datetime(2026, 11, 25, 0, 42, tzinfo=UTC)


def at(second: float, number: int, **more: Any) -> dict[str, Any]:
    return {
        "key": bytes([number]) * 16,
        "at": NOW + timedelta(seconds=second),
        "uniqueid": "u1",
        "linkedid": "u1",
        "channel": "PJSIP/trunk-00000001",
    } | more


BEGAN = ev.CallBegan(**at(0, 1), call_id=CALL, dialled="12345")
FAX_BEGAN = ev.FaxBegan(**at(1, 2), fax=FAX, way="in")
GOOD = ev.FaxEnded(**at(20, 3), fax=FAX, way="in", good=True, pages=2, mode="T38")
BROKEN = replace(GOOD, good=False, pages=0, error="The call dropped prematurely")
HUNG_UP = ev.ChannelHungUp(**at(21, 4), cause=16, source="PJSIP/trunk-00000001")


def fold(*events: CallEvent) -> tuple[Call, list[fa.Fact]]:
    call = begin(CALL, "node1", events[0])
    facts: list[fa.Fact] = []
    for event in events:
        call, more = apply(call, event)
        facts += more
    return call, facts


def cel(extra: str, event: str = "CC_FAX") -> CallEvent | object:
    columns = ["CC_FAX", "1795463732.913826", "u1", "u1", "PJSIP/trunk-00000001", *[""] * 6]
    columns[0] = event
    row = ",".join(f'"{column}"' for column in [*columns, event, extra, ""])
    return parse_line(row.encode(), "CN")


def test_a_fax_record_is_read_with_its_result() -> None:
    extra = f"fax={FAX}&way=in&status=SUCCESS&pages=2&mode=T38&error=&station=+865318888"
    event = cel(extra)
    assert isinstance(event, ev.FaxEnded)
    assert (event.fax, event.good, event.pages, event.mode) == (FAX, True, 2, "T38")
    assert (
        from_stored(
            event.kind,
            key=event.key,
            at=event.at,
            uniqueid="u1",
            linkedid="u1",
            detail=to_detail(event),
        )
        == event
    )
    begun = cel(f"fax={FAX}&way=call", "CC_FAX_BEGIN")
    assert isinstance(begun, ev.FaxBegan)


@pytest.mark.parametrize(
    "extra",
    ["fax=&way=in", "fax=x&way=in", f"fax={FAX}&way=in&station=<b>", f"fax={FAX}&error=a;b"],
)
def test_a_fax_record_that_breaks_a_rule_is_set_aside(extra: str) -> None:
    assert isinstance(cel(extra), Reject)


def test_pages_without_end_are_bounded() -> None:
    event = cel(f"fax={FAX}&way=in&status=FAILED&pages=999999999")
    assert isinstance(event, ev.FaxEnded)
    assert event.pages == 9999


def test_a_fax_that_came_makes_the_call_a_fax() -> None:
    call, facts = fold(BEGAN, FAX_BEGAN, GOOD, HUNG_UP)
    assert call.disposition is Disposition.FAX
    assert [fact.kind for fact in facts] == [
        "call_started", "fax_started", "fax_finished", "call_ended",
    ]  # fmt: skip


def test_the_outcome_is_told_once_however_often_it_is_journalled() -> None:
    _, facts = fold(BEGAN, FAX_BEGAN, GOOD, replace(BROKEN, key=b"x" * 16), HUNG_UP)
    assert [fact.good for fact in facts if isinstance(fact, fa.FaxFinished)] == [True]


def test_a_call_that_ends_without_a_word_of_its_fax_tells_that_it_failed() -> None:
    call, facts = fold(BEGAN, FAX_BEGAN, HUNG_UP)
    (finished,) = [fact for fact in facts if isinstance(fact, fa.FaxFinished)]
    assert not finished.good
    assert call.disposition is Disposition.FAX
    _, late = apply(call, GOOD)
    assert late == []


def test_a_voice_taken_for_a_machine_that_then_waits_for_a_person_is_no_fax() -> None:
    queued = ev.QueueEntered(**at(25, 5), queue="general", why="failover")
    call, _ = fold(BEGAN, FAX_BEGAN, BROKEN, queued, replace(HUNG_UP, **at(40, 6)))
    assert call.disposition is Disposition.ABANDONED


def test_a_fax_machine_in_the_queue_or_the_mailbox_is_a_fax() -> None:
    queued = ev.QueueEntered(**at(0.5, 5), queue="general", why="flow")
    message = ev.MessageBegan(**at(0.6, 7), name=f"{CALL}-message")
    call, _ = fold(BEGAN, queued, message, FAX_BEGAN, GOOD, HUNG_UP)
    assert call.disposition is Disposition.FAX


def test_the_other_machines_number_is_not_in_the_news() -> None:
    _, facts = fold(BEGAN, FAX_BEGAN, replace(GOOD, station="+865318888"))
    (finished,) = [fact for fact in facts if isinstance(fact, fa.FaxFinished)]
    assert finished.station == "+865318888"
    assert "865318888" not in str(finished.payload())


def test_the_timeline_tells_result_pages_and_error() -> None:
    words = [item.detail for item in timeline(CALL, "node1", [BEGAN, FAX_BEGAN, GOOD, HUNG_UP])]
    assert "The fax is over: 2 page(s) went over (T.38)." in words
    words = [item.detail for item in timeline(CALL, "node1", [BEGAN, FAX_BEGAN, BROKEN, HUNG_UP])]
    assert any("dropped prematurely" in line for line in words)


def test_a_fax_call_that_is_engaged_is_an_outbound_call_that_failed() -> None:
    """It never came to the dialplan: its channel's id says whose it is."""
    fax_call = UUID("86ce83a4-9722-54f1-8a55-92eb1c854047")
    own = {"uniqueid": f"fax-{fax_call}", "linkedid": f"fax-{fax_call}"}
    book = CallBook("node1")
    source = "PJSIP/trunk-00000001"
    for event in (
        ev.ChannelStarted(**at(0, 1, **own), context="from-trunk", exten="s"),
        ev.ChannelHungUp(**at(1, 2, **own), cause=17, source=source),
        ev.ChannelEnded(**at(1, 3, **own)),
        ev.LinkedidEnded(**at(1, 4, **own)),
    ):
        book.take(event, Position(0, 0))
    (call,) = book.calls.values()
    assert (call.call_id, call.direction, call.line) == (fax_call, "outbound", None)
    assert call.disposition is Disposition.FAILED
    assert [leg.hangup_cause for leg in call.legs] == [17]
    assert book.held == 0
