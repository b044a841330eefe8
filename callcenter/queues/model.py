"""Queues: what may be edited of one, and its rules. Pure.

Who serves whom follows from `callcenter.queues.skills`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from callcenter.platform.errors import Conflict, InvalidField, NotFound
from callcenter.platform.text import plain_text

#: What can be a queue's name at all; older ones may be longer than new ones.
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}", re.ASCII)
#: Of a new queue. Agents dial it, and one letter (`h`, `i`, `s`, `t`) or `fax` means something else
#: to Asterisk there.
NEW_NAME: Final = "[a-z][a-z0-9_]{1,31}"
_NEW_NAME = re.compile(NEW_NAME, re.ASCII)
_TAKEN: Final = frozenset({"fax"})

STRATEGIES: Final = (
    "ringall",
    "leastrecent",
    "fewestcalls",
    "random",
    "rrmemory",
    "rrordered",
    "linear",
    "wrandom",
)
#: They keep members in the order of the configuration, in a list that app_queue makes with the
#: queue and cannot make later.
ORDERED_STRATEGIES: Final = frozenset({"linear", "rrordered"})
#: Classes of music there are (asterisk-conf/musiconhold.conf).
MUSIC: Final = ("default",)

MOST_TITLE: Final = 100
RING_SECONDS: Final = (3, 120)
WAIT_SECONDS: Final = (5, 7200)
MOST_WAITING: Final = 10_000
MOST_WEIGHT: Final = 100
MOST_WRAPUP_SECONDS: Final = 3600
SAY_EVERY_SECONDS: Final = (15, 3600)
HIGHEST_LEVEL: Final = 5
MOST_STEPS: Final = 10
MOST_REQUIREMENTS: Final = 20
MOST_PENALTY: Final = 100
SKILL: Final = "[a-z][a-z0-9_]{0,39}"
_SKILL = re.compile(SKILL, re.ASCII)
LANGUAGE: Final = "[a-z]{2}"
_LANGUAGE = re.compile(LANGUAGE, re.ASCII)
_PROMPT = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}", re.ASCII)
#: What the trunk can be asked for; no more than a flow may (`transfer`).
NUMBER: Final = "[+]?[0-9]{2,15}"
_NUMBER = re.compile(NUMBER, re.ASCII)


class NoSuchQueue(NotFound):
    """There is no such queue."""

    slug = "no-such-queue"


class QueueExists(Conflict):
    """There is a queue of that name already."""

    slug = "queue-exists"


class QueueInUse(Conflict):
    """A queue that is used cannot be removed."""

    slug = "queue-in-use"


class Kind(StrEnum):
    """What is asked of an agent."""

    SKILL = "skill"
    LANGUAGE = "language"


class Cause(StrEnum):
    """Why a queue gives a caller up."""

    FULL = "full"  #: as many wait as may
    TIMEOUT = "timeout"  #: waited as long as may be
    NO_AGENTS = "no_agents"  #: nobody is there to serve


class MissedCalls(StrEnum):
    """What becomes of a caller whom nobody answered."""

    TASK = "task"  #: agents call back
    DIAL = "dial"  #: we do


class ExitTo(StrEnum):
    """Where a caller goes whom a queue gives up."""

    VOICEMAIL = "voicemail"
    QUEUE = "queue"
    CALLBACK = "callback"
    NUMBER = "number"


@dataclass(frozen=True, slots=True)
class Relaxation:
    """From this wait on, `level` is enough; 0: it is not asked any more."""

    after_seconds: int
    level: int


@dataclass(frozen=True, slots=True)
class Requirement:
    """A skill or language (ISO 639-1) asked of an agent, at `level` 1 to 5, and what is enough as
    the wait grows.
    """

    kind: Kind
    name: str
    level: int
    relax: tuple[Relaxation, ...] = ()

    def __post_init__(self) -> None:
        """Raises `InvalidField`."""
        field = "skills" if self.kind is Kind.SKILL else "languages"
        if not (_SKILL if self.kind is Kind.SKILL else _LANGUAGE).fullmatch(self.name):
            raise InvalidField(field, "a name of a-z, 0-9, `_`; a language of two letters")
        if not 1 <= self.level <= HIGHEST_LEVEL:
            raise InvalidField(field, f"a level is between 1 and {HIGHEST_LEVEL}")
        if len(self.relax) > MOST_STEPS:
            raise InvalidField(field, f"at most {MOST_STEPS} steps of relaxation")
        after, level = 0, self.level
        for step in self.relax:
            if not after < step.after_seconds <= WAIT_SECONDS[1]:
                raise InvalidField(field, "each step of relaxation is later than the one before")
            if not 0 <= step.level < level:
                raise InvalidField(field, "each step of relaxation asks less than the one before")
            after, level = step.after_seconds, step.level

    @property
    def levels(self) -> tuple[int, ...]:
        """What is asked, then what is enough after each step."""
        return (self.level, *(step.level for step in self.relax))

    def step_after(self, waited_seconds: float) -> int:
        """How many steps of relaxation a wait has reached."""
        return sum(step.after_seconds <= waited_seconds for step in self.relax)

    @property
    def last_step_seconds(self) -> int:
        return self.relax[-1].after_seconds if self.relax else 0


@dataclass(frozen=True, slots=True)
class Exit:
    """Where a caller goes whom the queue gives up; `queue`, `number` with their own kind only."""

    to: ExitTo = ExitTo.VOICEMAIL
    queue: str | None = None
    number: str | None = None

    def __post_init__(self) -> None:
        """Raises `InvalidField`."""
        if (self.to is ExitTo.QUEUE) != (self.queue is not None):
            raise InvalidField("exits", "an exit to a queue names the queue, no other does")
        if (self.to is ExitTo.NUMBER) != (self.number is not None):
            raise InvalidField("exits", "an exit to a number names the number, no other does")
        if self.queue is not None and not is_queue_name(self.queue):
            raise InvalidField("exits", "the name of a queue")
        if self.number is not None and not _NUMBER.fullmatch(self.number):
            raise InvalidField("exits", "2 to 15 digits, with a + before them or not")


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueEdit:
    """What may be edited of a queue.

    Seconds: `ring_seconds` of one agent's phone; `max_wait_seconds`, None: CALLCENTER_QUEUE_WAIT;
    `wrapup_seconds` after each call; `comfort_seconds` and `announce_seconds` between two words.
    `offers_callback`: where callbacks can be dialled at all, who waits may press 1 for one, and is
    told so by turns with the comfort prompt. `missed_calls` None: CALLCENTER_MISSED_CALLS.
    `max_waiting` 0: no limit. Queues of less `weight` wait for those of more; of equal weight, who
    has waited longest is served first, whichever the queue.
    """

    title: str
    strategy: str = "rrmemory"
    ring_seconds: int = 15
    max_wait_seconds: int | None = None
    max_waiting: int = 0
    weight: int = 0
    wrapup_seconds: int = 0
    music: str = "default"
    comfort_prompt: str | None = None
    comfort_seconds: int = 60
    announce_position: bool = False
    announce_seconds: int = 60
    offers_callback: bool = True
    missed_calls: MissedCalls | None = None
    skills: tuple[Requirement, ...] = ()
    languages: tuple[Requirement, ...] = ()
    exits: Mapping[Cause, Exit] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raises `InvalidField`."""
        plain = plain_text("title", self.title, least=1, most=MOST_TITLE)
        object.__setattr__(self, "title", plain)
        if self.strategy not in STRATEGIES:
            raise InvalidField("strategy", f"one of {', '.join(STRATEGIES)}")
        if self.music not in MUSIC:
            raise InvalidField("music", f"one of {', '.join(MUSIC)}")
        if self.comfort_prompt is not None and not _PROMPT.fullmatch(self.comfort_prompt):
            raise InvalidField("comfort_prompt", "the name of a prompt")
        if self.max_wait_seconds is not None:
            _between("max_wait_seconds", self.max_wait_seconds, *WAIT_SECONDS)
        _between("ring_seconds", self.ring_seconds, *RING_SECONDS)
        _between("max_waiting", self.max_waiting, 0, MOST_WAITING)
        _between("weight", self.weight, 0, MOST_WEIGHT)
        _between("wrapup_seconds", self.wrapup_seconds, 0, MOST_WRAPUP_SECONDS)
        _between("comfort_seconds", self.comfort_seconds, *SAY_EVERY_SECONDS)
        _between("announce_seconds", self.announce_seconds, *SAY_EVERY_SECONDS)
        for name, kind, asked in (
            ("skills", Kind.SKILL, self.skills),
            ("languages", Kind.LANGUAGE, self.languages),
        ):
            if len(asked) > MOST_REQUIREMENTS:
                raise InvalidField(name, f"at most {MOST_REQUIREMENTS}")
            if any(one.kind is not kind for one in asked):
                raise InvalidField(name, "skills and languages are asked for apart")
            if len({one.name for one in asked}) < len(asked):
                raise InvalidField(name, "each is asked for once")

    @property
    def requirements(self) -> tuple[Requirement, ...]:
        return (*self.skills, *self.languages)

    def exit(self, cause: Cause) -> Exit:
        """Where callers go for this cause."""
        return self.exits.get(cause, Exit())


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue(QueueEdit):
    """A queue as it is kept; the default one takes whoever has no other. `in_force_version`: the
    version Asterisk was seen to have loaded.
    """

    name: str
    is_default: bool
    version: int
    in_force_version: int | None = None

    @property
    def in_force(self) -> bool:
        return self.in_force_version == self.version


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """An agent in a queue; those of lower `penalty` (0 … 100) are asked first."""

    agent_id: str
    penalty: int = 0


