"""The agent's phone holds by itself, by the key every phone has: kept as a hold of ours is."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.e2e.conftest import Scene
    from tests.e2e.in_call.conftest import TalkingIn

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]


async def test_a_hold_by_the_phone_is_kept_with_its_times_and_ends_with_the_call(
    scene: Scene, talking_in: TalkingIn, folder: Path
) -> None:
    phone = scene.agent("1001", folder / "phone_holds.xml", pause=timedelta(seconds=2))
    citizen = scene.citizen("citizen_presses_0.xml", pause=timedelta(seconds=50))
    async with phone, citizen:
        call = await talking_in(citizen)

        def again(view: dict[str, Any]) -> bool:
            return [hold["ended_at"] is None for hold in view["holds"]] == [False, True]

        view = await call.until(again, "held, taken back, held again")
        assert [(hold["by"], hold["agent"]) for hold in view["holds"]] == [("phone", "1001")] * 2
        assert view["held_since"] is None, "the API did not put the citizen aside"
        row = await call.over()

    first, second = (await call.view())["holds"]
    began, ended = (datetime.fromisoformat(first[name]) for name in ("began_at", "ended_at"))
    assert timedelta(seconds=1.8) < ended - began < timedelta(seconds=3)
    # CEL is written a moment before or after the row's end is.
    over = datetime.fromisoformat(second["ended_at"]) - datetime.fromisoformat(row["ended_at"])
    assert abs(over) < timedelta(seconds=1)
    kinds = await scene.timeline(row)
    assert (kinds.count("phone_holds"), kinds.count("phone_hold_ended")) == (2, 2)
    assert sorted(leg["role"] for leg in row["legs"]) == ["agent", "citizen"]
