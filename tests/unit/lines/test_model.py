"""A line is in force when Asterisk was seen to have loaded this very version."""

from __future__ import annotations

import pytest

from callcenter.lines.model import Line, Mode

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(("loaded", "in_force"), [(None, False), (2, False), (3, True)])
def test_a_line_is_in_force_in_the_version_that_was_loaded(
    loaded: int | None, in_force: bool
) -> None:
    line = Line("12345", "x", "main", "general", "zh", Mode.MENU, 3, loaded)
    assert line.in_force is in_force
