"""What an article may say, when it holds, and how it is spoken, shown and faxed."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callcenter.knowledge.document import (
    PlayableArticle,
    Section,
    as_document,
    as_playable,
    as_speech,
)
from callcenter.knowledge.edition import (
    ArticleKind,
    InvalidArticle,
    Recorded,
    chinese_number,
    is_playable,
    moments,
    parse_edition,
)
from callcenter.knowledge.model import NoSuchLanguage, Version
from callcenter.knowledge.seed import samples

pytestmark = pytest.mark.unit

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
GUIDE = {
    "conditions": "本人申请",
    "materials": ["户口簿", "照片。"],
    "steps": ["取号", "受理"],
    "place": "大厅",
    "fee": "20元",
}


def document(**more: Any) -> dict[str, Any]:
    return {
        "kind": "policy",
        "department": "公安局",
        "content": {"zh": {"title": "居住证", "body": "第一行\n第二行。"}},
        **more,
    }


def a_version(edition: dict[str, Any], **more: Any) -> Version:
    return Version(
        **{
            "article": "permit",
            "number": 3,
            "edition": parse_edition(edition),
            "valid_from": date(2026, 3, 1),
            "authors": ("wen",),
            "approved_by": "ling",
            "approved_at": NOW,
            "published_by": "anna",
            "published_at": NOW,
            "reason": "go",
            **more,
        }
    )


def guide(language: str = "zh", **more: Any) -> dict[str, Any]:
    return document(
        kind="service_guide", content={language: {"title": "办证", "guide": GUIDE | more}}
    )


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"kind": "gossip"}, "kind"),
    ({"department": ""}, "department"),
    ({"department": "a\nb"}, "department"),
    ({"colour": "red"}, "colour"),
    ({"content": {}}, "content"),
    ({"content": {"chinese": {"title": "x", "body": "y"}}}, "content.chinese"),
    ({"content": {"zh": {"title": " ", "body": "y"}}}, "content.zh.title"),
    ({"content": {"zh": {"title": "x" * 101, "body": "y"}}}, "content.zh.title"),
    ({"content": {"zh": {"title": "x", "body": ""}}}, "content.zh.body"),
    ({"content": {"zh": {"title": "x", "body": "a\x00b"}}}, "content.zh.body"),
    ({"content": {"zh": {"title": "x", "body": "y" * 8001}}}, "content.zh.body"),
    ({"content": {"zh": {"title": "x", "body": "y" * 2001}}}, "content.zh"),
    ({"content": {"zh": {"title": "x", "body": "y", "spoken": "z" * 2001}}}, "content.zh.spoken"),
    ({"content": {"zh": {"title": "x", "body": "y", "prompt": "../x"}}}, "content.zh.prompt"),
    ({"content": {"zh": {"title": "x", "body": "y", "spoken": "a", "prompt": "b"}}}, "content.zh"),
    ({"content": {"zh": {"title": "x", "body": "y", "guide": GUIDE}}}, "content.zh.guide"),
    ({"kind": "service_guide"}, "content.zh.guide"),
    ({"keywords": ["x"] * 31}, "keywords"),
    ({"keywords": ["x" * 41]}, "keywords.0"),
    ({"valid_from": "2026-03-02", "valid_until": "2026-03-01"}, "valid_until"),
    ({"valid_from": "1999-12-31"}, "valid_from"),
    ({"valid_from": "soon"}, "valid_from"),
]


@pytest.mark.parametrize(("change", "field"), WRONG)
def test_what_breaks_a_rule_is_named_with_its_field(change: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidArticle) as refusal:
        parse_edition(document(**change))
    assert [name for name, _ in refusal.value.problems] == [field]


def test_a_guide_needs_steps_and_a_long_body_a_shorter_text_for_the_phone() -> None:
    with pytest.raises(InvalidArticle, match=r"guide\.steps"):
        parse_edition(guide(steps=[]))
    long = {"title": "x", "body": "y" * 8000, "spoken": "short"}
    assert parse_edition(document(content={"zh": long})).content["zh"].spoken == "short"


def test_an_edition_survives_its_json() -> None:
    for edition in samples().values():
        assert parse_edition(json.loads(json.dumps(edition.as_json()))) == edition


@pytest.mark.parametrize(
    ("moment", "wanted"),
    [
        ("2026-02-28T15:59:59+00:00", False),  # 28 February, 23:59:59 in Shanghai
        ("2026-02-28T16:00:00+00:00", True),  # 1 March, midnight
        ("2026-03-31T15:59:59+00:00", True),  # 31 March, 23:59:59
        ("2026-03-31T16:00:00+00:00", False),  # 1 April
        ("2026-03-31T23:59:59+08:00", True),
    ],
)
def test_it_is_played_from_the_first_to_the_last_day_as_the_city_counts_days(
    moment: str, wanted: bool
) -> None:
    version = a_version(document(valid_until="2026-03-31"))
    assert is_playable(version, datetime.fromisoformat(moment)) is wanted
    assert is_playable(as_playable(version), datetime.fromisoformat(moment)) is wanted
    begins, ends = moments(version)
    assert ends is not None
    assert (begins <= datetime.fromisoformat(moment) < ends) is wanted


def test_without_a_last_day_it_is_played_for_ever() -> None:
    assert is_playable(a_version(document()), datetime(2900, 1, 1, tzinfo=UTC))
    assert moments(a_version(document()))[1] is None


def test_a_body_is_read_line_by_line() -> None:
    assert as_speech(a_version(document()), "zh") == "第一行。第二行。"


def test_a_guide_is_spoken_part_by_part_with_numbers_a_voice_reads_right() -> None:
    assert as_speech(a_version(guide()), "zh") == (
        "办理条件：本人申请。所需材料：第一，户口簿；第二，照片。办理流程：第一，取号；第二，受理。"
        "办理地点：大厅。收费标准：20元。"
    )
    assert as_speech(a_version(guide("en", materials=["one"])), "en") == (
        "Conditions: 本人申请. Documents to bring: one. Steps: 1, 取号; 2, 受理. "
        "Place: 大厅. Fee: 20元."
    )


def test_a_text_for_the_phone_or_a_recorded_prompt_takes_its_place() -> None:
    content = {
        "zh": {"title": "t", "body": "b", "spoken": "说"},
        "en": {"title": "t", "body": "b", "prompt": "permit_en"},
    }
    version = a_version(document(content=content))
    assert as_speech(version, "zh") == "说"
    assert as_speech(version, "en") == Recorded("permit_en")
    assert set(version.edition.texts) == {("zh", "t"), ("zh", "说"), ("en", "t")}
    assert list(version.edition.prompts) == [("en", "permit_en")]
    with pytest.raises(NoSuchLanguage):
        as_speech(version, "fr")


def test_a_document_says_which_version_it_is_and_how_long_it_holds() -> None:
    shown = as_document(a_version(guide() | {"valid_until": "2026-12-31"}), "zh")
    assert shown.title == "办证"
    assert shown.sections[:3] == (
        Section("办理条件", "本人申请"),
        Section("所需材料", "1. 户口簿\n2. 照片。"),
        Section("办理流程", "1. 取号\n2. 受理"),
    )
    assert shown.footer == "办事指南 · 公安局 · permit 第3版 · 有效期2026-03-01至2026-12-31"
    english = document(content={"en": {"title": "Permit", "body": "Bring it."}})
    shown = as_document(a_version(english), "en")
    assert shown.sections == (Section("", "Bring it."),)
    assert shown.footer.endswith("permit, version 3, valid from 2026-03-01")
    with pytest.raises(NoSuchLanguage):
        as_document(a_version(english), "zh")


def test_what_the_voice_side_keeps_survives_the_disk() -> None:
    content = {
        "zh": {"title": "t", "body": "b"},
        "en": {"title": "t", "body": "b", "prompt": "permit_en"},
    }
    for more in ({}, {"valid_until": "2026-12-31"}):
        playable = as_playable(a_version(document(content=content, **more)))
        assert PlayableArticle.from_json(json.loads(json.dumps(playable.as_json()))) == playable
    assert playable.languages == ("en", "zh")
    assert (playable.texts, playable.recorded) == ({"zh": "b。"}, {"en": "permit_en"})


def test_there_is_a_sample_of_each_kind_in_both_languages_marked_as_one() -> None:
    found = samples()
    assert sorted(e.kind for e in found.values()) == sorted(ArticleKind)
    for edition in found.values():
        assert set(edition.content) == {"zh", "en"}
        assert "示例" in edition.department
        assert "示例内容" in edition.content["zh"].body
        assert "Sample" in edition.content["en"].body
        # Nobody listens for longer; the rest is for the screen and the fax.
        assert len(edition.content["zh"].spoken or "") <= 100


@given(st.integers(1, 99))
def test_chinese_numbers_are_read_back_as_what_they_were(number: int) -> None:
    digits = "零一二三四五六七八九"
    tens, _, ones = chinese_number(number).rpartition("十")
    has_ten = "十" in chinese_number(number)
    value = (digits.index(tens) if tens else 1) * 10 if has_ten else 0
    assert value + (digits.index(ones) if ones else 0) == number
