"""Hashing."""

from __future__ import annotations

import pytest
from argon2 import PasswordHasher, extract_parameters
from argon2.low_level import Type

from callcenter.access.passwords import Passwords
from callcenter.testing.desk import quick_passwords

pytestmark = pytest.mark.unit


async def test_a_hash_fits_its_password_and_no_other() -> None:
    passwords = quick_passwords()
    stored = await passwords.hash("correct horse")
    assert stored.startswith("$argon2id$")
    assert await passwords.verify(stored, "correct horse")
    assert not await passwords.verify(stored, "correct horsf")
    assert not await passwords.verify("not a hash", "correct horse")


async def test_the_dummy_costs_what_a_real_hash_costs_and_fits_nothing() -> None:
    hasher = PasswordHasher()
    passwords = Passwords(hasher)
    dummy, real = extract_parameters(passwords.dummy), extract_parameters(hasher.hash("x"))
    assert dummy == real
    assert dummy.type is Type.ID
    assert not await passwords.verify(passwords.dummy, "x")


async def test_a_hash_of_other_parameters_is_outdated() -> None:
    stored = await quick_passwords().hash("correct horse")
    assert not quick_passwords().is_outdated(stored)
    assert Passwords().is_outdated(stored)
