"""What a caller hears about a case, read as text in both languages."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from callcenter.cases.model import CaseState
from callcenter.cases.progress_model import Progress
from callcenter.ivr.progress_words import WORDS, progress_parts
from callcenter.prompts.pieces.say import LANGUAGES, text_of
from callcenter.prompts.pieces.values import Unspeakable
from callcenter.prompts.shipped import read_texts, shipped_directory, texts_in

pytestmark = pytest.mark.unit

CITY = ZoneInfo("Asia/Shanghai")


def heard(progress: Progress, language: str) -> str:
    return text_of(progress_parts(progress, language, CITY), language, texts_in(language))


def test_an_open_case() -> None:
    progress = Progress(CaseState.OPEN, datetime(2026, 11, 24, 4, 0, tzinfo=UTC))
    assert heard(progress, "zh") == ("您反映的事项正在办理。受理日期是二零二六年十一月二十四日")
    assert heard(progress, "en") == (
        "Your case is being dealt with. It was opened on "
        "the twenty-fourth of November twenty twenty-six"
    )


def test_a_closed_case() -> None:
    progress = Progress(CaseState.CLOSED, datetime(2026, 2, 2, 4, 0, tzinfo=UTC))
    assert heard(progress, "zh") == "您反映的事项已经办结。办结日期是二零二六年二月二日"
    assert heard(progress, "en") == (
        "Your case is closed. It was closed on the second of February twenty twenty-six"
    )


def test_the_date_is_the_city_s() -> None:
    progress = Progress(CaseState.OPEN, datetime(2026, 12, 31, 16, 30, tzinfo=UTC))
    assert heard(progress, "zh").endswith("二零二七年一月一日")


def test_every_state_has_its_words_in_every_language() -> None:
    assert set(WORDS) == set(CaseState)
    shipped = {(prompt.name, prompt.language) for prompt in read_texts(shipped_directory())}
    asked = {"ask_case_number", "ask_last_four", "case_not_found"}
    wanted = asked | {name for pair in WORDS.values() for name in pair}
    assert {(name, language) for name in wanted for language in LANGUAGES} <= shipped


def test_a_language_without_pieces_is_refused() -> None:
    progress = Progress(CaseState.OPEN, datetime(2026, 12, 31, tzinfo=UTC))
    with pytest.raises(Unspeakable):
        progress_parts(progress, "fr", CITY)
