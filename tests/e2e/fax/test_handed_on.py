"""The flow hands the citizen on to another unit's number over the trunk; engaged: to our queue.

The other unit is the machine at the trunk's far end: it answers, whatever it says then.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from callcenter.testing.eventually import eventually
from tests.e2e.fax.test_fax import call_of, known_calls, youngest_call

if TYPE_CHECKING:
    from tests.e2e.fax.conftest import Office

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

UNIT = "053188880002"
FLOW = {
    "entry": "unit",
    "nodes": {"unit": {"type": "transfer", "to": UNIT, "ring_seconds": 10}},
}


async def hand_on(office: Office, *, busy: int, until: str) -> dict[str, Any]:
    """A citizen's call through that flow, hung up once its timeline tells `until`."""
    client, flow = office.hotline.client, "/api/v1/ivr/flows/main"
    old = (await office.hotline.get("/ivr/flows/main/active"))["version"]
    assert (
        await client.put(f"{flow}/draft", json=FLOW, headers={"If-Match": "*"})
    ).status_code == 200
    published = await client.post(f"{flow}/versions", json={"comment": "another unit"})
    assert published.status_code == 201, published.text
    try:
        await office.machine.begin_anew(t38=False, busy=busy)
        known = await known_calls(office)
        await office.machine.call("start")
        call = await youngest_call(office, known)

        async def told() -> bool:
            found = await office.hotline.get(f"/calls/{call['call_id']}/timeline")
            kinds = [entry["kind"] for entry in found["items"]]
            assert until in kinds, kinds
            return True

        await eventually(told, until, within=timedelta(seconds=20))
    finally:
        await client.put(f"{flow}/active", json={"version": old})
        await office.machine.console("channel request hangup all")
    return await call_of(office, call["call_id"])


async def test_a_citizen_who_is_handed_on_talks_to_the_other_unit(office: Office) -> None:
    call = await hand_on(office, busy=0, until="other_unit_answered")
    assert call["disposition"] == "answered"
    assert (call["queued_at"], call["agent"]) == (None, None)
    assert call["case_number"], "who is handed on has a case too"
    assert len(call["legs"]) == 2
    assert f"CALLED {UNIT}" in office.machine.said


async def test_where_the_other_unit_is_engaged_a_person_of_ours_takes_the_call(
    office: Office,
) -> None:
    call = await hand_on(office, busy=1, until="caller_queued")
    assert call["queue"] == "general"
    assert call["queued_at"] is not None
    assert call["case_number"], "who waits has a case"
