"""Pieces fit what stands around them: the flow language, and one command of Asterisk."""

from __future__ import annotations

import pytest

from callcenter.asterisk.agi.wire import MAX_COMMAND, encode_command
from callcenter.ivr.spoken import VALUE_KINDS
from callcenter.prompts.pieces.say import KINDS, VOCABULARY

pytestmark = pytest.mark.unit

#: More than any value needs: what a flow says around it fits too.
ROW = 60


def test_flows_and_pieces_know_the_same_kinds_of_values() -> None:
    assert set(VALUE_KINDS) == set(KINDS)


@pytest.mark.parametrize("language", sorted(VOCABULARY))
def test_a_row_of_sixty_pieces_is_one_background_command(language: str) -> None:
    folder = "/srv/" + "x" * 100
    longest = max(VOCABULARY[language], key=len)
    files = "&".join([f"{folder}/prompts/{language}/{longest}"] * ROW)
    arguments = f"{files},,,sub-ivr-step"
    assert len(encode_command("EXEC", "Background", arguments)) <= MAX_COMMAND
