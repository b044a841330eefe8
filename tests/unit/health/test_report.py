"""What a node tells is read with distrust."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from callcenter.health.report import NodeReport

pytestmark = pytest.mark.unit

NOW = datetime(2026, 3, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    "report",
    [
        {},
        {"agi": None},
        {"agi": 3},
        {"agi": {"of": "2"}},
        {"agi": {"of": True}},
        {"agi": {"of": -1}},
        {"agi": {"of": 1e300}},
        {"agi": []},
    ],
)
def test_what_is_missing_or_of_another_type_reads_as_none(report: dict[str, Any]) -> None:
    assert NodeReport(NOW, report).number("agi", "of") is None
    assert NodeReport(NOW, report).text("ami", "state") is None


def test_texts_are_bounded_and_without_control_characters() -> None:
    report = NodeReport(NOW, {"ami": {"detail": "a\nb" + "x" * 1000}})
    text = report.text("ami", "detail")
    assert text is not None
    assert text.startswith("abx")
    assert len(text) < 200