def is_queue_name(name: str) -> bool:
    """Whether `name` can be a queue's at all."""
    return _NAME.fullmatch(name) is not None


def new_queue_name(name: str) -> str:
    """Raises `InvalidField` for what no new queue can be called."""
    if not _NEW_NAME.fullmatch(name) or name in _TAKEN:
        raise InvalidField("name", "2 to 32 of a-z, 0-9, `_`, a letter first; not `fax`")
    return name


def must_follow(before: QueueEdit, after: QueueEdit) -> None:
    """What cannot become of a queue that is there. Raises `InvalidField`."""
    if before.strategy != after.strategy and after.strategy in ORDERED_STRATEGIES:
        # app_queue takes the word, but its members stay in a table that has no order.
        raise InvalidField(
            "strategy", f"“{after.strategy}” is chosen when a queue is made, and not later"
        )


def members_of(members: tuple[Member, ...]) -> tuple[Member, ...]:
    """In the order of asking. Raises `InvalidField` for one who is named twice, or a penalty."""
    if len({member.agent_id for member in members}) < len(members):
        raise InvalidField("members", "each agent once")
    for member in members:
        _between("members", member.penalty, 0, MOST_PENALTY)
    return tuple(sorted(members, key=lambda member: (member.penalty, member.agent_id)))


def _between(field: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise InvalidField(field, f"between {low} and {high}")
