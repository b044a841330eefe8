"""Logging in, tokens, and keeping users. One transaction a use case; hashing outside of it."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from callcenter.access import store
from callcenter.access.model import (
    ADMIN,
    FAILURE_WINDOW,
    MOST_FAILURES,
    PASSWORD_RULE,
    IssuedToken,
    LastAdmin,
    NameTaken,
    NoSuchUser,
    Principal,
    Role,
    Session,
    TooManyLogins,
    User,
    WrongPassword,
    check_password,
    check_user_name,
    is_password,
    is_user_name,
)
from callcenter.access.passwords import Passwords
from callcenter.platform.clock import Clock
from callcenter.platform.db import Database
from callcenter.platform.errors import Misconfigured, NotAuthenticated, Stale
from callcenter.platform.ids import Ids, random_ids
from callcenter.platform.news import announce

#: News of a user whose tokens or role changed; the key is the user's id.
TOPIC: Final = "access"


def _random_token() -> str:
    return secrets.token_urlsafe(32)


def _fingerprint(token: str) -> bytes:
    """What is kept of a token: 256 random bits need no salt."""
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()


class AccessService:
    """Users, their passwords and their tokens. `token_ttl` is how long a token lasts."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        token_ttl: timedelta,
        *,
        passwords: Passwords | None = None,
        ids: Ids = random_ids,
        new_token: Callable[[], str] = _random_token,
    ) -> None:
        self._database = database
        self._clock = clock
        self._token_ttl = token_ttl
        self._passwords = passwords or Passwords()
        self._ids = ids
        self._new_token = new_token
        # Guesses under way count as failed ones: few at once, so that many right ones pass too.
        self._guesses = asyncio.Semaphore(4)

    async def login(self, name: str, password: str) -> IssuedToken:
        """A new token. Raises `WrongPassword`, or `TooManyLogins` after ten within 15 minutes.

        Name and password wrong, user unknown, user inactive: the same answer after the same time.
        """
        user, stored = await self._prove(name, password)
        renewed = (
            await self._passwords.hash(password) if self._passwords.is_outdated(stored) else None
        )
        token, now = self._new_token(), self._clock()
        async with self._database.transaction() as connection:
            found = await store.find_user(connection, name, lock=True)
            # What was proved may have been changed while it was being proved.
            if found is None or not found[0].active or found[1] != stored:
                raise WrongPassword
            if renewed is not None:
                await store.set_password_hash(connection, user.user_id, renewed, old=stored)
            expires_at = now + self._token_ttl
            await store.add_token(connection, _fingerprint(token), user.user_id, now, expires_at)
        return IssuedToken(
            token=token,
            expires_at=expires_at,
            principal=Principal(user.user_id, user.name, found[0].role),
        )

    async def authenticate(self, token: str) -> Principal:
        """Whose token it is, by one query. Raises `NotAuthenticated`."""
        return (await self.session(token)).principal

    async def session(self, token: str) -> Session:
        """What this token is good for, by one query. Raises `NotAuthenticated`."""
        if not 1 <= len(token) <= 200:
            raise NotAuthenticated
        fingerprint = _fingerprint(token)
        found = await self.sessions([fingerprint])
        if fingerprint not in found:
            raise NotAuthenticated(
                "This token is not known, has run out or was revoked; POST /api/v1/auth/token "
                "gives another."
            )
        return found[fingerprint]

    async def sessions(self, fingerprints: Collection[bytes]) -> Mapping[bytes, Session]:
        """Those of the tokens that are valid now, by one query."""
        async with self._database.transaction() as connection:
            return await store.valid_sessions(connection, fingerprints, self._clock())

    async def issue(self, name: str) -> IssuedToken:
        """A token without a password, for who holds the database anyway (`make run`'s own call).

        Raises `NoSuchUser`.
        """
        user, token, now = await self.user(name), self._new_token(), self._clock()
        expires_at = now + self._token_ttl
        async with self._database.transaction() as connection:
            await store.add_token(connection, _fingerprint(token), user.user_id, now, expires_at)
        return IssuedToken(
            token=token,
            expires_at=expires_at,
            principal=Principal(user.user_id, user.name, user.role),
        )

    async def logout(self, token: str) -> None:
        """Revoke this token; the next request with it is refused."""
        async with self._database.transaction() as connection:
            user_id = await store.revoke_token(connection, _fingerprint(token), self._clock())
            if user_id is not None:
                await announce(connection, TOPIC, str(user_id))

    async def change_own_password(
        self, principal: Principal, old: str, new: str, *, token: str
    ) -> None:
        """Set the asker's own password and revoke every token of theirs but `token`.

        Raises `InvalidField`, `WrongPassword`, `TooManyLogins` (guesses count as logins do).
        """
        check_password(new, "new_password")
        user, stored = await self._prove(principal.name, old)
        new_hash = await self._passwords.hash(new)
        async with self._database.transaction() as connection:
            found = await store.find_user(connection, principal.name, lock=True)
            if found is None or found[1] != stored:
                raise WrongPassword
            await store.set_password_hash(connection, user.user_id, new_hash)
            await store.revoke_tokens_of(
                connection, user.user_id, self._clock(), keep=_fingerprint(token)
            )
            await announce(connection, TOPIC, str(user.user_id))

    async def users(self, *, after: str = "", limit: int = 50) -> Sequence[User]:
        """Users by name, those behind `after`."""
        async with self._database.transaction() as connection:
            return await store.list_users(connection, after, limit)

    async def user(self, name: str) -> User:
        """Raises `NoSuchUser`."""
        async with self._database.transaction() as connection:
            found = await store.find_user(connection, name) if is_user_name(name) else None
        if found is None:
            raise NoSuchUser
        return found[0]

    async def create_user(self, name: str, password: str, role: Role) -> User:
        """Raises `InvalidField`, `NameTaken`."""
        check_user_name(name)
        check_password(password)
        password_hash = await self._passwords.hash(password)
        user = self._new_user(name, role)
        async with self._database.transaction() as connection:
            if not await store.add_user(connection, user, password_hash):
                raise NameTaken
        return user

    async def change_user(
        self,
        name: str,
        *,
        role: Role | None = None,
        active: bool | None = None,
        expected: int | None = None,
    ) -> User:
        """Change role or activity; who is made inactive loses every token.

        Raises `NoSuchUser`, `Stale` (not at version `expected`), `LastAdmin`.
        """
        async with self._database.transaction() as connection:
            await store.lock_admins(connection)
            found = (
                await store.find_user(connection, name, lock=True) if is_user_name(name) else None
            )
            if found is None:
                raise NoSuchUser
            before = found[0]
            if expected is not None and before.version != expected:
                raise Stale
            after = replace(
                before,
                role=before.role if role is None else role,
                active=before.active if active is None else active,
            )
            if after == before:
                return before
            after = replace(after, version=before.version + 1)
            was_admin = before.role is Role.ADMIN and before.active
            stays_admin = after.role is Role.ADMIN and after.active
            if (
                was_admin
                and not stays_admin
                and not await store.count_other_admins(connection, before.user_id)
            ):
                raise LastAdmin
            await store.save_user(connection, after)
            if not after.active:
                await store.revoke_tokens_of(connection, after.user_id, self._clock())
            await announce(connection, TOPIC, str(after.user_id))
            return after

    async def set_password(self, name: str, password: str) -> None:
        """Set somebody's password and revoke all their tokens.

        Raises `InvalidField`, `NoSuchUser`.
        """
        check_password(password)
        if not is_user_name(name):
            raise NoSuchUser
        password_hash = await self._passwords.hash(password)
        async with self._database.transaction() as connection:
            found = await store.find_user(connection, name, lock=True)
            if found is None:
                raise NoSuchUser
            await store.set_password_hash(connection, found[0].user_id, password_hash)
            await store.revoke_tokens_of(connection, found[0].user_id, self._clock())
            await announce(connection, TOPIC, str(found[0].user_id))

    async def ensure_admin(self, password: str | None) -> str | None:
        """See to it that `admin` exists; returns a password it had to make up, to be shown once.

        A `password` that differs from the stored one is set, and `admin` made an active admin
        again: the way back in. Safe in several processes at once. Raises `Misconfigured`.
        """
        if password is not None and not is_password(password):
            raise Misconfigured(f"CALLCENTER_ADMIN_PASSWORD: {PASSWORD_RULE}")
        async with self._database.transaction() as connection:
            found = await store.find_user(connection, ADMIN)
        if found is None:
            made_up = secrets.token_urlsafe(12) if password is None else None
            password_hash = await self._passwords.hash(password or made_up or "")
            async with self._database.transaction() as connection:
                added = await store.add_user(
                    connection, self._new_user(ADMIN, Role.ADMIN), password_hash
                )
            return made_up if added else None
        if password is not None:
            user, stored = found
            if not await self._passwords.verify(stored, password):
                await self.set_password(ADMIN, password)
            if user.role is not Role.ADMIN or not user.active:
                await self.change_user(ADMIN, role=Role.ADMIN, active=True)
        return None

    async def _prove(self, name: str, password: str) -> tuple[User, str]:
        """The active user whose password this is, and its hash. Raises as `login` does."""
        async with self._guesses:
            return await self._guess(name, password)

    async def _guess(self, name: str, password: str) -> tuple[User, str]:
        if not is_user_name(name):
            # Nobody can have such a name; say so no sooner than for any other.
            await self._passwords.verify(self._passwords.dummy, "x")
            raise WrongPassword
        now = self._clock()
        async with self._database.transaction() as connection:
            attempt = await store.reserve_attempt(
                connection, name, now, now - FAILURE_WINDOW, MOST_FAILURES
            )
            found = await store.find_user(connection, name)
        if attempt is None:
            raise TooManyLogins
        stored = found[1] if found else self._passwords.dummy
        fits = await self._passwords.verify(stored, password if is_password(password) else "x")
        if not fits or found is None or not found[0].active or not is_password(password):
            raise WrongPassword
        async with self._database.transaction() as connection:
            await store.forgive_attempt(connection, attempt)
        return found

    def _new_user(self, name: str, role: Role) -> User:
        now: datetime = self._clock()
        return User(
            user_id=self._ids(), name=name, role=role, active=True, created_at=now, version=1
        )
