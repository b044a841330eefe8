"""docs/settings.md says what the settings class says."""

from __future__ import annotations

from pathlib import Path

import pytest

from callcenter.platform.settings_page import page

pytestmark = pytest.mark.contract


def test_the_page_of_settings_is_the_settings_class() -> None:
    written = Path(__file__).parents[2] / "docs" / "settings.md"
    assert written.read_text("utf-8") == page(), (
        "run: python -m callcenter.platform.settings_page > docs/settings.md"
    )
