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
    TRANSFER = "cc-transfer"
    AGENT = "cc-agent"
    AGENT_QUEUE = "cc-agent-queue"
    AGENT_CODE = "cc-agent-code"
    SUB_AGENT_ANSWERS = "sub-agent-answers"
    SUB_AGENT_LEAVES = "sub-agent-leaves"
    SUB_IVR_STEP = "sub-ivr-step"
    SUB_IVR_ASK = "sub-ivr-ask"
    SUB_RECORD = "sub-record"
    SUB_INTERNAL = "sub-internal"
    SUB_CALL_END = "sub-call-end"


class Variable(StrEnum):
    """Channel variables. The first two are inherited by the legs a call makes."""

    CALL_ID = "CC_CALL_ID"  #: our UUID of the call
    LINE = "CC_LINE"  #: the hotline number that was dialled; empty on an agent's own call
    LINE_MODE = "CC_LINE_MODE"  #: menu | direct | fax: with or without an apology then
    LINE_QUEUE = "CC_LINE_QUEUE"  #: where its callers go when nothing of ours answers
    LANGUAGE = "CC_LANGUAGE"  #: what the line begins in: zh, en …; then CHANNEL(language) counts
    SOURCE = "CC_SOURCE"  #: where the number is from: pai (the trunk's word) | from
    PRES = "CC_PRES"  #: CALLERID(num-pres): allowed_…, prohib_… (withheld), unavailable
    TRY = "CC_TRY"  #: 1 or 2: which attempt to reach an agi process
    WHY = "CC_WHY"  #: why the queue is entered: flow | failover | direct | transfer | message
    REASON = "CC_REASON"  #: why a message is left, a `MessageReason`; empty: choice
    GREETING = "CC_GREETING"  #: prompt in place of the reason's greeting, a-z 0-9 _ -; or empty
    TAKE = "CC_TAKE"  #: how many takes of a message the call has
    LAST_TAKE = "CC_LAST_TAKE"  #: the number after which no further take is offered
    MESSAGE = "CC_MESSAGE"  #: name of the take that is recorded: <call id>-message[-<n>]
    BEGAN = "CC_BEGAN"  #: when the take began, in ms since 1970
    LENGTH = "CC_LENGTH"  #: how long it became, in ms, without the silence that ended it
    KEPT = "CC_KEPT"  #: name of the last take that was long enough; empty: none was
    SHORT = "CC_SHORT"  #: 1 once the caller was told that a take was too short
    ROUNDS = "CC_ROUNDS"  #: how often the menu behind a take was spoken
    SAY = "CC_SAY"  #: what that menu speaks next
    RECORDED = "CC_RECORDED"  #: set once MixMonitor runs: from-bridge | from-answer
    AGENT = "CC_AGENT"  #: the agent an agent dialled
    NEXT = "CC_NEXT"  #: the flow's decision, an `Exit`; empty: Python died or was never there
    QUEUE = "CC_QUEUE"  #: the queue to enter when NEXT is `queue`
    PRIORITY = "CC_PRIORITY"  #: 1 to 20: served before callers with less; empty: as all
    POSITION = "CC_POSITION"  #: the caller's place in it, from 1, as the flow left; empty: unknown
    ESTIMATE = "CC_ESTIMATE"  #: the wait foretold then, seconds; empty: unknown
    NOTICE = "CC_NOTICE"  #: the recording notice the caller was played, <name>/<version>; or empty
    #: The fax order, a UUID; its pages lie ready in CC_FAXES. Of one that comes in, the call's.
    FAX = "CC_FAX"
    TRANSFER_TO = "CC_TRANSFER_TO"  #: the number of another unit, digits
    TRANSFER_SECONDS = "CC_TRANSFER_SECONDS"  #: how long it rings
    NODE = "CC_NODE"  #: `<flow>:<node>` last entered, so that a second `agi` goes on from there
    KEYS = "CC_KEYS"  #: what the caller keyed in, between sub-ivr-ask and reading it
    FAX_WAY = "CC_FAX_WAY"  #: call (in the caller's own call) | number | in
    FAX_NUMBER = "CC_FAX_NUMBER"  #: what cc-fax-out dials
    FAX_TOLD = "CC_FAX_TOLD"  #: `yes` once the journal has the outcome
    ACT = "CC_ACT"  #: what a feature code wishes for, an `Act` of agents' sessions
    AT = "CC_AT"  #: when a feature code was dialled, ms since 1970
    PAUSE = "CC_PAUSE"  #: the reason of a pause by feature code
    LEFT = "CC_LEFT"  #: queues that are still to be logged in to or out of, joined by &
    WRAPUP = "CC_WRAPUP"  #: on an agent's leg: seconds of wrap-up after this call
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
    TRUNK_DIAL = "CC_TRUNK_DIAL"  #: the endpoint other numbers are dialled by; `none`
    WAIT_PREFIX = "CC_WAIT_"  #: CC_WAIT_<queue>: longest wait in it, seconds
    WRAPUP_PREFIX = "CC_WRAPUP_"  #: CC_WRAPUP_<queue>: seconds of wrap-up after its calls; 0: none
    #: CC_QUEUES_<agent>: Asterisk's queues the agent belongs to, joined by &.
    QUEUES_PREFIX = "CC_QUEUES_"
    #: When the node last gave a sign of life, seconds since 1970; it sets this over AMI.
    NODE_ALIVE = "CC_NODE_ALIVE"


