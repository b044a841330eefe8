"""Every name that Python and `dialplan/` share: contexts, variables, AGI routes, journal events.

Nothing else in the package spells one of these out; `tests/contract` holds both sides to this page.
A value that crosses the seam is made of the characters `SAFE` allows, so that it can stand in a
dialplan argument without quoting.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final

SAFE: Final = re.compile(r"[A-Za-z0-9_.:+*#/-]{0,200}")


class Context(StrEnum):
    """Dialplan contexts, as written in `dialplan/`."""

    FROM_TRUNK = "from-trunk"
    FROM_AGENTS = "from-agents"
    INBOUND = "cc-inbound"
    IVR = "cc-ivr"
    QUEUE = "cc-queue"
    VOICEMAIL = "cc-voicemail"
    FAILOVER = "cc-failover"
    SUB_IVR_STEP = "sub-ivr-step"
    SUB_CALL_END = "sub-call-end"


class Variable(StrEnum):
    """Channel variables. The first three are inherited by the legs a call makes."""

    CALL_ID = "CC_CALL_ID"  #: our UUID of the call
    LINE = "CC_LINE"  #: the hotline number that was dialled
    LANGUAGE = "CC_LANGUAGE"  #: what the caller hears: zh, en …
    NEXT = "CC_NEXT"  #: the flow's decision, an `Exit`; empty: Python died or was never there
    QUEUE = "CC_QUEUE"  #: the queue to enter when NEXT is `queue`
    NODE = "CC_NODE"  #: the flow node last entered, so that a second `agi` goes on from there
    KEYS = "CC_KEYS"  #: what the caller keyed in, between EXEC Read and reading it
    QUEUESTATUS = "QUEUESTATUS"


class Global(StrEnum):
    """Global variables, written to `extensions_globals.conf` from the settings."""

    AGI_URL = "CC_AGI_URL"
    PROMPTS = "CC_PROMPTS"
    RECORDINGS = "CC_RECORDINGS"
    DEFAULT_QUEUE = "CC_DEFAULT_QUEUE"
    DEFAULT_LANGUAGE = "CC_DEFAULT_LANGUAGE"
    RECORD_FROM = "CC_RECORD_FROM"


class Route(StrEnum):
    """Paths of `agi://host:port/<route>`."""

    FLOW = "flow"  #: args: call id, line, node to go on from (or empty)
    PING = "ping"  #: no call: the watchdog's question whether this process still answers


class Exit(StrEnum):
    """Values of `CC_NEXT`."""

    QUEUE = "queue"
    VOICEMAIL = "voicemail"
    HANGUP = "hangup"


class JournalEvent(StrEnum):
    """Names our dialplan gives to `CELGenUserEvent`; the extra is `key=value&key=value`."""

    CALL = "CC_CALL"  #: call=<uuid>&direction=&dialled=&number=&pres=&source=
    IVR = "CC_IVR"  #: node=&key=&flow=&version= (key: pressed, `t` time-out, empty: entered)
    EXIT = "CC_EXIT"  #: next=<Exit or empty>&agi=<AGISTATUS>&try=
    QUEUE = "CC_QUEUE"  #: queue=&why=<flow|failover|direct>
    QUEUE_EXIT = "CC_QUEUE_EXIT"  #: queue=&status=<QUEUESTATUS or empty>
    RECORDING = "CC_RECORDING"  #: recording=<name>&kind=conversation
    VOICEMAIL = "CC_VOICEMAIL"  #: recording=<name>&kind=voicemail
