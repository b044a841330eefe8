"""Citizens with names that are Chinese, a word of the protocol, or an attack, reach a person."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.conftest import Scene

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]


async def call_by(scene: Scene, name: str, scenario: str = "citizen_presses_0.xml") -> dict:
    """The row of a call whose caller has this name (as SIP writes it) and talked to 1001."""
    async with (
        scene.agent("1001") as phone,
        scene.citizen(
            scenario, keys={"caller_name": name}, pause=timedelta(seconds=2.5)
        ) as citizen,
    ):
        result = await citizen.result()
        assert result.ok, str(result)
        scene.seen_by_the_phone = phone.calls.messages
    call = await scene.call(disposition="answered", agent="1001", hangup_by="caller")
    assert call["caller_number"] == "+8613800138000"
    assert await scene.case_of(call)
    sound = await scene.sound_of(await scene.recording_of(call))
    assert abs(sound).mean(axis=0).min() > 100, "both are heard"
    return call


async def test_a_chinese_name_is_kept_as_it_is(scene: Scene) -> None:
    call = await call_by(scene, "王先生")
    assert call["caller_name"] == "王先生"
    assert "王先生" in scene.seen_by_the_phone


async def test_a_caller_named_hangup_is_not_taken_for_a_hangup(scene: Scene) -> None:
    call = await call_by(scene, "hangup", "citizen.xml")
    assert call["caller_name"] == "hangup"
    assert [step["key"] for step in call["ivr_path"]] == [None, "1", None, "0"]


async def test_a_hostile_name_is_only_a_name(scene: Scene, tmp_path: Path) -> None:
    trace = tmp_path / "executed"
    attack = (
        f'\\"; ${{SHELL(touch {trace})}} $(touch {trace}) <script>alert(1)</script> '
        "',&|../..%00%0d%0aAction: Logoff "
    )
    call = await call_by(scene, attack + "长" * 250)
    assert not trace.exists(), "the name was executed"
    name = call["caller_name"] or ""
    assert len(name) <= 200
    assert name.isprintable()
    # The reply is JSON and says the name, not what it would do.
    assert (await scene.hotline.get(f"/calls/{call['call_id']}"))["caller_name"] == call[
        "caller_name"
    ]
