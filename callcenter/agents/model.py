"""People who take calls, and the phone each registers with."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from callcenter.platform.errors import Conflict, InvalidField, NotFound
from callcenter.platform.text import plain_text

#: The digest realm of every agent's endpoint (RFC 2617); `asterisk-conf/` names the same.
REALM: Final = "callcenter"

#: Of an agent's id: what a phone registers as.
AGENT_ID: Final = "[1-9][0-9]{2,5}"
#: Characters of an agent's name.
MOST_NAME: Final = 100
_ID = re.compile(AGENT_ID, re.ASCII)

_ID_RULE: Final = "3 to 6 digits, the first not 0"


class NoSuchAgent(NotFound):
    """There is no such agent."""

    slug = "no-such-agent"


class AgentExists(Conflict):
    """There is an agent of this id already."""

    slug = "agent-exists"


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """`agent_id` is the SIP user name and the extension too. `queues`: where calls come from."""

    agent_id: str
    name: str
    active: bool
    created_at: datetime
    version: int
    queues: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PhoneServer:
    """Where agents' phones register: `host`, `port`, and the transports open there."""

    host: str
    port: int
    transports: tuple[str, ...] = ("udp", "tcp")


@dataclass(frozen=True, slots=True, kw_only=True)
class Phone:
    """What a softphone is set up with; the secret is told once, when it is made."""

    username: str
    server: PhoneServer
    realm: str = REALM


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSecret:
    """A fresh secret, and whether Asterisk was seen to take it."""

    agent: Agent
    secret: str = field(repr=False)
    in_force: bool
    detail: str | None


def is_agent_id(agent_id: str) -> bool:
    """Whether `agent_id` can be an agent's at all."""
    return _ID.fullmatch(agent_id) is not None


def new_agent(agent_id: str, name: str, queues: tuple[str, ...], at: datetime) -> Agent:
    """Raises `InvalidField`."""
    if not is_agent_id(agent_id):
        raise InvalidField("id", _ID_RULE)
    return Agent(
        agent_id=agent_id,
        name=plain_text("name", name, least=1, most=MOST_NAME),
        active=True,
        created_at=at,
        version=1,
        queues=tuple(sorted(set(queues))),
    )


def sip_digest(agent_id: str, secret: str) -> str:
    """HA1 of RFC 2617, section 3.2.2.2: all that is kept of a phone's secret.

    MD5 is what SIP digest authentication prescribes; secrets are random, so none is guessed.
    """
    return hashlib.md5(f"{agent_id}:{REALM}:{secret}".encode(), usedforsecurity=False).hexdigest()
