"""`/reports/channels`: who served themselves, pages of fax, messages taken in time."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import insert, text

from callcenter.calls.tables import calls
from callcenter.cases.number import case_number
from callcenter.cases.tables import case_progress_tries, cases
from callcenter.channels.fax.tables import faxes
from callcenter.channels.messages.tables import messages
from callcenter.knowledge.tables import article_plays
from callcenter.platform.db import Database
from callcenter.testing.fixed_clock import FixedClock
from tests.integration.reports.conftest import BEGIN, Ask

pytestmark = pytest.mark.integration

CASE = str(case_number(2026, 1))
NINE = BEGIN + timedelta(hours=9)
DAY = {"from": BEGIN.isoformat(), "to": (BEGIN + timedelta(days=1)).isoformat()}


def uuid(number: int) -> str:
    return str(UUID(int=number))


@pytest.fixture
async def morning(database: Database, clock: FixedClock) -> None:
    """Ten calls: what each is stands beside it."""
    clock.now = NINE + timedelta(minutes=50)
    dispositions = {
        1: "self_served",  # an article to its end
        2: "self_served",  # an article, hung up in it
        3: "answered",  # an article to its end, then a person
        4: "self_served",  # told how the case stands
        5: "self_served",  # no case of that number
        6: "abandoned",  # nothing of self-service
        7: "fax",  # three pages, all arrived
        8: "fax",  # five pages, two arrived
        9: "voicemail",
        10: "voicemail",
        11: "voicemail",
        12: "voicemail",
    }
    async with database.transaction() as connection:
        # Articles and recordings these rows name are of no concern here.
        await connection.execute(text("SET LOCAL session_replication_role = replica"))
        await connection.execute(
            insert(calls),
            [
                {
                    "call_id": UUID(int=number),
                    "node": "n",
                    "linkedid": str(number),
                    "uniqueid": str(number),
                    "direction": "inbound",
                    "state": "ended",
                    "disposition": disposition,
                    "hangup_by": "caller",
                    "started_at": NINE + timedelta(seconds=number),
                    "ended_at": NINE + timedelta(minutes=2),
                }
                for number, disposition in dispositions.items()
            ],
        )
        await connection.execute(
            insert(article_plays),
            [
                {
                    "call_id": UUID(int=number),
                    "seq": 0,
                    "article": "permit",
                    "version": 1,
                    "language": "zh",
                    "at": NINE,
                    "outcome": outcome,
                }
                for number, outcome in ((1, "finished"), (2, "hung_up"), (3, "finished"))
            ],
        )
        await connection.execute(
            insert(cases).values(case_number=CASE, title="t", opened_at=NINE, opened_by="flow")
        )
        for number, case, outcome in ((4, CASE, "told"), (5, None, "failed")):
            await connection.execute(
                insert(case_progress_tries).values(
                    at=NINE, case_number=case, call_id=UUID(int=number), outcome=outcome
                )
            )
        for number, state, pages, arrived in (
            (7, "sent", 3, 3),
            (8, "failed", 5, 2),
            (108, "cancelled", 9, 0),
        ):
            await connection.execute(
                insert(faxes).values(
                    fax_id=UUID(int=number),
                    direction="out",
                    way="call",
                    call_id=UUID(int=number % 100),
                    title="t",
                    state=state,
                    pages=pages,
                    pages_done=arrived,
                    created_at=NINE,
                    created_by="system:agi",
                    ended_at=NINE + timedelta(minutes=1),
                )
            )
        # Left at 9:00, 9:00, 9:00 and 9:30; it is 9:50.
        for number, minutes, taken in ((9, 0, 30), (10, 0, 31), (11, 0, None), (12, 30, None)):
            left_at = NINE + timedelta(minutes=minutes)
            await connection.execute(
                insert(messages).values(
                    call_id=UUID(int=number),
                    case_number=CASE,
                    reason="closed",
                    recording_id=UUID(int=number),
                    left_at=left_at,
                    due_at=left_at + timedelta(hours=9),
                    state="new" if taken is None else "taken",
                    taken_by=None if taken is None else "aki",
                    taken_at=None if taken is None else left_at + timedelta(minutes=taken),
                )
            )


async def test_what_is_done_without_an_agent(morning: None, ask: Ask) -> None:
    body = (await ask("/channels", by="agent", interval="hour", **DAY)).json()
    told = {name: figure["text"] for name, figure in body["whole"]["figures"].items()}
    assert told == {
        # Five and two faxes chose it; the one who went on to a person was not contained.
        "self_service_containment": "42.9 % (3 of 7)",
        "fax_pages_delivered": "62.5 % (5 of 8)",
        "message_taken_in_time": "33.3 % (1 of 3)",
    }
    texts: dict[str, set[str]] = {}
    for part in body["parts"]:
        for name, figure in part["figures"].items():
            texts.setdefault(name, set()).add(figure["text"])
    assert texts == {name: {"none due", text} for name, text in told.items()}


async def test_each_opens_to_what_it_counts(morning: None, ask: Ask) -> None:
    figures = (await ask("/channels", **DAY)).json()["whole"]["figures"]

    async def opened(name: str, which: str) -> list[tuple[str, int, int]]:
        items = (await ask(figures[name][which])).json()["items"]
        return [(item["call_id"], item["counted"], item["due"]) for item in items]

    contained = await opened("self_service_containment", "calls")
    assert [call for call, *_ in contained] == [uuid(1), uuid(4), uuid(7)]
    chose = await opened("self_service_containment", "calls_of_denominator")
    assert [call for call, *_ in chose] == [uuid(n) for n in (1, 2, 3, 4, 5, 7, 8)]
    assert await opened("fax_pages_delivered", "calls_of_denominator") == [
        (uuid(7), 3, 3),
        (uuid(8), 2, 5),
    ]
    assert await opened("message_taken_in_time", "calls") == [(uuid(9), 1, 1)]
    due = await opened("message_taken_in_time", "calls_of_denominator")
    assert [call for call, *_ in due] == [uuid(9), uuid(10), uuid(11)]
    page: dict[str, Any] = {"figure": "self_service_containment", "part": "denominator", "limit": 4}
    first = (await ask("/channels/calls", **page, **DAY)).json()
    rest = (await ask("/channels/calls", **page, cursor=first["next_cursor"], **DAY)).json()
    assert [item["call_id"] for item in (*first["items"], *rest["items"])] == [
        call for call, *_ in chose
    ]
    assert rest["next_cursor"] is None


@pytest.mark.parametrize(
    ("path", "params", "field"),
    [
        ("/channels", {"to": "2026-09-01T00:00:00Z"}, "to"),
        ("/channels", {"to": DAY["from"]}, "to"),
        ("/channels/calls", {"figure": "happiness"}, "figure"),
        ("/channels/calls", {"figure": "fax_pages_delivered", "cursor": "AAAA"}, "cursor"),
    ],
)
async def test_what_cannot_be_told_is_refused_by_its_field(
    ask: Ask, path: str, params: dict[str, Any], field: str
) -> None:
    reply = await ask(path, **(DAY | params))
    assert reply.status_code == 422, reply.text
    assert field in [problem["field"] for problem in reply.json()["errors"]]
