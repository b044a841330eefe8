"""The supervisor is killed during a call; the call goes on, and the next `run` takes over."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from callcenter.platform.postgres import embedded
from callcenter.platform.settings import load_settings
from callcenter.testing import faults
from callcenter.testing.eventually import eventually
from callcenter.testing.instance import Instance

if TYPE_CHECKING:
    from tests.e2e.conftest import Scene

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]


async def test_kill_9_and_run_again(tmp_path: Path, stage: Callable[[Instance], Scene]) -> None:
    home = tmp_path / "home"
    async with Instance(home) as instance:
        scene = stage(instance)
        server = embedded(load_settings(home=home))
        asterisk, postgres = instance.pid("asterisk-supervised"), server.pid()
        async with scene.agent("1001"), scene.citizen(pause=timedelta(seconds=15)) as citizen:

            async def talking() -> bool:
                return any(call["state"] == "talking" for call in await scene.calls())

            await eventually(talking, "the conversation has begun", within=timedelta(seconds=20))
            faults.kill(instance.supervisor)
            await instance.ended()
            orphans = {name: instance.pid(name) for name in (*faults.AGI, "node", "api", "worker")}
            assert faults.is_running(asterisk)

            await instance.start()
            assert citizen.is_running, "the call outlives the supervisor and its return"
            assert instance.pid("asterisk-supervised") == asterisk
            assert server.pid() == postgres
            for name, pid in orphans.items():
                await faults.replaced(instance, name, pid)
            result = await citizen.result()
        assert result.ok, str(result)

        call = await scene.call(disposition="answered", agent="1001", hangup_by="caller")
        assert [step["key"] for step in call["ivr_path"]] == [None, "1", None, "0"]
        told = await scene.timeline(call)
        for kind in ("call_started", "caller_queued", "agent_answered", "call_ended"):
            assert told.count(kind) == 1, told
        assert len(await faults.cases_of(instance, call["call_id"])) == 1
        sound = await scene.sound_of(await scene.recording_of(call))
        assert abs(sound).mean(axis=0).min() > 100, "both are heard"

    # The one that took over also ends what it did not start.
    assert not faults.processes_of(home)
