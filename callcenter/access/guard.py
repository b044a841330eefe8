"""The door of the REST API: FastAPI dependencies that let a role in, or refuse.

In a router factory: `principal: Principal = Depends(guard.supervisor)`. (Not `Annotated`: FastAPI
reads annotations from the module, where the factory's `guard` does not exist.)
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from fastapi import Request, Security
from fastapi.security import OAuth2PasswordBearer

from callcenter.access.model import Principal, Role
from callcenter.platform.errors import NotAllowed, NotAuthenticated

#: The token of the `Authorization: Bearer` header, or None.
bearer = OAuth2PasswordBearer(tokenUrl="/api/v1/auth/token", auto_error=False)


class Guard:
    """`authenticate` turns a bearer token into its principal or raises `NotAuthenticated`."""

    def __init__(self, authenticate: Callable[[str], Awaitable[Principal]]) -> None:
        self._authenticate = authenticate

    async def _principal(self, token: str | None, role: Role) -> Principal:
        if not token:
            raise NotAuthenticated
        principal = await self._authenticate(token)
        if not principal.reaches(role):
            raise NotAllowed(f"This needs the role {role}; yours is {principal.role}.")
        return principal

    async def agent(self, _request: Request, token: str | None = Security(bearer)) -> Principal:
        """Anybody who is logged in."""
        return await self._principal(token, Role.AGENT)

    async def supervisor(
        self, _request: Request, token: str | None = Security(bearer)
    ) -> Principal:
        return await self._principal(token, Role.SUPERVISOR)

    async def admin(self, _request: Request, token: str | None = Security(bearer)) -> Principal:
        return await self._principal(token, Role.ADMIN)
