"""A citizen asks the telephone how their case stands; a stranger who guesses comes to a person.

Nothing that was keyed is written anywhere: not in the call, not in the instance's logs.
"""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from callcenter.testing.handset import Handset

if TYPE_CHECKING:
    from tests.e2e.conftest import Scene

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

FLOW = {
    "entry": "welcome",
    "nodes": {
        "welcome": {
            "type": "menu",
            "say": {"zh": "查询办件进度请按1。", "en": "Press 1 for the progress of your case."},
            "options": {"1": "progress", "0": "person"},
        },
        "progress": {"type": "case_status", "next": "end"},
        "end": {"type": "hangup"},
        "person": {"type": "queue", "queue": "general"},
    },
}
#: No process and no port has a number that begins with 0: these are found in a log only where
#: somebody wrote them there.
LAST_FOUR, WRONG_FOUR = "0417", "0931"
CITIZEN, STRANGER = f"1380013{LAST_FOUR}", "13900139222"
SHORT = timedelta(seconds=1)


async def opened_case(scene: Scene) -> str:
    """The number of a case that an earlier call of the citizen left: they gave up in the queue."""
    async with scene.citizen(
        "citizen_presses_0.xml", pause=SHORT, keys={"caller_number": CITIZEN}
    ) as citizen:
        result = await citizen.result()
    assert result.ok, str(result)
    earlier = await scene.call(caller_number=f"+86{CITIZEN}")
    reply = await scene.hotline.client.post(
        "/api/v1/cases", json={"title": "路灯不亮", "call_id": earlier["call_id"]}
    )
    assert reply.status_code == 201, reply.text
    scene.begin_anew()
    return str(reply.json()["case_number"])


class Logs:
    """What the instance writes into its logs from now on."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._before = {file: file.stat().st_size for file in self._files()}
        assert self._before, "there are logs"

    def _files(self) -> list[Path]:
        logs = [file for file in (self._home / "log").rglob("*") if file.is_file()]
        return [*logs, self._home / "run.log"]

    def written(self) -> str:
        parts = []
        for file in self._files():
            with file.open("rb") as log:
                log.seek(self._before.get(file, 0))
                parts.append(log.read().decode("utf-8", "replace"))
        return "\n".join(parts)


def must_not_hold(text: str, keyed: str) -> None:
    """Fails where these digits stand alone in the text (not inside a number, a UUID, a time)."""
    found = re.search(rf"(?<![\w.-]){keyed}(?![\w-])", text)
    assert found is None, text[max(0, found.start() - 200) : found.end() + 50]


async def key_in(scene: Scene, ear: Handset, number: str, four: str) -> None:
    await ear.hears(scene.prompt("ask_case_number", "zh"))
    ear.forget()
    await ear.press(number)
    await ear.hears(scene.prompt("ask_last_four", "zh"))
    ear.forget()
    await ear.press(four)


def steps(call: dict[str, Any]) -> list[tuple[str, str | None]]:
    return [(step["node"], step["key"]) for step in call["ivr_path"]]


async def test_who_knows_number_and_digits_is_told_and_nothing_keyed_is_kept(scene: Scene) -> None:
    number = await opened_case(scene)
    logs = Logs(scene.hotline.home)
    async with (
        scene.published(FLOW),
        Handset() as ear,
        scene.citizen(
            "citizen_handset.xml", keys={**ear.keys, "caller_number": CITIZEN}
        ) as citizen,
    ):
        await ear.hears(await scene.flow_text("welcome", "zh"))
        await ear.press("1")
        await key_in(scene, ear, number, LAST_FOUR)
        await ear.hears(scene.prompt("case_state_open", "zh"))
        await ear.hears(scene.prompt("case_since_open", "zh"))
        assert not ear.has_heard(scene.prompt("case_not_found", "zh"))
        result = await citizen.result()
    assert result.ok, str(result)

    call = await scene.call(disposition="self_served", hangup_by="system")
    assert steps(call) == [
        ("welcome", None),
        ("progress", "1"),
        ("progress", "#"),
        ("progress", "#"),
        ("end", None),
    ]
    assert [step["about"] for step in call["ivr_path"] if step["about"]] == ["case/told"]
    assert number not in str(call)
    must_not_hold(str(call), LAST_FOUR)
    written = logs.written()
    assert number not in written
    must_not_hold(written, LAST_FOUR)


async def test_a_stranger_who_guesses_three_times_comes_to_a_person(scene: Scene) -> None:
    number = await opened_case(scene)
    logs = Logs(scene.hotline.home)
    async with (
        scene.published(FLOW),
        scene.agent("1001", "agent_hangs_up.xml", pause=SHORT),
        Handset() as ear,
        scene.citizen(
            "citizen_handset.xml", keys={**ear.keys, "caller_number": STRANGER}
        ) as citizen,
    ):
        await ear.hears(await scene.flow_text("welcome", "zh"))
        await ear.press("1")
        await key_in(scene, ear, number, WRONG_FOUR)
        # The right number and a made-up one sound the same.
        for guess in (number, "4711#"):
            await ear.hears(scene.prompt("case_not_found", "zh"))
            ear.forget()
            await ear.press(guess)
            await ear.hears(scene.prompt("ask_last_four", "zh"))
            await ear.press(WRONG_FOUR)
        await ear.hears(scene.prompt("case_not_found", "zh"))
        assert not ear.has_heard(scene.prompt("case_state_open", "zh"))
        result = await citizen.result()
    assert result.ok, str(result)

    call = await scene.call(disposition="answered", queue="general", agent="1001")
    last = call["ivr_path"][-1]
    assert (last["node"], last["key"], last["led_by"]) == (".person", "#", "wrong_key")
    assert not [step["about"] for step in call["ivr_path"] if step["about"]], "nothing was told"
    assert number not in str(call)
    must_not_hold(str(call), WRONG_FOUR)
    written = logs.written()
    assert number not in written
    must_not_hold(written, WRONG_FOUR)
