"""Every name that Python and `dialplan/` share: contexts, variables, AGI routes, journal events.

Nothing else in the package spells one of these out; `tests/contract` holds both sides to this page.
A value that crosses the seam is made of the characters `SAFE` allows, so that it can stand in a
dialplan argument without quoting. Uniqueids we give to channels are in `channel_ids`, what orders
callers in a queue is in `queue_order`.
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
    QUEUE_PLAN = "cc-queue-plan"
    VOICEMAIL = "cc-voicemail"
    FAILOVER = "cc-failover"
    FAX = "cc-fax"
    FAX_IN = "cc-fax-in"
    FAX_OUT = "cc-fax-out"
    SUB_FAX_BEGIN = "sub-fax-begin"
    SUB_FAX_END = "sub-fax-end"
    TRANSFER = "cc-transfer"
    QUEUE_KEYS = "cc-queue-keys"
    CALLBACK_OFFER = "cc-callback-offer"
    CALLBACK = "cc-callback"
    CALLBACK_DIAL = "cc-callback-dial"
    SUB_CALLBACK_ANSWERED = "sub-callback-answered"
    AGENT = "cc-agent"
    AGENT_QUEUE = "cc-agent-queue"
    AGENT_OUT = "cc-agent-out"
    MEET = "cc-meet"
    HOLD = "cc-hold"
    SUB_MEET_OVER = "sub-meet-over"
    ANNOUNCE = "cc-announce"
    SPY = "cc-spy"
    TAKE_OVER = "cc-take-over"
    SUB_AUTO_ANSWER = "sub-auto-answer"
    MOVE = "cc-move"
    SURVEY = "cc-survey"
    ALERT = "cc-alert"
    CALLBACK_SURVEY = "cc-callback-survey"
    AGENT_CODE = "cc-agent-code"
    SUB_ONE_CALL = "sub-one-call"
    SUB_AGENT_ANSWERS = "sub-agent-answers"
    SUB_AGENT_LEAVES = "sub-agent-leaves"
    EXPERT = "cc-expert"
    SUB_IVR_STEP = "sub-ivr-step"
    SUB_IVR_ASK = "sub-ivr-ask"
    SUB_RECORD = "sub-record"
    SUB_INTERNAL = "sub-internal"
    SUB_QUEUE_PRIO = "sub-queue-prio"
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
    WHY = "CC_WHY"  #: why the queue is entered, see JournalEvent.QUEUE
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
    EXPERT = "CC_EXPERT"  #: the extension of an expert group, without its asterisk
    EXPERTS = "CC_EXPERTS"  #: whose phones ring, joined by -; none: nobody is there
    EXPERT_SECONDS = "CC_EXPERT_SECONDS"  #: how long they ring
    KEYS = "CC_KEYS"  #: what the caller keyed in, between sub-ivr-ask and reading it
    FAX_WAY = "CC_FAX_WAY"  #: call (in the caller's own call) | number | in
    FAX_NUMBER = "CC_FAX_NUMBER"  #: what cc-fax-out dials
    FAX_TOLD = "CC_FAX_TOLD"  #: `yes` once the journal has the outcome
    MET = "CC_MET"  #: `yes` once the citizen was in the call's conference
    OUT = "CC_OUT"  #: what cc-agent-out dials, of the directory
    OUT_KIND = "CC_OUT_KIND"  #: department | emergency | unit
    OUT_OPTIONS = "CC_OUT_OPTIONS"  #: of that Dial: whose number the other side sees
    PASSED_BY = "CC_PASSED_BY"  #: the agent by whose wish a transfer comes, until it is journalled
    SPY_CHANNEL = "CC_SPY_CHANNEL"  #: the channel that a supervisor hears, or that is whispered to
    SPY_AGENT = "CC_SPY_AGENT"  #: … the agent
    SPY_CALL = "CC_SPY_CALL"  #: … and our UUID of the agent's call
    SPY_MODE = "CC_SPY_MODE"  #: listen | whisper | join
    SPY_OPTIONS = "CC_SPY_OPTIONS"  #: ChanSpy()'s options for it
    SPY_TOLD = "CC_SPY_TOLD"  #: `yes` once the journal has the spying call
    AUTO_ANSWER = "CC_AUTO_ANSWER"  #: `yes`: who takes a call over has a phone that shall answer
    MOVE_TO = "CC_MOVE_TO"  #: the queue a supervisor moves a caller to
    ALERT = "CC_ALERT"  #: our UUID of the alert that somebody on call is told of
    ALERT_CASE = "CC_ALERT_CASE"  #: the digits of its case; empty: it has none
    DIGIT = "CC_DIGIT"  #: how many of them were spoken
    SURVEY = "CC_SURVEY"  #: `yes`: the caller is asked after the conversation
    JOINED = "CC_JOINED"  #: when the first wait began, in ms since 1970: the place in every queue
    LONGEST = "CC_LONGEST"  #: longest wait there, seconds; this and those below: cc-queue-plan
    MOST = "CC_MOST"  #: how many may wait there in all its languages; 0: app_queue's own count does
    ALL_WAITING = "CC_ALL_WAITING"  #: how many wait in all queues together
    PLACE = "CC_PLACE"  #: tenths of a second from PLACES_FROM to the first wait
    WAITING = "CC_WAITING"  #: how many do, where MOST counts
    OWN = "CC_OWN"  #: seconds among those of the caller's language only; empty: there are none
    FULL_EXIT = "CC_FULL_EXIT"  #: voicemail | queue | callback | number
    FULL_TARGET = "CC_FULL_TARGET"  #: the queue or number
    TIMEOUT_EXIT = "CC_TIMEOUT_EXIT"
    TIMEOUT_TARGET = "CC_TIMEOUT_TARGET"
    NO_AGENTS_EXIT = "CC_NO_AGENTS_EXIT"
    NO_AGENTS_TARGET = "CC_NO_AGENTS_TARGET"
    TARGET = "CC_TARGET"  #: of the exit that is taken
    WAIT_IN = "CC_WAIT_IN"  #: the queue of app_queue that is waited in now
    WAIT_FOR = "CC_WAIT_FOR"  #: and how long, seconds
    WAIT_UNTIL = "CC_WAIT_UNTIL"  #: when the wait in all languages of the queue ends
    BEEN = "CC_BEEN"  #: every queue the call has waited in, each between colons
    MOVES = "CC_MOVES"  #: how often one queue gave the caller to another
    HANDED = "CC_HANDED"  #: `yes` once a queue has given the caller to another unit's number
    ACT = "CC_ACT"  #: what a feature code wishes for, an `Act` of agents' sessions
    AT = "CC_AT"  #: when a feature code was dialled, ms since 1970
    PAUSE = "CC_PAUSE"  #: the reason of a pause by feature code
    LEFT = "CC_LEFT"  #: queues that are still to be logged in to or out of, joined by &
    WRAPUP = "CC_WRAPUP"  #: on an agent's leg: seconds of wrap-up after this call
    QUEUESTATUS = "QUEUESTATUS"
    CALLBACK = "CC_CALLBACK"  #: our UUID of the callback
    ASKS = "CC_ASKS"  #: the option of a callback's Dial that leads to the survey, or empty
    CALLBACK_TO = "CC_CALLBACK_TO"  #: what cc-callback-dial dials, as the trunk is told it
    NUMBER = "CC_NUMBER"  #: the citizen's number in E.164
    WAIT = "CC_WAIT"  #: how long a callback waits for an agent, seconds
    RING = "CC_RING"  #: how long the citizen's phone rings, seconds
    ASKED = "CC_ASKED"  #: seconds since 1970: when Asterisk was asked to place a callback
    UNTIL = "CC_UNTIL"  #: seconds since 1970; a citizen is not dialled after that


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
    PLACES_FROM = "CC_PLACES_FROM"  #: not generated: sub-queue-prio moves it on
    TRUNK_DIAL = "CC_TRUNK_DIAL"  #: the endpoint other numbers are dialled by; `none`
    OUT_CALLER = "CC_OUT_CALLER"  #: the number others see when an agent calls them
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
    SURVEY = "survey"  #: args: call id, line
    #: args: call id, line, empty, queue, QUEUESTATUS (empty: still waits): who may be called back
    CALLBACK = "callback"
    EXPERT = "expert"  #: args: extension of the group, agent who calls (or empty)
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
    EXPERT_CALLS_BACK = "expert_calls_back"
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
    CALLBACK_AGENT = "callback_agent"
    CALLBACK_BUSY = "callback_busy"
    CALLBACK_NO_ANSWER = "callback_no_answer"
    CALLBACK_HELLO = "callback_hello"
    RECORDING_PAUSED = "recording_paused"
    RECORDING_RESUMED = "recording_resumed"
    ALERT_CALL = "alert_call"
    ALERT_CASE = "alert_case"
    ALERT_PRESS = "alert_press"
    ALERT_NOTED = "alert_noted"


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


#: Between a queue's name and the language whose callers wait in this one of app_queue.
QUEUE_LANGUAGE: Final = "-"

#: Extensions of cc-queue-plan: this and the queue's name.
QUEUE_PLAN_PREFIX: Final = "queue_"
#: The extension of cc-queue-plan that counts who waits anywhere.
QUEUE_PLAN_WAITING: Final = "waiting"


def asterisk_queue(name: str, language: str | None = None) -> str:
    """Our queue's name as Asterisk knows it; with `language`, of its queue for those callers."""
    return QUEUE_PREFIX + name + (f"{QUEUE_LANGUAGE}{language}" if language else "")


