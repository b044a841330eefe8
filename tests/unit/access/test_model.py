"""Roles, names, passwords."""

from __future__ import annotations

from uuid import uuid4

import pytest

from callcenter.access.model import (
    Principal,
    Role,
    check_password,
    check_user_name,
    is_password,
)
from callcenter.platform.errors import InvalidField

pytestmark = pytest.mark.unit


def test_each_role_reaches_what_the_ones_before_it_reach() -> None:
    order = [Role.AGENT, Role.SUPERVISOR, Role.ADMIN]
    for rank, role in enumerate(order):
        principal = Principal(uuid4(), "x", role)
        assert [principal.reaches(wanted) for wanted in order] == [
            place <= rank for place in range(3)
        ]


@pytest.mark.parametrize("name", ["", "A", "-a", "a b", "a\n", "a\0", "é", "a" * 64, "a:b", "١"])
def test_a_name_that_breaks_the_rule_is_refused(name: str) -> None:
    with pytest.raises(InvalidField) as refusal:
        check_user_name(name)
    assert refusal.value.field == "name"


@pytest.mark.parametrize(
    ("password", "good"),
    [
        ("1234567", False),
        ("12345678", True),
        ("密" * 8, True),
        ("x" * 200, True),
        ("x" * 201, False),
        ("1234567\ud800", False),
    ],
)
def test_passwords_have_8_to_200_characters_that_can_be_encoded(password: str, good: bool) -> None:
    assert is_password(password) is good


def test_the_refusal_of_a_password_does_not_repeat_it() -> None:
    with pytest.raises(InvalidField) as refusal:
        check_password("hunter2")
    assert "hunter2" not in repr(refusal.value) + str(refusal.value)
