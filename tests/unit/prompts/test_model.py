"""Rules of prompts, and how long a text takes before anybody has spoken it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callcenter.platform.errors import InvalidField
from callcenter.prompts.library import measure_file
from callcenter.prompts.model import MAX_TEXT, PromptEdit, estimated
from callcenter.prompts.shipped import read_texts, shipped_directory

pytestmark = pytest.mark.unit


def test_the_estimate_is_within_a_third_of_every_shipped_prompt() -> None:
    folder = shipped_directory()
    wrong = {}
    for prompt in read_texts(folder):
        # Pieces of numbers are shorter than a breath: nobody asks for them one by one.
        measured = measure_file(folder / prompt.file).duration_ms
        if measured < 1000:
            continue
        guess = estimated(prompt.text, prompt.language).total_seconds() * 1000
        if abs(guess - measured) / measured >= 0.35:
            wrong[prompt.file] = (guess, measured)
    assert wrong == {}


def test_a_longer_text_takes_longer() -> None:
    assert estimated("", "zh") < estimated("您好", "zh") < estimated("您好，再见", "zh")
    assert estimated("12345", "en") > estimated("hello", "en")


@given(st.text(max_size=300), st.text(max_size=30))
def test_more_of_a_text_never_takes_less(text: str, more: str) -> None:
    assert estimated(text + more, "zh") >= estimated(text, "zh")


@given(st.text(max_size=200), st.dictionaries(st.text(max_size=4), st.text(max_size=50)))
def test_whatever_is_kept_can_be_stored_and_spoken(title: str, texts: dict[str, str]) -> None:
    try:
        edit = PromptEdit.checked(title, texts)
    except InvalidField:
        return
    assert 1 <= len(edit.title) <= 100
    for language, text in edit.texts.items():
        assert len(language) == 2
        assert language.isascii()
        assert 1 <= len(text) <= MAX_TEXT
        assert "\0" not in text
        text.encode()


def test_every_broken_rule_is_named_at_once() -> None:
    with pytest.raises(InvalidField) as refused:
        PromptEdit.checked("", {"zh": "", "english": "x", "en": "a\0"})
    assert [field for field, _ in refused.value.problems] == [
        "title",
        "texts.zh",
        "texts",
        "texts.en",
    ]
