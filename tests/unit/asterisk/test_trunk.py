"""How the trunk stands, from what Asterisk 22.10 answers."""

from __future__ import annotations

import pytest

from callcenter.asterisk.trunk import TrunkState, state_of

pytestmark = pytest.mark.unit

ENDPOINT = [
    {"Event": "EndpointDetail", "ObjectName": "trunk", "DeviceState": "Not in use"},
    {"Event": "ContactStatusDetail", "AOR": "trunk", "Status": "Reachable"},
]
REGISTRATIONS = [
    {"Event": "OutboundRegistrationDetail", "ObjectName": "trunk", "Status": "Registered"},
    {"Event": "AuthDetail", "ObjectName": "trunk", "Password": "hunter2"},
]


def test_both_are_read_and_nothing_else() -> None:
    state = state_of(ENDPOINT, REGISTRATIONS)
    assert state == TrunkState("Reachable", "Registered")
    assert "hunter2" not in repr(state)


def test_what_is_another_ones_or_missing_is_empty() -> None:
    other = [{"Event": "ContactStatusDetail", "AOR": "1001", "Status": "Reachable"}]
    assert state_of(other, []) == TrunkState()
    assert state_of([], [{"Event": "OutboundRegistrationDetail", "ObjectName": "x"}]) == (
        TrunkState()
    )
