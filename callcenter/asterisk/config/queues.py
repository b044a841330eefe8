"""Queues as Asterisk is given them: sections of app_queue, how each is waited in, spoken places.

One queue of ours is a plain queue of app_queue and one more for each further language it asks for
(`q_general`, `q_general-en`); who is a member of which is `callcenter.queues.skills`.
"""

from __future__ import annotations

import zlib

from callcenter.asterisk.config.model import QueueConfig, SwitchConfig
from callcenter.asterisk.config.text import GENERATED, section
from callcenter.asterisk.dialplan import (
    QUEUE_PLAN_PREFIX,
    QUEUE_PLAN_WAITING,
    Context,
    Variable,
    asterisk_queue,
)
from callcenter.prompts.pieces.say import LANGUAGES, say_value
from callcenter.queues.model import Cause

#: Places further back are not said: nobody is told to be fifty-first.
LAST_PLACE_SAID = 50

#: Prompts around the piece that tells the place.
PLACE_PROMPT = "queue_place"

#: Tells those who wait of the key for a callback.
CALLBACK_PROMPT = "callback_key"

#: Cause → what its exit and the exit's target are called in the dialplan.
EXIT_VARIABLES = {
    Cause.FULL: (Variable.FULL_EXIT, Variable.FULL_TARGET),
    Cause.TIMEOUT: (Variable.TIMEOUT_EXIT, Variable.TIMEOUT_TARGET),
    Cause.NO_AGENTS: (Variable.NO_AGENTS_EXIT, Variable.NO_AGENTS_TARGET),
}


def asterisk_queues(queue: QueueConfig) -> list[str]:
    """The queues of app_queue that one of ours is, the plain one first."""
    return [
        asterisk_queue(queue.name),
        *(asterisk_queue(queue.name, own.language) for own in queue.languages),
    ]


def sections(config: SwitchConfig) -> str:
    """`queues_members.conf`: every queue with its parameters. No `member =`: the node brings those
    in over AMI (`callcenter.asterisk.members`). No `wrapuptime` either: a wrap-up is a pause that
    ends with the case (sub-agent-answers).
    """
    parts = [GENERATED]
    for queue in config.queues:
        settings = [*_settings(config, queue), ("servicelevel", str(edition(config, queue)))]
        parts += [section(n, *settings, template="hotline") for n in asterisk_queues(queue)]
    return "\n".join(parts)


def edition(config: SwitchConfig, queue: QueueConfig) -> int:
    """A number made of the queue's parameters, given to app_queue as its `servicelevel`.

    AMI tells strategy, length and weight of a queue but neither ringing time nor announcements nor
    music. `servicelevel` it does tell (QueueParams: ServiceLevel), and we count service levels from
    our own rows: so it says which text of the section Asterisk works by. 31 bits.
    """
    text = "\n".join(f"{key}={value}" for key, value in _settings(config, queue))
    return zlib.crc32(text.encode()) & 0x7FFFFFFF


def _settings(config: SwitchConfig, queue: QueueConfig) -> list[tuple[str, str]]:
    settings = [
        ("strategy", queue.strategy),
        ("timeout", str(queue.ring_seconds)),
        ("weight", str(queue.weight)),
        ("maxlen", str(queue.max_waiting)),
        ("musicclass", queue.music),
    ]
    prompts = config.paths.prompts_dir
    says = [queue.comfort_prompt] if queue.comfort_prompt is not None else []
    # Neither the key nor the words of it where nobody could be dialled.
    if queue.offers_callback and config.trunk.host is not None:
        settings.append(("context", Context.QUEUE_KEYS))
        says += [CALLBACK_PROMPT] if queue.comfort_prompt != CALLBACK_PROMPT else []
    if says:
        # An absolute path gets the caller's language before its last part: <prompts>/zh/<name>.
        # Several are said by turns.
        settings += [
            ("periodic-announce", ",".join(str(prompts / name) for name in says)),
            ("periodic-announce-frequency", str(queue.comfort_seconds)),
        ]
    if queue.announce_position:
        settings += [
            ("announce-position", "limit"),
            ("announce-position-limit", str(LAST_PLACE_SAID)),
            ("announce-frequency", str(queue.announce_seconds)),
            ("min-announce-frequency", str(min(15, queue.announce_seconds))),
            ("queue-thereare", str(prompts / PLACE_PROMPT)),
        ]
    return settings


def plan(config: SwitchConfig) -> str:
    """`extensions_queues.conf`: literal values of each queue, so that waiting and every way out of
    it need nothing of ours alive.
    """
    head = (
        "; Enters: cc-queue by Gosub, as queue_<name>. Sets how long and with how many others a\n"
        "; caller waits there, and where who is given up goes, by cause. Return.\n"
        "; Enters: sub-queue-prio, as waiting: how many wait anywhere.\n"
        f"[{Context.QUEUE_PLAN}]\n"
    )
    fallback = QueueConfig("", max_wait_seconds=300)
    extens = [_exten(f"{QUEUE_PLAN_PREFIX}{queue.name}", queue) for queue in config.queues]
    # Unknown queues, which Queue() refuses by itself.
    extens.append(_exten(QUEUE_PLAN_PREFIX, fallback))
    extens.append(_exten(f"_{QUEUE_PLAN_PREFIX}.", fallback))
    extens.append(_waiting(config))
    return GENERATED + head + "".join(extens)


def _waiting(config: SwitchConfig) -> str:
    """Counts who waits in any queue; a line for each, however many there are."""
    name = Variable.ALL_WAITING
    lines = [f"Set({name}=0)"]
    lines += [
        f"Set({name}=$[${{{name}}} + ${{QUEUE_WAITING_COUNT({one})}}])"
        for queue in config.queues
        for one in asterisk_queues(queue)
    ]
    lines.append("Return()")
    return f"exten = {QUEUE_PLAN_WAITING},1," + "\n same = n,".join(lines) + "\n"


def _exten(exten: str, queue: QueueConfig) -> str:
    values = {Variable.LONGEST: str(queue.max_wait_seconds), Variable.MOST: "0"}
    if queue.languages and queue.max_waiting:
        # Those of all languages count together; app_queue knows each queue's own.
        waiting = " + ".join(f"${{QUEUE_WAITING_COUNT({n})}}" for n in asterisk_queues(queue))
        values |= {Variable.MOST: str(queue.max_waiting), Variable.WAITING: f"$[{waiting}]"}
    for cause, (way, target) in EXIT_VARIABLES.items():
        exit = queue.exit(cause)
        values |= {way: str(exit.to), target: exit.queue or exit.number or ""}
    lines = [f"Set({name}={value})" for name, value in values.items()]
    lines.append(f"Set({Variable.OWN}=)")
    lines += [
        f'ExecIf($["${{CHANNEL(language):0:2}}" = "{own.language}"]'
        f"?Set({Variable.OWN}={own.seconds}))"
        for own in queue.languages
    ]
    lines.append("Return()")
    return f"exten = {exten},1," + "\n same = n,".join(lines) + "\n"


def say(config: SwitchConfig) -> str:
    """`say.conf`: how a caller's place is said, by our own pieces and grammar. Asterisk's own
    number speech has no Chinese sounds; only app_queue's announcements say numbers here.
    """
    prompts = config.paths.prompts_dir
    parts = [GENERATED, section("general", ("mode", "new"))]
    for language in LANGUAGES:
        rules = []
        for place in range(1, LAST_PLACE_SAID + 1):
            pieces = say_value("position", str(place), language)
            rules.append((f"num:{place}", ",".join(str(prompts / piece) for piece in pieces)))
        parts.append(section(language, *rules))
    return "\n".join(parts)
