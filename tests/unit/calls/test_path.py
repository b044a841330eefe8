"""What led a caller to a node is read from the runner's short words."""

from __future__ import annotations

import pytest

from callcenter.calls.model import LedBy, led_by

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("journalled", "key", "why"),
    [
        ("", None, LedBy.FLOW),
        ("1", "1", LedBy.KEY),
        ("#", "#", LedBy.KEY),
        ("t", None, LedBy.SILENCE),
        ("i7", "7", LedBy.WRONG_KEY),
        ("i", None, LedBy.WRONG_KEY),
        ("r", None, LedBy.RESUMED),
    ],
)
def test_a_key_is_only_what_was_pressed(journalled: str, key: str | None, why: LedBy) -> None:
    assert led_by(journalled) == (key, why)
