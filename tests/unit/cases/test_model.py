"""The case and its acts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import product
from uuid import uuid4

import pytest

from callcenter.cases.model import (
    _NEXT,
    Case,
    CaseAct,
    CaseEvent,
    CaseFilter,
    CaseState,
    EventKind,
    IllegalTransition,
)
from callcenter.cases.number import case_number
from callcenter.platform.errors import InvalidField

pytestmark = pytest.mark.unit

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)

DO: dict[CaseAct, Callable[[Case], CaseEvent | None]] = {
    CaseAct.EDIT: lambda c: c.edit({"title": "new"}, by="aki", at=NOW),
    CaseAct.ADD_NOTE: lambda c: c.add_note("note", by="aki", at=NOW),
    CaseAct.LINK_CALL: lambda c: c.link_call(uuid4(), frozenset(), by="aki", at=NOW),
    CaseAct.CLOSE: lambda c: c.close("done", by="aki", at=NOW),
    CaseAct.REOPEN: lambda c: c.reopen("not done", by="aki", at=NOW),
}


def an_open_case() -> Case:
    case, _ = Case.open(
        case_number(2026, 7), title="Lamp", citizen_words="It is dark", by="aki", at=NOW
    )
    return case


def a_case(state: CaseState) -> Case:
    case = an_open_case()
    if state is CaseState.CLOSED:
        case.close("done", by="aki", at=NOW)
    return case


def test_opening_gives_the_first_event() -> None:
    call_id = uuid4()
    case, event = Case.open(
        case_number(2026, 7), title=" Lamp ", origin_call_id=call_id, by="aki", at=NOW
    )
    assert (case.title, case.state, case.version) == ("Lamp", CaseState.OPEN, 1)
    assert event == CaseEvent(
        seq=1, at=NOW, actor="aki", kind=EventKind.OPENED, detail={"call_id": str(call_id)}
    )


@pytest.mark.parametrize(("state", "act"), list(product(CaseState, CaseAct)))
def test_an_act_is_done_where_the_table_lists_it_and_refused_elsewhere(
    state: CaseState, act: CaseAct
) -> None:
    case = a_case(state)
    version = case.version
    wanted = {
        (CaseState.OPEN, CaseAct.REOPEN): None,
        (CaseState.OPEN, CaseAct.CLOSE): CaseState.CLOSED,
        (CaseState.CLOSED, CaseAct.REOPEN): CaseState.OPEN,
        (CaseState.CLOSED, CaseAct.CLOSE): None,
        (CaseState.CLOSED, CaseAct.EDIT): None,
    }.get((state, act), state)
    if wanted is None:
        with pytest.raises(IllegalTransition) as refusal:
            DO[act](case)
        assert refusal.value.allowed == case.allowed() == tuple(_NEXT[state])
        assert all(allowed in str(refusal.value) for allowed in case.allowed())
        assert (case.state, case.version) == (state, version)
    else:
        event = DO[act](case)
        assert event is not None
        assert (case.state, case.version, event.seq) == (wanted, version + 1, version + 1)
        assert (case.closed_at is None) is (case.state is CaseState.OPEN)


def test_every_state_has_a_row_in_the_table_and_a_way_out() -> None:
    assert set(_NEXT) == set(CaseState)
    assert all(_NEXT.values())


def test_an_edit_tells_what_changed_from_what_to_what() -> None:
    case = an_open_case()
    event = case.edit(
        {"title": "Lamp", "category": "light", "citizen_words": "a\nb"}, by="sven", at=NOW
    )
    assert event is not None
    assert event.detail == {
        "category": {"from": "", "to": "light"},
        "citizen_words": {"from": "It is dark", "to": "a\nb"},
    }


def test_an_edit_that_changes_nothing_leaves_no_trace() -> None:
    case = an_open_case()
    assert case.edit({"title": "Lamp "}, by="sven", at=NOW) is None
    assert case.version == 1


def test_an_edit_that_breaks_a_rule_changes_nothing_at_all() -> None:
    case = an_open_case()
    with pytest.raises(InvalidField, match="title"):
        case.edit({"category": "light", "title": "a\0"}, by="sven", at=NOW)
    assert (case.category, case.version) == ("", 1)


def test_state_and_number_are_no_fields_to_edit() -> None:
    for name in ("state", "number", "opened_by", "version"):
        with pytest.raises(InvalidField, match="cannot be edited"):
            an_open_case().edit({name: "x"}, by="sven", at=NOW)


def test_a_call_is_linked_once() -> None:
    case, call_id = an_open_case(), uuid4()
    assert case.link_call(call_id, frozenset(), by="aki", at=NOW) is not None
    assert case.link_call(call_id, frozenset({call_id}), by="aki", at=NOW) is None
    assert case.version == 2


def test_closing_needs_a_reason_and_tells_the_states() -> None:
    case = an_open_case()
    with pytest.raises(InvalidField, match="reason"):
        case.close(" ", by="aki", at=NOW)
    assert case.state is CaseState.OPEN
    event = case.close("lamp repaired", by="aki", at=NOW)
    assert event.detail == {
        "state": {"from": "open", "to": "closed"},
        "reason": "lamp repaired",
    }


def test_no_case_closes_before_it_was_opened_whatever_the_clocks_say() -> None:
    case = an_open_case()
    case.close("done", by="aki", at=NOW - timedelta(seconds=1))
    assert case.closed_at == case.opened_at


@pytest.mark.parametrize("year", [1, 9999])
def test_a_filter_refuses_times_no_time_zone_can_shift(year: int) -> None:
    with pytest.raises(InvalidField, match="opened_after"):
        CaseFilter(opened_after=datetime(year, 1, 1, tzinfo=UTC))


def test_a_filter_refuses_a_text_the_database_cannot_take() -> None:
    with pytest.raises(InvalidField, match="q"):
        CaseFilter(text="a\0")
