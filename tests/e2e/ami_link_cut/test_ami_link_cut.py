"""The management link to Asterisk is cut, or its far end freezes; it is told, and mends itself."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from callcenter.testing import faults
from callcenter.testing.eventually import eventually

if TYPE_CHECKING:
    from callcenter.testing.instance import Instance
    from tests.e2e.conftest import Scene

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]


async def _reconnects(hotline: Instance) -> int:
    (row,) = await faults.rows(
        hotline, "SELECT (report #>> '{ami,reconnects}')::int AS n FROM node_status"
    )
    return int(row["n"])


async def test_the_session_is_kicked(scene: Scene) -> None:
    """Back within a second, before anybody asks; the call beside it is complete."""
    hotline = scene.hotline
    before = await _reconnects(hotline)
    async with scene.agent("1001"), scene.citizen(pause=timedelta(seconds=4)) as citizen:
        sessions = await hotline.console("manager show connected")
        numbers = [
            line.split()[4] for line in sessions.splitlines() if line.split()[:1] == ["callcenter"]
        ]
        assert len(numbers) == 1, sessions
        await hotline.console(f"manager kick session {numbers[0]}")

        async def again() -> bool:
            return await _reconnects(hotline) > before

        await eventually(again, "the link is taken anew", within=timedelta(seconds=10))
        result = await citizen.result()
    assert result.ok, str(result)
    await faults.healthy(hotline)
    await scene.call(disposition="answered", agent="1001", hangup_by="caller")


async def test_asterisk_freezes(scene: Scene) -> None:
    hotline = scene.hotline
    pid = hotline.pid("asterisk-supervised")
    before = await _reconnects(hotline)
    with faults.frozen(pid):
        said = await faults.fails(hotline, "ami")
        assert said["detail"].startswith(("dead_peer", "lost")), said
        assert said["mend"]
    await faults.healthy(hotline)
    assert hotline.pid("asterisk-supervised") == pid, "a short freeze costs no calls"
    assert await _reconnects(hotline) > before

    async with scene.agent("1001"), scene.citizen(pause=timedelta(seconds=4)) as citizen:
        result = await citizen.result()
    assert result.ok, str(result)
    await scene.call(disposition="answered", agent="1001")