def our_queue(asterisk_name: str) -> str:
    """The queue of ours behind a queue of app_queue, whichever its language."""
    return asterisk_name.removeprefix(QUEUE_PREFIX).partition(QUEUE_LANGUAGE)[0]


def language_of_queue(asterisk_name: str) -> str | None:
    """The further language a queue of app_queue is for; None: the plain one."""
    return asterisk_name.partition(QUEUE_LANGUAGE)[2] or None


class JournalEvent(StrEnum):
    """Names our dialplan gives to `CELGenUserEvent`; the extra is `key=value&key=value`."""

    #: call=<uuid>&direction=<inbound|internal>&dialled=&number=&pres=<CALLERID(num-pres)>&source=
    #: &language=<of the line>; number is empty when it is withheld (pres=prohib…).
    CALL = "CC_CALL"
    #: node=&key=&flow=&version=&language=&about=; key: pressed, `t` time-out, `i7` wrong key,
    #: `r` resumed; about: what is heard beside the flow's words, `notice/<name>/<version>` …
    IVR = "CC_IVR"
    EXIT = "CC_EXIT"  #: next=<Exit or empty>&agi=<AGISTATUS>&try=&language=
    #: queue=&why=<flow|failover|direct|transfer|message|overflow|back|callback|supervisor|survey>
    #: &priority=<1 to 20>
    QUEUE = "CC_QUEUE"
    QUEUE_EXIT = "CC_QUEUE_EXIT"  #: queue=&status=<QUEUESTATUS or empty, KEY: pressed one>
    #: callback=<uuid>&status=<DIALLING, then DIALSTATUS | LATE>&cause=<Q.850>
    CALLBACK = "CC_CALLBACK"
    RECORDING = "CC_RECORDING"  #: recording=<name>&kind=conversation
    FAX_BEGIN = "CC_FAX_BEGIN"  #: fax=<uuid>&way=<call|number|in>
    #: fax=&way=&status=<FAXSTATUS>&pages=&mode=<audio|T38>&error=<FAXERROR>&station=<digits>
    FAX = "CC_FAX"
    #: expert=<digits of the extension>: no expert took the citizen, who is owed a call
    EXPERT = "CC_EXPERT"
    TRANSFER = "CC_TRANSFER"  #: to=<digits>: the flow hands the citizen to another unit's number
    VOICEMAIL = "CC_VOICEMAIL"  #: recording=<name>&kind=voicemail&reason=<MessageReason>
    #: recording=<name>&status=<RecordStatus>&ms=<CC_LENGTH>; not after a hang-up
    VOICEMAIL_END = "CC_VOICEMAIL_END"
    #: call=<uuid>: the channel was called into that call by an act.
    LEG = "CC_LEG"
    HOLD = "CC_HOLD"  #: call=<uuid>: the citizen is put aside, until in a bridge or queue again
    PASSED = "CC_PASSED"  #: by=<agent>&to=<agent, queue or number>: a transfer by the API
    SPY = "CC_SPY"  #: call=<uuid of the call that is heard>&agent=&mode=<listen|whisper|join>
    TAKE_OVER = "CC_TAKE_OVER"  #: agent=<the phone that a supervisor takes the call to>
    #: alert=<uuid>&agent=&key=<empty: picked up; 1: acknowledged>
    ALERT = "CC_ALERT"
    SURVEY = "CC_SURVEY"  #: line=: the agent has hung up, the caller is asked
    END = "CC_END"  #: call=<uuid>&node=<last node>: hang-up handler of the first channel
