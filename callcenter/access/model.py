"""Who asks, and what a role reaches."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID


class Role(StrEnum):
    """Each role reaches what the ones before it reach."""

    AGENT = "agent"  #: reads calls, works on cases
    SUPERVISOR = "supervisor"  #: hears recordings, edits lines and drafts
    ADMIN = "admin"  #: publishes flows, keeps users and agents


_RANK = {Role.AGENT: 1, Role.SUPERVISOR: 2, Role.ADMIN: 3}


@dataclass(frozen=True, slots=True)
class Principal:
    """The person behind a request."""

    user_id: UUID
    name: str
    role: Role

    def reaches(self, role: Role) -> bool:
        return _RANK[self.role] >= _RANK[role]
