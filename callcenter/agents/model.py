"""People who take calls: who they are, what they can, where they belong."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from callcenter.agents.phone import REALM, PhoneKind
from callcenter.platform.errors import Conflict, InvalidField, NotFound
from callcenter.platform.text import plain_text

#: Of an agent's id: what a phone registers as.
AGENT_ID: Final = "[1-9][0-9]{2,5}"
#: Characters of an agent's name.
MOST_NAME: Final = 100
#: Of the name of a skill, a language or dialect (`zh`, `yue`), a team, a department, a queue.
NAME: Final = "[a-z][a-z0-9_]{0,39}"
NAME_RULE: Final = "1 to 40 of a-z, 0-9 and _, a letter first"
#: How well somebody can something: 1 a little, 5 as well as anybody.
LEAST_LEVEL: Final = 1
BEST_LEVEL: Final = 5
#: Skills of one agent, and languages.
MOST_LEVELS: Final = 100
MOST_DEPARTMENTS: Final = 20
_ID = re.compile(AGENT_ID, re.ASCII)
_NAME = re.compile(NAME, re.ASCII)

_ID_RULE: Final = "3 to 6 digits, the first not 0"


class NoSuchAgent(NotFound):
    """There is no such agent."""

    slug = "no-such-agent"


class AgentExists(Conflict):
    """There is an agent of this id already."""

    slug = "agent-exists"


class UserTaken(Conflict):
    """This user is another agent already: one person, one agent."""

    slug = "user-taken"


class LevelKind(StrEnum):
    """What a level is of."""

    SKILL = "skill"
    LANGUAGE = "language"


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentEdit:
    """What may be edited of an agent. `skills` and `languages`: name → level 1–5; `user`: the
    login of this person, by name; an agent who is not `active` has no phone.
    """

    name: str
    active: bool = True
    languages: Mapping[str, int] = field(default_factory=dict)
    skills: Mapping[str, int] = field(default_factory=dict)
    team: str | None = None
    departments: tuple[str, ...] = ()
    phone: PhoneKind = PhoneKind.SIP
    user: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """`agent_id` is the SIP user name and the extension too. `queues`: where calls come from."""

    agent_id: str
    name: str
    active: bool
    created_at: datetime
    version: int
    queues: tuple[str, ...] = ()
    languages: Mapping[str, int] = field(default_factory=dict)
    skills: Mapping[str, int] = field(default_factory=dict)
    team: str | None = None
    departments: tuple[str, ...] = ()
    phone: PhoneKind = PhoneKind.SIP
    user: str | None = None
    user_id: UUID | None = None

    @property
    def known_to_asterisk(self) -> tuple[str, bool, PhoneKind]:
        """What of it stands in Asterisk's configuration; the rest is read from the rows."""
        return self.name, self.active, self.phone


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentFilter:
    """Which agents are listed: who has all of these. `least_level` is of the skill or language."""

    team: str | None = None
    skill: str | None = None
    language: str | None = None
    queue: str | None = None
    department: str | None = None
    least_level: int = LEAST_LEVEL

    def __post_init__(self) -> None:
        """Raises `InvalidField`."""
        for name in ("team", "skill", "language", "queue", "department"):
            value = getattr(self, name)
            if value is not None:
                plain_name(name, value)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSecret:
    """A fresh secret, and whether Asterisk was seen to take it."""

    agent: Agent
    secret: str = field(repr=False)
    in_force: bool
    detail: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """An agent after an edit, and whether Asterisk was seen to have it."""

    agent: Agent
    in_force: bool
    detail: str | None


def is_agent_id(agent_id: str) -> bool:
    """Whether `agent_id` can be an agent's at all."""
    return _ID.fullmatch(agent_id) is not None


def plain_name(field_name: str, value: str) -> str:
    """The name of a skill, language, team or department. Raises `InvalidField`."""
    if not _NAME.fullmatch(value):
        raise InvalidField(field_name, NAME_RULE)
    return value


def levels(field_name: str, wanted: Mapping[str, int]) -> dict[str, int]:
    """Names with their levels, by name. Raises `InvalidField` naming the field, not the value."""
    if len(wanted) > MOST_LEVELS:
        raise InvalidField(field_name, f"at most {MOST_LEVELS}")
    for name, level in wanted.items():
        plain_name(field_name, name)
        # True is an int to Python, and no level to anybody.
        if isinstance(level, bool) or not LEAST_LEVEL <= level <= BEST_LEVEL:
            raise InvalidField(field_name, f"each a level from {LEAST_LEVEL} to {BEST_LEVEL}")
    return {name: wanted[name] for name in sorted(wanted)}


def departments(wanted: Iterable[str]) -> tuple[str, ...]:
    """Each once, by name. Raises `InvalidField`."""
    names = tuple(sorted({plain_name("departments", name) for name in wanted}))
    if len(names) > MOST_DEPARTMENTS:
        raise InvalidField("departments", f"at most {MOST_DEPARTMENTS}")
    return names


def checked(edit: AgentEdit) -> AgentEdit:
    """The edit as it is kept. Raises `InvalidField`."""
    return AgentEdit(
        name=_person("name", edit.name),
        active=edit.active,
        languages=levels("languages", edit.languages),
        skills=levels("skills", edit.skills),
        team=None if edit.team is None else plain_name("team", edit.team),
        departments=departments(edit.departments),
        phone=edit.phone,
        user=edit.user,
    )


def new_agent(
    agent_id: str,
    name: str,
    queues: tuple[str, ...],
    at: datetime,
    edit: AgentEdit | None = None,
) -> Agent:
    """`edit` is what is known of the person beside the name. Raises `InvalidField`."""
    if not is_agent_id(agent_id):
        raise InvalidField("id", _ID_RULE)
    kept = checked(edit or AgentEdit(name=name))
    return Agent(
        agent_id=agent_id,
        name=_person("name", name),
        active=kept.active,
        created_at=at,
        version=1,
        queues=tuple(sorted(set(queues))),
        languages=kept.languages,
        skills=kept.skills,
        team=kept.team,
        departments=kept.departments,
        phone=kept.phone,
        user=kept.user,
    )


def _person(field_name: str, value: str) -> str:
    text = plain_text(field_name, value, least=1, most=MOST_NAME)
    # Turns of writing direction and the like: a name would read as another's.
    if any(unicodedata.category(char) in {"Cf", "Zl", "Zp"} for char in text):
        raise InvalidField(field_name, "no invisible characters")
    return text


def sip_digest(agent_id: str, secret: str) -> str:
    """HA1 of RFC 2617, section 3.2.2.2: all that is kept of a phone's secret.

    MD5 is what SIP digest authentication prescribes; secrets are random, so none is guessed.
    """
    return hashlib.md5(f"{agent_id}:{REALM}:{secret}".encode(), usedforsecurity=False).hexdigest()
