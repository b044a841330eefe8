"""Teams: the groups agents work in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from callcenter.agents.model import plain_name
from callcenter.platform.errors import Conflict, NotFound
from callcenter.platform.text import plain_text

#: Characters of a title.
MOST_TITLE: Final = 100


class NoSuchTeam(NotFound):
    """There is no such team."""

    slug = "no-such-team"


class TeamExists(Conflict):
    """There is a team of this name already."""

    slug = "team-exists"


class TeamInUse(Conflict):
    """Agents are in this team: put them into another one first."""

    slug = "team-in-use"


@dataclass(frozen=True, slots=True, kw_only=True)
class Team:
    """`name` is for programs, `title` for people; `agents`: how many are in it."""

    name: str
    title: str
    version: int = 1
    agents: int = 0


def new_team(name: str, title: str) -> Team:
    """Raises `InvalidField`."""
    return Team(name=plain_name("name", name), title=team_title(title))


def team_title(title: str) -> str:
    """The title as it is kept. Raises `InvalidField`."""
    return plain_text("title", title, least=1, most=MOST_TITLE)
