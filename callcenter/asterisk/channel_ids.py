"""Uniqueids we give to channels ourselves, shared with dialplan/ and the journal.

Each is a prefix and the UUID of a call: the journal knows whose channel it is from its first
record, answered or not, and Asterisk refuses a second one while the first lives. Asterisk's own
are `<node>-<seconds>.<number>`.
"""

from __future__ import annotations

from typing import Final
from uuid import UUID

FAX_CHANNEL_PREFIX: Final = "fax-"
#: A supervisor who listens; the UUID is of that call, not of the one that is heard.
SPY_CHANNEL_PREFIX: Final = "spy-"
#: Somebody on call who is told of an alert.
ALERT_CHANNEL_PREFIX: Final = "alert-"
#: The two halves of an announcement: this and a UUID. They are no call's.
ANNOUNCE_CHANNEL_PREFIX: Final = "announce-"
#: Of a callback's placeholder, the half that dials. The half that waits in the queue has `-q`
#: behind it (Asterisk's own `;2` is no identifier of the journal).
CALLBACK_CHANNEL_PREFIX: Final = "callback-"
CALLBACK_QUEUE_SUFFIX: Final = "-q"
#: A channel that an act calls into a call: this, the call's UUID, a number.
LEG_CHANNEL_PREFIX: Final = "leg-"
_UUID_LENGTH: Final = 36


def fax_call_of(uniqueid: str) -> UUID | None:
    """The call whose channel has this uniqueid, if it is a fax call of ours."""
    return _call_of(FAX_CHANNEL_PREFIX, uniqueid)


def spy_call_of(uniqueid: str) -> UUID | None:
    """The spying call whose channel has this uniqueid, if it is one."""
    return _call_of(SPY_CHANNEL_PREFIX, uniqueid)


def alert_call_of(uniqueid: str) -> UUID | None:
    """The call that tells of an alert whose channel has this uniqueid, if it is one."""
    return _call_of(ALERT_CHANNEL_PREFIX, uniqueid)


def callback_call_of(uniqueid: str) -> UUID | None:
    """The call whose placeholder has this uniqueid, if it is one of a callback's two halves."""
    return _call_of(CALLBACK_CHANNEL_PREFIX, uniqueid.removesuffix(CALLBACK_QUEUE_SUFFIX))


def leg_channel(call_id: UUID, number: int) -> str:
    """The uniqueid of the `number`th leg (from 1) that acts call into this call."""
    return f"{LEG_CHANNEL_PREFIX}{call_id}-{number}"


def leg_call_of(uniqueid: str) -> UUID | None:
    """The call into which an act called this channel, if one did."""
    return _call_of(LEG_CHANNEL_PREFIX, uniqueid[: len(LEG_CHANNEL_PREFIX) + _UUID_LENGTH])


def _call_of(prefix: str, uniqueid: str) -> UUID | None:
    if not uniqueid.startswith(prefix):
        return None
    try:
        return UUID(uniqueid.removeprefix(prefix))
    except ValueError:
        return None
