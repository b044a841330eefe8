"""Every name that Python and `dialplan/` share: contexts, variables, AGI routes, journal events.

Nothing else in the package spells one of these out; `tests/contract` holds both sides to this page.
A value that crosses the seam is made of the characters `SAFE` allows, so that it can stand in a
dialplan argument without quoting.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final
from uuid import UUID

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
    FAX = "cc-fax"
    FAX_IN = "cc-fax-in"
    FAX_OUT = "cc-fax-out"
    SUB_FAX_BEGIN = "sub-fax-begin"
    SUB_FAX_END = "sub-fax-end"
    AGENT = "cc-agent"
    AGENT_QUEUE = "cc-agent-queue"
    SUB_IVR_STEP = "sub-ivr-step"
    SUB_IVR_ASK = "sub-ivr-ask"
    SUB_RECORD = "sub-record"
    SUB_INTERNAL = "sub-internal"
    SUB_CALL_END = "sub-call-end"


class Variable(StrEnum):
    """Channel variables. The first two are inherited by the legs a call makes."""

    CALL_ID = "CC_CALL_ID"  #: our UUID of the call
    LINE = "CC_LINE"  #: the hotline number that was dialled; empty on an agent's own call
    LINE_MODE = "CC_LINE_MODE"  #: menu | direct: with or without an apology then
    LINE_QUEUE = "CC_LINE_QUEUE"  #: where its callers go when nothing of ours answers
    LANGUAGE = "CC_LANGUAGE"  #: what the line begins in: zh, en …; then CHANNEL(language) counts
    SOURCE = "CC_SOURCE"  #: where the number is from: pai (the trunk's word) | from
    PRES = "CC_PRES"  #: CALLERID(num-pres): allowed_…, prohib_… (withheld), unavailable
    TRY = "CC_TRY"  #: 1 or 2: which attempt to reach an agi process
    WHY = "CC_WHY"  #: why the queue is entered: flow | failover | direct | transfer
    REASON = "CC_REASON"  #: prompt before the invitation to leave a message, or empty
    RECORDED = "CC_RECORDED"  #: set once MixMonitor runs: from-bridge | from-answer
    AGENT = "CC_AGENT"  #: the agent an agent dialled
    NEXT = "CC_NEXT"  #: the flow's decision, an `Exit`; empty: Python died or was never there
    QUEUE = "CC_QUEUE"  #: the queue to enter when NEXT is `queue`
    NODE = "CC_NODE"  #: the flow node last entered, so that a second `agi` goes on from there
    KEYS = "CC_KEYS"  #: what the caller keyed in, between sub-ivr-ask and reading it
    FAX = "CC_FAX"  #: our UUID of the fax to send; of one that comes in, the call's
    FAX_WAY = "CC_FAX_WAY"  #: call (in the caller's own call) | number | in
    FAX_NUMBER = "CC_FAX_NUMBER"  #: what cc-fax-out dials
    FAX_TOLD = "CC_FAX_TOLD"  #: `yes` once the journal has the outcome
    QUEUESTATUS = "QUEUESTATUS"


class Global(StrEnum):
    """Global variables, written to `extensions_globals.conf` from the settings."""

    AGI_URL = "CC_AGI_URL"
    PROMPTS = "CC_PROMPTS"
    RECORDINGS = "CC_RECORDINGS"
    FAXES = "CC_FAXES"  #: folder of pages ready to be sent: <order>.tif
    FAXES_IN = "CC_FAXES_IN"  #: where ReceiveFAX writes: <call>.tif
    DEFAULT_QUEUE = "CC_DEFAULT_QUEUE"
    DEFAULT_LANGUAGE = "CC_DEFAULT_LANGUAGE"
    RECORD_FROM = "CC_RECORD_FROM"
    MAX_CALL_SECONDS = "CC_MAX_CALL_SECONDS"
    WAIT_PREFIX = "CC_WAIT_"  #: CC_WAIT_<queue>: longest wait in it, seconds


class Route(StrEnum):
    """Paths of `agi://host:port/<route>`."""

    FLOW = "flow"  #: args: call id, line, node to go on from (or empty)
    PING = "ping"  #: no call: the watchdog's question whether this process still answers


class Exit(StrEnum):
    """Values of `CC_NEXT`."""

    QUEUE = "queue"
    VOICEMAIL = "voicemail"
    FAX = "fax"
    HANGUP = "hangup"


class DialplanPrompt(StrEnum):
    """Prompts the dialplan plays by itself: `<CC_PROMPTS>/<language>/<name>.wav`."""

    APOLOGY = "apology"
    LEAVE_MESSAGE = "leave_message"
    GOODBYE = "goodbye"
    NO_AGENTS = "no_agents"


class QueueStatus(StrEnum):
    """What Queue() leaves in QUEUESTATUS; nothing at all when the queue does not exist."""

    TIMEOUT = "TIMEOUT"
    FULL = "FULL"
    JOINEMPTY = "JOINEMPTY"
    LEAVEEMPTY = "LEAVEEMPTY"
    JOINUNAVAIL = "JOINUNAVAIL"
    LEAVEUNAVAIL = "LEAVEUNAVAIL"
    CONTINUE = "CONTINUE"
    WITHDRAW = "WITHDRAW"


#: Before every queue's name inside Asterisk: the section [general] of queues.conf is no queue, and
#: our default queue is called `general`. AMI and queue_log say `q_general`; the journal's own
#: events and everything of ours say `general`.
QUEUE_PREFIX: Final = "q_"


#: Uniqueid of the channel of a fax call: this and the call's UUID. Asterisk refuses a second one
#: while the first lives.
FAX_CHANNEL_PREFIX: Final = "fax-"


def fax_call_of(uniqueid: str) -> UUID | None:
    """The call whose channel has this uniqueid, if it is a fax call of ours."""
    try:
        return UUID(uniqueid.removeprefix(FAX_CHANNEL_PREFIX)) if uniqueid[:4] == "fax-" else None
    except ValueError:
        return None


def asterisk_queue(name: str) -> str:
    """Our queue's name as Asterisk knows it."""
    return QUEUE_PREFIX + name


