"""Two instances run side by side; each has its own calls and nothing of the other's."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from callcenter.testing import faults
from callcenter.testing.instance import Instance

if TYPE_CHECKING:
    from tests.e2e.conftest import Scene

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

HERE, THERE = "13800138001", "13800138002"


async def _call(scene: Scene, agent: str, number: str) -> None:
    party = scene.citizen(keys={"caller_number": number}, pause=timedelta(seconds=5))
    async with scene.agent(agent), party as citizen:
        result = await citizen.result()
    assert result.ok, str(result)


async def test_a_call_to_each_at_the_same_time(
    scene: Scene, tmp_path: Path, stage: Callable[[Instance], Scene]
) -> None:
    async with Instance(tmp_path / "home") as second:
        other = stage(second)
        await asyncio.gather(_call(scene, "1001", HERE), _call(other, "1002", THERE))

        for at, agent, number in ((scene, "1001", HERE), (other, "1002", THERE)):
            # `call` fails unless this is the only one there.
            call = await at.call(disposition="answered", agent=agent)
            assert call["caller_number"] == f"+86{number}"
            assert len(await faults.cases_of(at.hotline, call["call_id"])) == 1
            recording = await at.recording_of(call)
            assert recording["state"] == "ready"
            assert abs(await at.sound_of(recording)).mean(axis=0).min() > 100, "both are heard"
        assert len(await faults.rows(second, "SELECT 1 FROM calls")) == 1
        assert len(await faults.rows(second, "SELECT 1 FROM cases")) == 1
