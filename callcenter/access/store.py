"""SQL of users, tokens and login failures. Every function runs in the caller's transaction."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    Row,
    any_,
    delete,
    func,
    insert,
    literal,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.access.model import Principal, Role, Session, User
from callcenter.access.tables import access_tokens, login_failures, users

#: Namespaces of our advisory locks (first key of two).
_LOCK_LOGIN: Final = 7411010
_LOCK_ADMINS: Final = 7411011


def _user(row: Row[Any]) -> User:
    return User(
        user_id=row.user_id,
        name=row.name,
        role=Role(row.role),
        active=row.active,
        created_at=row.created_at,
        version=row.version,
    )


async def add_user(connection: AsyncConnection, user: User, password_hash: str) -> bool:
    """Insert; False where the name is taken."""
    added = await connection.scalar(
        upsert(users)
        .values(
            user_id=user.user_id,
            name=user.name,
            password_hash=password_hash,
            role=user.role,
            active=user.active,
            created_at=user.created_at,
            version=user.version,
        )
        .on_conflict_do_nothing(index_elements=[users.c.name])
        .returning(users.c.user_id)
    )
    return added is not None


async def find_user(
    connection: AsyncConnection, name: str, *, lock: bool = False
) -> tuple[User, str] | None:
    """The user and the password's hash; `lock` keeps others from editing until the end."""
    query = select(users).where(users.c.name == name)
    row = (await connection.execute(query.with_for_update() if lock else query)).one_or_none()
    return None if row is None else (_user(row), row.password_hash)


async def list_users(connection: AsyncConnection, after: str, limit: int) -> Sequence[User]:
    rows = await connection.execute(
        select(users).where(users.c.name > after).order_by(users.c.name).limit(limit)
    )
    return [_user(row) for row in rows]


async def save_user(connection: AsyncConnection, user: User) -> None:
    await connection.execute(
        update(users)
        .where(users.c.user_id == user.user_id)
        .values(role=user.role, active=user.active, version=user.version)
    )


async def set_password_hash(
    connection: AsyncConnection, user_id: UUID, new: str, *, old: str | None = None
) -> None:
    """Set the hash; with `old`, only where it still is that one."""
    query = update(users).where(users.c.user_id == user_id)
    if old is not None:
        query = query.where(users.c.password_hash == old)
    await connection.execute(query.values(password_hash=new))


async def lock_admins(connection: AsyncConnection) -> None:
    """One at a time decides who stays admin."""
    await connection.execute(text("SELECT pg_advisory_xact_lock(:n, 0)"), {"n": _LOCK_ADMINS})


async def count_other_admins(connection: AsyncConnection, user_id: UUID) -> int:
    """Active admins besides this one."""
    count = await connection.scalar(
        select(func.count())
        .select_from(users)
        .where(users.c.role == Role.ADMIN, users.c.active, users.c.user_id != user_id)
    )
    return count or 0


async def add_token(
    connection: AsyncConnection,
    token_hash: bytes,
    user_id: UUID,
    issued_at: datetime,
    expires_at: datetime,
) -> None:
    """Keep a token, and forget those of the user that have run out."""
    await connection.execute(
        delete(access_tokens).where(
            access_tokens.c.user_id == user_id, access_tokens.c.expires_at < issued_at
        )
    )
    await connection.execute(
        insert(access_tokens).values(
            token_hash=token_hash, user_id=user_id, issued_at=issued_at, expires_at=expires_at
        )
    )


async def valid_sessions(
    connection: AsyncConnection, token_hashes: Collection[bytes], now: datetime
) -> dict[bytes, Session]:
    """Whose these tokens are, those that are valid and whose user is active."""
    column = access_tokens.c.token_hash
    found = await connection.execute(
        select(column, access_tokens.c.expires_at, users.c.user_id, users.c.name, users.c.role)
        .join(access_tokens, access_tokens.c.user_id == users.c.user_id)
        .where(
            column == any_(literal(list(token_hashes), ARRAY(column.type))),
            access_tokens.c.revoked_at.is_(None),
            access_tokens.c.expires_at > now,
            users.c.active,
        )
    )
    return {
        bytes(row.token_hash): Session(
            fingerprint=bytes(row.token_hash),
            principal=Principal(row.user_id, row.name, Role(row.role)),
            expires_at=row.expires_at,
        )
        for row in found
    }


async def revoke_token(
    connection: AsyncConnection, token_hash: bytes, now: datetime
) -> UUID | None:
    """Whose it was; None where there is none to revoke."""
    user_id: UUID | None = await connection.scalar(
        update(access_tokens)
        .where(access_tokens.c.token_hash == token_hash, access_tokens.c.revoked_at.is_(None))
        .values(revoked_at=now)
        .returning(access_tokens.c.user_id)
    )
    return user_id


async def revoke_tokens_of(
    connection: AsyncConnection, user_id: UUID, now: datetime, *, keep: bytes | None = None
) -> None:
    """Revoke every token of a user, but `keep`."""
    query = update(access_tokens).where(
        access_tokens.c.user_id == user_id, access_tokens.c.revoked_at.is_(None)
    )
    if keep is not None:
        query = query.where(access_tokens.c.token_hash != keep)
    await connection.execute(query.values(revoked_at=now))


async def reserve_attempt(
    connection: AsyncConnection, name: str, now: datetime, since: datetime, most: int
) -> int | None:
    """Count a guess as failed before it is looked at; None where there were `most` already.

    So a hundred guesses sent at once are no more than one after the other.
    """
    await connection.execute(
        text("SELECT pg_advisory_xact_lock(:space, hashtext(:name))"),
        {"space": _LOCK_LOGIN, "name": name},
    )
    # Forget what no longer counts, of every name, a bounded number at a time.
    stale = (
        select(login_failures.c.failure_id)
        .where(login_failures.c.at <= since)
        .limit(100)
        .with_for_update(skip_locked=True)
    )
    await connection.execute(delete(login_failures).where(login_failures.c.failure_id.in_(stale)))
    failures = await connection.scalar(
        select(func.count())
        .select_from(login_failures)
        .where(login_failures.c.name == name, login_failures.c.at > since)
    )
    if (failures or 0) >= most:
        return None
    attempt: int | None = await connection.scalar(
        insert(login_failures).values(name=name, at=now).returning(login_failures.c.failure_id)
    )
    return attempt


async def forgive_attempt(connection: AsyncConnection, attempt: int) -> None:
    """The guess was right: it is no failure."""
    await connection.execute(delete(login_failures).where(login_failures.c.failure_id == attempt))
