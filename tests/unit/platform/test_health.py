"""Checks run together, each within its limit."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from callcenter.platform.errors import Unavailable
from callcenter.platform.health import CheckResult, run_checks

pytestmark = pytest.mark.unit


async def good() -> CheckResult:
    return CheckResult(ok=True, detail="fine")


async def test_results_stand_in_the_order_of_the_checks() -> None:
    results = await run_checks({"b": good, "a": good})
    assert [(r.name, r.ok) for r in results] == [("b", True), ("a", True)]


async def test_checks_run_at_once_and_one_that_hangs_fails_alone() -> None:
    met = asyncio.Barrier(2)

    async def meets() -> CheckResult:
        await met.wait()
        return CheckResult(ok=True, detail="met")

    async def hangs() -> CheckResult:
        await asyncio.Event().wait()
        raise AssertionError

    results = await run_checks(
        {"one": meets, "stuck": hangs, "two": meets}, limit=timedelta(seconds=0.05)
    )
    assert [r.ok for r in results] == [True, False, True]
    assert "0.05 s" in results[1].detail


async def test_a_fault_in_a_check_tells_its_kind_but_not_its_text(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def fault() -> CheckResult:
        raise RuntimeError("13800138000")

    async def away() -> CheckResult:
        raise Unavailable("the database is away")

    results = await run_checks({"fault": fault, "away": away})
    assert not any(r.ok for r in results)
    assert "13800138000" not in results[0].detail
    assert results[1].detail == "the database is away"
    assert "the check fault failed" in caplog.text
