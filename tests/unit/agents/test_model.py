"""Agents and their phones."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from callcenter.agents.model import NewSecret, new_agent, sip_digest
from callcenter.platform.errors import InvalidField

pytestmark = pytest.mark.unit

NOW = datetime(2026, 3, 2, tzinfo=UTC)


def test_the_digest_is_ha1_of_rfc_2617() -> None:
    # printf '1001:callcenter:secret' | md5sum
    assert sip_digest("1001", "secret") == "349257e4dca65a44efc54dafaf8f4b77"


@pytest.mark.parametrize("agent_id", ["", "1", "0123", "1234567", "10 1", "1001\n", "١٠٠١", "abc"])
def test_an_id_that_no_phone_can_dial_is_refused(agent_id: str) -> None:
    with pytest.raises(InvalidField) as refusal:
        new_agent(agent_id, "Aki", (), NOW)
    assert refusal.value.field == "id"


@pytest.mark.parametrize("name", ["", " ", "a\nb", "a\0", "x" * 101])
def test_a_name_that_would_break_the_configuration_is_refused(name: str) -> None:
    with pytest.raises(InvalidField) as refusal:
        new_agent("1001", name, (), NOW)
    assert refusal.value.field == "name"


def test_a_queue_named_twice_counts_once() -> None:
    assert new_agent("1001", "王", ("legal", "general", "legal"), NOW).queues == (
        "general",
        "legal",
    )


def test_a_secret_does_not_show_in_what_is_printed() -> None:
    made = NewSecret(
        agent=new_agent("1001", "王", (), NOW), secret="hunter2hunter2", in_force=True, detail=None
    )
    assert "hunter2" not in repr(made)
