"""Holds that AMI tells become records of ours, in order, once the journal is read so far."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import cast

import pytest

from callcenter.asterisk.ami.bus import AmiBus
from callcenter.asterisk.ami.client import AmiClient
from callcenter.asterisk.ami.messages import AmiMessage
from callcenter.asterisk.phone_holds import PhoneHolds
from callcenter.calls.events import CallEvent

pytestmark = pytest.mark.unit

NOW = datetime(2026, 11, 25, 9, tzinfo=UTC)


class Wire:
    """AMI's events, and then nothing more."""

    def __init__(self, *told: AmiMessage) -> None:
        self._told = told

    async def events(self) -> AsyncIterator[AmiMessage]:
        for message in self._told:
            yield message


def told(event: str, channel: str, uniqueid: str = "n-1.2") -> AmiMessage:
    return AmiMessage(
        (("Event", event), ("Channel", channel), ("Uniqueid", uniqueid), ("Linkedid", "n-1.1"))
    )


async def kept(*messages: AmiMessage, read: list[bool] | None = None) -> list[CallEvent]:
    """What is noted of these, the first failing."""
    noted: list[CallEvent] = []
    tries: list[CallEvent] = []
    reads = read if read is not None else []

    async def note(event: CallEvent) -> None:
        assert not reads, "the journal was not read yet"
        tries.append(event)
        if event.uniqueid == "n-bad":
            raise ValueError(event.uniqueid)
        noted.append(event)

    bus = AmiBus()
    holds = PhoneHolds(bus, note, lambda: NOW, lambda: reads.pop(0) if reads else True)
    running = asyncio.create_task(holds.run(), name="holds")
    await bus.serve(cast("AmiClient", Wire(*messages)))
    async with asyncio.timeout(5):
        while len(tries) < sum("PJSIP/1" in (m.get("Channel") or "") for m in messages):
            await asyncio.sleep(0.01)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    return noted


async def test_a_hold_and_its_end_are_records_of_the_agents_leg() -> None:
    found = await kept(told("Hold", "PJSIP/1001-00000002"), told("Unhold", "PJSIP/1001-00000002"))
    assert [(e.kind, e.at, e.uniqueid, e.linkedid) for e in found] == [
        ("phone_held", NOW, "n-1.2", "n-1.1"),
        ("phone_retrieved", NOW, "n-1.2", "n-1.1"),
    ]
    assert found[0].key != found[1].key


async def test_a_citizens_phone_is_nobodys_matter() -> None:
    assert await kept(told("Hold", "PJSIP/trunk-1"), told("Hold", "Local/1001-1;1")) == []


async def test_a_hold_waits_until_the_journal_has_told_of_its_leg() -> None:
    read = [False, False, True]
    assert len(await kept(told("Hold", "PJSIP/1001-00000002"), read=read)) == 1


async def test_one_that_cannot_be_kept_takes_no_others_along() -> None:
    found = await kept(
        told("Hold", "PJSIP/1001-00000002", "n-bad"), told("Hold", "PJSIP/1001-00000002")
    )
    assert [e.uniqueid for e in found] == ["n-1.2"]
