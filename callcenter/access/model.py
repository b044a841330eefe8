"""Who asks, what a role reaches, and the rules for names and passwords."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from callcenter.platform.errors import Conflict, InvalidField, NotAuthenticated, NotFound, TooMany


class Role(StrEnum):
    """Each role reaches what the ones before it reach."""

    AGENT = "agent"  #: reads calls, works on cases
    SUPERVISOR = "supervisor"  #: hears recordings, edits lines and drafts
    ADMIN = "admin"  #: publishes flows, keeps users and agents


_RANK = {Role.AGENT: 1, Role.SUPERVISOR: 2, Role.ADMIN: 3}

#: The user made at first start.
ADMIN: Final = "admin"

#: After so many wrong passwords for one name within the window, no more are looked at.
MOST_FAILURES: Final = 10
FAILURE_WINDOW: Final = timedelta(minutes=15)

#: Of a user's name.
USER_NAME: Final = "[a-z0-9][a-z0-9_.-]{0,62}"
_NAME = re.compile(USER_NAME, re.ASCII)

#: Characters.
SHORTEST_PASSWORD: Final = 8
LONGEST_PASSWORD: Final = 200
PASSWORD_RULE: Final = "8 to 200 characters"  # noqa: S105 - the rule, not a password


@dataclass(frozen=True, slots=True)
class Principal:
    """The person behind a request."""

    user_id: UUID
    name: str
    role: Role

    def reaches(self, role: Role) -> bool:
        return _RANK[self.role] >= _RANK[role]


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """One who may log in. `version` counts edits."""

    user_id: UUID
    name: str
    role: Role
    active: bool
    created_at: datetime
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedToken:
    """A bearer token, told once: only its SHA-256 is kept."""

    token: str = field(repr=False)
    expires_at: datetime
    principal: Principal


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A valid token without the token: `fingerprint` is what is kept of it."""

    fingerprint: bytes = field(repr=False)
    principal: Principal
    expires_at: datetime


class WrongPassword(NotAuthenticated):
    """The name or the password is wrong."""

    slug = "wrong-password"


class TooManyLogins(TooMany):
    """Too many wrong passwords for this name: wait 15 minutes, then try again."""

    slug = "too-many-logins"


class NoSuchUser(NotFound):
    """There is no such user."""

    slug = "no-such-user"


class NameTaken(Conflict):
    """There is a user of this name already."""

    slug = "name-taken"


class LastAdmin(Conflict):
    """This is the last active admin: make another one first."""

    slug = "last-admin"


def is_user_name(name: str) -> bool:
    """Whether `name` can be the name of a user at all."""
    return _NAME.fullmatch(name) is not None


def check_user_name(name: str) -> str:
    """`name` itself. Raises `InvalidField`."""
    if not is_user_name(name):
        raise InvalidField(
            "name", "1 to 63 of a-z, 0-9, underscore, dot and hyphen; the first a letter or digit"
        )
    return name


def is_password(password: str) -> bool:
    """Whether `password` keeps the rule: 8 to 200 characters that can be encoded."""
    return SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD and not any(
        "\ud800" <= c <= "\udfff" for c in password
    )


def check_password(password: str, field_name: str = "password") -> str:
    """`password` itself. Raises `InvalidField`, which never repeats it."""
    if not is_password(password):
        raise InvalidField(field_name, PASSWORD_RULE)
    return password
