"""A recording: its states, its names, and the sentences that say why one is not there.

Pure: standard library only.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from uuid import UUID, uuid5

_NAME: Final = re.compile(r"[0-9a-f-]{36}(-[a-z0-9]+)*")
_NAMESPACE: Final = UUID("2d0d4b1c-6f5e-5a53-9c0a-12345fee1dad")


class RecordingState(StrEnum):
    """`recording` while the call lasts, `pending` until the file is finished."""

    RECORDING = "recording"
    PENDING = "pending"
    READY = "ready"
    MISSING = "missing"
    DAMAGED = "damaged"


class RecordingKind(StrEnum):
    CONVERSATION = "conversation"
    VOICEMAIL = "voicemail"


class Reason(StrEnum):
    """Why there is no file to hear, for a reader who does not know how it is made."""

    NO_CONVERSATION = (
        "No conversation took place: the caller was never connected with anybody, "
        "so there was nothing to record."
    )
    NO_FILE = "The telephone system wrote no file, although it was told to record."
    EMPTY = "The telephone system wrote a file without any sound in it."
    NO_MESSAGE = "The caller hung up without saying anything."
    DISK_FULL = (
        "The disk was full when the recording was to be finished. The voices are kept; "
        "it is finished as soon as there is room."
    )
    UNREADABLE = "The file that the telephone system wrote cannot be read as sound."
    GONE = "The finished file has disappeared from the disk."
    CHANGED = "The finished file is not the one that was sealed: its content has changed."


class Note(StrEnum):
    """What a listener should know of a recording that is there."""

    ONLY_CITIZEN = "Only the citizen's voice was recorded; the agent's side is silent."
    ONLY_AGENT = "Only the agent's voice was recorded; the citizen's side is silent."
    CUT = (
        "The telephone system stopped without closing the file; up to two seconds may be missing "
        "at the end."
    )


@dataclass(frozen=True, slots=True)
class Outcome:
    """Nothing to hear: the state it ends in, and why."""

    state: RecordingState
    reason: Reason


def recording_id_of(call_id: UUID, name: str) -> UUID:
    """Always the same for the same recording: reading the journal again makes no second one."""
    return uuid5(_NAMESPACE, f"{call_id}/{name}")


def voice_names(kind: RecordingKind, name: str) -> tuple[str, ...]:
    """File names of the voices in the dialplan's folder: (agent, citizen), or the message alone.

    Raises ValueError for a name that the dialplan does not give.
    """
    if not _NAME.fullmatch(name):
        raise ValueError("not a recording's name")
    if kind is RecordingKind.VOICEMAIL:
        return (f"{name}.wav",)
    return (f"{name}-agent.wav", f"{name}-citizen.wav")


def sealed_name(recording_id: UUID) -> str:
    """Path of the finished file below the folder of finished ones."""
    return f"{recording_id.hex[:2]}/{recording_id}.wav"


def why_nothing(kind: RecordingKind, *, talked: bool, any_file: bool) -> Outcome:
    """The outcome when no voice holds any sound."""
    if kind is RecordingKind.CONVERSATION and not talked:
        return Outcome(RecordingState.MISSING, Reason.NO_CONVERSATION)
    if not any_file:
        return Outcome(RecordingState.MISSING, Reason.NO_FILE)
    if kind is RecordingKind.VOICEMAIL:
        return Outcome(RecordingState.MISSING, Reason.NO_MESSAGE)
    return Outcome(RecordingState.DAMAGED, Reason.EMPTY)