def our_queue(asterisk_name: str) -> str:
    """The reverse of `asterisk_queue`."""
    return asterisk_name.removeprefix(QUEUE_PREFIX)


class JournalEvent(StrEnum):
    """Names our dialplan gives to `CELGenUserEvent`; the extra is `key=value&key=value`."""

    #: call=<uuid>&direction=<inbound|internal>&dialled=&number=&pres=<CALLERID(num-pres)>&source=
    #: &language=<of the line>; number is empty when it is withheld (pres=prohib…).
    CALL = "CC_CALL"
    #: node=&key=&flow=&version=&language=; key: pressed, `t` time-out, `i7` wrong key, `r` resumed
    IVR = "CC_IVR"
    EXIT = "CC_EXIT"  #: next=<Exit or empty>&agi=<AGISTATUS>&try=&language=
    QUEUE = "CC_QUEUE"  #: queue=&why=<flow|failover|direct|transfer>
    QUEUE_EXIT = "CC_QUEUE_EXIT"  #: queue=&status=<QUEUESTATUS or empty>
    RECORDING = "CC_RECORDING"  #: recording=<name>&kind=conversation
    VOICEMAIL = "CC_VOICEMAIL"  #: recording=<name>&kind=voicemail
    FAX_BEGIN = "CC_FAX_BEGIN"  #: fax=<uuid>&way=<call|number|in>
    #: fax=&way=&status=<FAXSTATUS>&pages=&mode=<audio|T38>&error=<FAXERROR>&station=<digits>
    FAX = "CC_FAX"
    END = "CC_END"  #: call=<uuid>&node=<last node>: hang-up handler of the first channel
