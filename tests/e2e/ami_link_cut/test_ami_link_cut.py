"""The management link to Asterisk is cut, or its far end freezes; it is told, and mends itself."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from callcenter.testing import faults

if TYPE_CHECKING:
    from tests.e2e.conftest import Scene

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]


async def test_the_session_is_kicked(scene: Scene) -> None:
    """Back within a second, before anybody asks; the call beside it is complete."""
    hotline = scene.hotline
    before = await faults.reconnects(hotline)
    async with scene.agent("1001"), scene.citizen(pause=timedelta(seconds=4)) as citizen:
        sessions = await hotline.console("manager show connected")
        numbers = [
            line.split()[4] for line in sessions.splitlines() if line.split()[:1] == ["callcenter"]
        ]
        assert len(numbers) == 1, sessions
        await hotline.console(f"manager kick session {numbers[0]}")
        await faults.relinked(hotline, before)
        result = await citizen.result()
    assert result.ok, str(result)
    await faults.healthy(hotline)
    await scene.call(disposition="answered", agent="1001", hangup_by="caller")


async def test_asterisk_freezes(scene: Scene) -> None:
    hotline = scene.hotline
    pid = hotline.pid("asterisk-supervised")
    before = await faults.reconnects(hotline)
    with faults.frozen(pid):
        said = await faults.fails(hotline, "ami")
        assert said["detail"].startswith(("dead_peer", "lost")), said
        assert said["mend"]
    await faults.healthy(hotline)
    assert hotline.pid("asterisk-supervised") == pid, "a short freeze costs no calls"
    assert await faults.reconnects(hotline) > before

    async with scene.agent("1001"), scene.citizen(pause=timedelta(seconds=4)) as citizen:
        result = await citizen.result()
    assert result.ok, str(result)
    await scene.call(disposition="answered", agent="1001")