#: UserEvent of a feature code: Agent, Act, Reason, At (ms since 1970).
WISH_EVENT: Final = "CCAgent"
#: Of Asterisk's own database: the same for a node that was away.
WISH_FAMILY: Final = "cc_wish"


class AgentCode(StrEnum):
    """What an agent dials; behind PAUSE comes the digit of a reason."""

    LOG_IN = "*45"
    LOG_OUT = "*46"
    PAUSE = "*47"
    READY = "*48"
    DONE = "*49"


class Route(StrEnum):
    """Paths of `agi://host:port/<route>`."""

    FLOW = "flow"  #: args: call id, line, node to go on from (or empty)
    PING = "ping"  #: no call: the watchdog's question whether this process still answers


class Exit(StrEnum):
    """Values of `CC_NEXT`."""

    QUEUE = "queue"
    VOICEMAIL = "voicemail"
    FAX = "fax"
    TRANSFER = "transfer"
    CALLBACK = "callback"
    BLOCKED = "blocked"
    HANGUP = "hangup"


class MessageReason(StrEnum):
    """Values of `CC_REASON`: why the caller is asked to leave a message."""

    CLOSED = "closed"  #: outside hours
    OVERFLOW = "overflow"  #: waited too long, too many wait, withdrawn by a supervisor
    NO_AGENTS = "no_agents"  #: no phone is there
    FAILURE = "failure"  #: the queue could not be entered
    CHOICE = "choice"  #: the caller would rather; 0 leads to a person then


#: A take that is shorter is no message; the dialplan holds the same numbers (tests/contract).
MESSAGE_SHORTEST_MS: Final = 3000
MESSAGE_LONGEST_SECONDS: Final = 300
MESSAGE_SILENCE_SECONDS: Final = 10  #: ends a take
MESSAGE_TAKES: Final = 3  #: at most, each time the caller comes there


class RecordStatus(StrEnum):
    """What Record() leaves in RECORD_STATUS; a hang-up ends the dialplan before that is told."""

    DTMF = "DTMF"
    SILENCE = "SILENCE"
    TIMEOUT = "TIMEOUT"
    ERROR = "ERROR"


class DialplanPrompt(StrEnum):
    """Prompts the dialplan plays by itself: `<CC_PROMPTS>/<language>/<name>.wav`."""

    APOLOGY = "apology"
    LEAVE_MESSAGE = "leave_message"
    GOODBYE = "goodbye"
    NO_AGENTS = "no_agents"
    ALL_BUSY = "all_busy"
    OFFICE_CLOSED = "office_closed"
    INVALID = "invalid"
    MESSAGE_MENU = "message_menu"
    MESSAGE_PERSON = "message_person"
    MESSAGE_TOO_SHORT = "message_too_short"
    MESSAGE_STANDS = "message_stands"
    MESSAGE_LAST = "message_last"
    MESSAGE_NONE = "message_none"
    MESSAGE_SAVED = "message_saved"
    RECORDING_NOTICE = "recording_notice"


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
    #: node=&key=&flow=&version=&language=&about=; key: pressed, `t` time-out, `i7` wrong key,
    #: `r` resumed; about: what is heard beside the flow's words, `notice/<name>/<version>` …
    IVR = "CC_IVR"
    EXIT = "CC_EXIT"  #: next=<Exit or empty>&agi=<AGISTATUS>&try=&language=
    #: queue=&why=<flow|failover|direct|transfer|message>&priority=<1 to 20, or empty>
    QUEUE = "CC_QUEUE"
    QUEUE_EXIT = "CC_QUEUE_EXIT"  #: queue=&status=<QUEUESTATUS or empty>
    RECORDING = "CC_RECORDING"  #: recording=<name>&kind=conversation
    FAX_BEGIN = "CC_FAX_BEGIN"  #: fax=<uuid>&way=<call|number|in>
    #: fax=&way=&status=<FAXSTATUS>&pages=&mode=<audio|T38>&error=<FAXERROR>&station=<digits>
    FAX = "CC_FAX"
    TRANSFER = "CC_TRANSFER"  #: to=<digits>: the flow hands the citizen to another unit's number
    VOICEMAIL = "CC_VOICEMAIL"  #: recording=<name>&kind=voicemail&reason=<MessageReason>
    #: recording=<name>&status=<RecordStatus>&ms=<CC_LENGTH>; not after a hang-up
    VOICEMAIL_END = "CC_VOICEMAIL_END"
    END = "CC_END"  #: call=<uuid>&node=<last node>: hang-up handler of the first channel
