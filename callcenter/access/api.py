"""REST: `/auth` and `/users`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Response, Security
from fastapi import Path as InPath
from fastapi.security import OAuth2PasswordRequestForm
from pydantic import Field, SecretStr

from callcenter.access.guard import Guard, bearer
from callcenter.access.model import (
    LONGEST_PASSWORD,
    SHORTEST_PASSWORD,
    USER_NAME,
    Principal,
    Role,
    User,
)
from callcenter.access.service import AccessService
from callcenter.platform.clock import Clock, system_clock
from callcenter.platform.web import (
    PROBLEM_RESPONSES,
    TOO_MANY,
    Cursor,
    Flag,
    IfMatch,
    Limit,
    Page,
    Schema,
    decode_cursor,
    encode_cursor,
    set_etag,
    wanted_version,
)

# The model has these rules and their words: here they are only told.
_USER_NAME: Final = {"pattern": f"^{USER_NAME}$"}
UserName = Annotated[str, InPath(json_schema_extra=_USER_NAME)]
Password = Annotated[
    SecretStr,
    Field(json_schema_extra={"minLength": SHORTEST_PASSWORD, "maxLength": LONGEST_PASSWORD}),
]


class TokenReply(Schema):
    """RFC 6749 section 5.1; `expires_in` in seconds."""

    access_token: str
    token_type: str = "bearer"  # noqa: S105 - the type's name
    expires_in: int


class MeReply(Schema):
    user_id: UUID
    name: str
    role: Role


class UserReply(Schema):
    user_id: UUID
    name: str
    role: Role
    active: bool
    created_at: datetime
    version: int


class NewUser(Schema):
    name: Annotated[str, Field(json_schema_extra=_USER_NAME)]
    password: Password
    role: Role


class UserChange(Schema):
    role: Role = Role.AGENT
    active: Flag = True


class NewPassword(Schema):
    password: Password


class OwnPassword(Schema):
    old_password: SecretStr
    new_password: Password


def router(service: AccessService, guard: Guard, *, clock: Clock = system_clock) -> APIRouter:
    """`/auth/…` for everybody, `/users…` for admins."""
    api = APIRouter(tags=["access"], responses=PROBLEM_RESPONSES | TOO_MANY)

    @api.post("/auth/token")
    async def login(response: Response, form: OAuth2PasswordRequestForm = Depends()) -> TokenReply:
        """Name and password for a bearer token (OAuth2 password form)."""
        issued = await service.login(form.username, form.password)
        response.headers["Cache-Control"] = "no-store"
        left = issued.expires_at - clock()
        return TokenReply(access_token=issued.token, expires_in=int(left.total_seconds()))

    @api.post("/auth/logout", status_code=204)
    async def logout(
        _principal: Principal = Depends(guard.agent), token: str | None = Security(bearer)
    ) -> None:
        """The token of this request is worth nothing from now on."""
        await service.logout(token or "")

    @api.get("/auth/me")
    async def me(principal: Principal = Depends(guard.agent)) -> MeReply:
        return MeReply.model_validate(principal)

    @api.put("/auth/password", status_code=204)
    async def change_own_password(
        body: OwnPassword,
        principal: Principal = Depends(guard.agent),
        token: str | None = Security(bearer),
    ) -> None:
        """Every other token of the asker is revoked."""
        await service.change_own_password(
            principal,
            body.old_password.get_secret_value(),
            body.new_password.get_secret_value(),
            token=token or "",
        )

    @api.get("/users")
    async def list_users(
        limit: Limit = 50, cursor: Cursor = None, _admin: Principal = Depends(guard.admin)
    ) -> Page[UserReply]:
        after = decode_cursor(cursor, 1)[0] if cursor else ""
        found = await service.users(after=after, limit=limit + 1)
        return Page(
            items=[UserReply.model_validate(user) for user in found[:limit]],
            next_cursor=encode_cursor(found[limit - 1].name) if len(found) > limit else None,
        )

    @api.post("/users", status_code=201)
    async def add_user(
        body: NewUser, response: Response, _admin: Principal = Depends(guard.admin)
    ) -> UserReply:
        user = await service.create_user(body.name, body.password.get_secret_value(), body.role)
        return _reply(user, response)

    @api.get("/users/{name}")
    async def get_user(
        name: UserName, response: Response, _admin: Principal = Depends(guard.admin)
    ) -> UserReply:
        return _reply(await service.user(name), response)

    @api.patch("/users/{name}")
    async def change_user(
        if_match: IfMatch,
        name: UserName,
        body: UserChange,
        response: Response,
        _admin: Principal = Depends(guard.admin),
    ) -> UserReply:
        """Role and activity. In force with the next request of that user."""
        changes: dict[str, Any] = body.model_dump(exclude_unset=True)
        user = await service.change_user(name, expected=wanted_version(if_match), **changes)
        return _reply(user, response)

    @api.put("/users/{name}/password", status_code=204)
    async def set_password(
        name: UserName, body: NewPassword, _admin: Principal = Depends(guard.admin)
    ) -> None:
        """Every token of that user is revoked."""
        await service.set_password(name, body.password.get_secret_value())

    return api


def _reply(user: User, response: Response) -> UserReply:
    set_etag(response, user.version)
    return UserReply.model_validate(user)
