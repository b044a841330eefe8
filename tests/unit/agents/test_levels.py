"""Skills, languages and departments: whatever comes, what is kept can be kept."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callcenter.agents.model import (
    BEST_LEVEL,
    MOST_DEPARTMENTS,
    MOST_LEVELS,
    AgentEdit,
    AgentFilter,
    checked,
    departments,
    levels,
)
from callcenter.platform.errors import InvalidField

pytestmark = pytest.mark.unit

#: As SQL has it (0012_phones.sql).
IN_SQL = re.compile(r"[a-z][a-z0-9_]{0,39}\Z")

good_names = st.from_regex(r"[a-z][a-z0-9_]{0,39}", fullmatch=True)
any_names = st.one_of(good_names, st.text(max_size=45))


@given(st.dictionaries(good_names, st.integers(1, BEST_LEVEL), max_size=20))
def test_good_levels_are_kept_as_they_are_in_order(wanted: dict[str, int]) -> None:
    kept = levels("skills", wanted)
    assert kept == wanted
    assert list(kept) == sorted(wanted)


@given(st.dictionaries(any_names, st.one_of(st.integers(-2, 8), st.booleans()), max_size=8))
def test_what_is_kept_the_table_takes_and_what_is_refused_it_would_not(
    wanted: dict[str, int],
) -> None:
    fits = all(
        IN_SQL.match(name) and not isinstance(level, bool) and 1 <= level <= 5
        for name, level in wanted.items()
    )
    try:
        levels("languages", wanted)
    except InvalidField:
        assert not fits
    else:
        assert fits


@given(st.lists(any_names, max_size=30))
def test_departments_are_kept_once_each(wanted: list[str]) -> None:
    fits = all(IN_SQL.match(name) for name in wanted) and len(set(wanted)) <= MOST_DEPARTMENTS
    try:
        kept = departments(wanted)
    except InvalidField:
        assert not fits
    else:
        assert fits
        assert kept == tuple(sorted(set(wanted)))


def test_more_skills_than_anybody_has_are_refused() -> None:
    with pytest.raises(InvalidField):
        levels("skills", {f"s{n}": 1 for n in range(MOST_LEVELS + 1)})


@given(st.text(max_size=120))
def test_a_name_of_an_edit_is_kept_without_what_nobody_sees(name: str) -> None:
    try:
        kept = checked(AgentEdit(name=name)).name
    except InvalidField:
        return
    assert 1 <= len(kept) <= 100
    assert kept.encode()
    assert not {"\u202e", "\u200b", "\u2028", "\0", "\n"} & set(kept)


@pytest.mark.parametrize("field", ["team", "skill", "language", "queue", "department"])
def test_a_filter_names_what_can_be_named(field: str) -> None:
    with pytest.raises(InvalidField) as refusal:
        AgentFilter(**{field: "a\0"})
    assert refusal.value.field == field
