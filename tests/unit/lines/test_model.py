"""A line is in force when Asterisk was seen to have loaded this very version."""

from __future__ import annotations

from dataclasses import replace

import pytest

from callcenter.ivr.door import ClosedTo
from callcenter.lines.model import Line, LineEdit, Mode
from callcenter.platform.errors import InvalidField

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(("loaded", "in_force"), [(None, False), (2, False), (3, True)])
def test_a_line_is_in_force_in_the_version_that_was_loaded(
    loaded: int | None, in_force: bool
) -> None:
    line = Line("12345", "x", "main", "general", "zh", Mode.MENU, 3, loaded)
    assert line.in_force is in_force


EDIT = LineEdit("x", "main", "general", "zh")


def test_nobody_is_hung_up_on_without_a_word() -> None:
    with pytest.raises(InvalidField, match="closed_say"):
        replace(EDIT, closed_to=ClosedTo.HANGUP)
    replace(EDIT, closed_to=ClosedTo.HANGUP, closed_say={"zh": "下班"})


def test_a_line_does_not_speak_in_place_of_a_flow_that_knows_the_hours() -> None:
    with pytest.raises(InvalidField, match="closed_say"):
        replace(EDIT, closed_to=ClosedTo.FLOW, closed_say={"zh": "下班"})


def test_asterisk_must_know_of_queue_language_and_mode_only() -> None:
    for change in ({"queue": "legal"}, {"language": "en"}, {"mode": Mode.DIRECT}):
        assert replace(EDIT, **change).known_to_asterisk != EDIT.known_to_asterisk  # type: ignore[arg-type]
    same = replace(EDIT, title="y", flow="night", welcome={"zh": "您好"}, schedule="office")
    assert same.known_to_asterisk == EDIT.known_to_asterisk
