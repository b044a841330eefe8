"""Tokens: what an article can be found by."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callcenter.knowledge.search import (
    MOST_TOKENS,
    all_of,
    any_of,
    fragments,
    index_entry,
    index_tokens,
    marks,
    narrowed,
    query_tokens,
)

pytestmark = pytest.mark.unit


def finds(query: str, text: str) -> bool:
    return set(query_tokens(query)) <= set(index_tokens(text)) and bool(query_tokens(query))


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("身份证", "居民身份证办理"),
        ("证", "居民身份证办理"),
        ("办理 身份证", "居民身份证办理"),
        ("身份证，办理？", "居民身份证办理"),
        ("ID卡", "办理ID卡"),
        ("ｉｄ卡", "办理ID卡"),
        ("１２３４５", "请拨打12345热线"),
        ("passport", "Passport Renewal"),
        ("護照", "護照換發"),
        ("𠮷", "𠮷野家"),
        ("社保", "办理社保卡 Social insurance"),
    ],
)
def test_a_query_finds_a_text(query: str, text: str) -> None:
    assert finds(query, text)


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("份身", "居民身份证办理"),
        ("护照", "護照換發"),  # traditional characters are left what they are
        ("pass", "passport"),
        ("", "身份证"),
        ("？！…", "身份证？！…"),
    ],
)
def test_a_query_does_not_find_a_text(query: str, text: str) -> None:
    assert not finds(query, text)


def test_the_tokens_of_chinese_are_pairs_then_single_characters() -> None:
    assert index_tokens("身份证") == ["身份", "份证", "身", "份", "证"]
    assert index_tokens("证") == ["证"]
    assert query_tokens("身份证") == ["身份", "份证"]
    assert query_tokens("证") == ["证"]
    assert query_tokens("ID卡 2026年") == ["id", "卡", "2026", "年"]


def test_fragments_are_stretches_of_three_characters_and_words() -> None:
    assert fragments("身份证办") == [("身份", "份证"), ("份证", "证办")]
    assert fragments("社保 card 卡") == [("社保",), ("card",), ("卡",)]


@given(st.text(max_size=300))
def test_nothing_of_a_query_becomes_an_operator_and_its_tokens_are_bounded(query: str) -> None:
    tokens = query_tokens(query)
    assert len(tokens) <= MOST_TOKENS
    assert len(fragments(query)) <= MOST_TOKENS
    assert all(len(token) <= 40 and not re.search(r"[\s'\\&|!():<*]", token) for token in tokens)


@given(st.text(alphabet="居民身份证办理ab1 ，", min_size=1, max_size=40), st.data())
def test_every_stretch_of_chinese_finds_its_text(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text) - 1))
    stretch = text[start : start + data.draw(st.integers(1, 10))]
    # A word of letters is found whole only.
    if query_tokens(stretch) and not re.search(r"[a-z0-9]", stretch):
        assert finds(stretch, text)


def test_the_index_entry_weighs_title_keywords_and_body_and_carries_its_marks() -> None:
    entry = index_entry("身份证", ["ID"], "a", marks(k="fees", d="公安局's"))
    assert entry.head == (
        "'k:fees' 'd:公安局''s' '身份':2A '份证':3A '身':4A '份':5A '证':6A 'id':8B"
    )
    assert entry.document == entry.head + " 'a':10"


def test_queries_are_quoted() -> None:
    assert all_of(["a'b", "c\\d"]) == "'a''b' & 'c\\\\d'"
    assert any_of([("a", "b"), ("c",)]) == "('a' & 'b') | ('c')"
    assert narrowed("'a'", ["k:fees"]) == "('a') & 'k:fees'"


def test_a_text_cannot_forge_a_mark() -> None:
    assert "s:published" not in index_tokens("s:published")
