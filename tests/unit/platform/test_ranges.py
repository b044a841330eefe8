"""Which part of a file a Range header asks for (RFC 9110 §14)."""

from __future__ import annotations

from uuid import UUID

import pytest

from callcenter.platform.ranges import RangeNotSatisfiable, part_of
from callcenter.recordings.model import (
    Reason,
    RecordingKind,
    RecordingState,
    recording_id_of,
    sealed_name,
    voice_names,
    why_nothing,
)

pytestmark = pytest.mark.unit

CALL = UUID("4fc6bba4-4f16-4435-9887-6240b902185e")


@pytest.mark.parametrize(
    ("header", "part"),
    [
        (None, None),
        ("bytes=0-0", (0, 0)),
        ("bytes=0-", (0, 99)),
        ("bytes=10-19", (10, 19)),
        ("bytes=90-500", (90, 99)),
        ("bytes=-5", (95, 99)),
        ("bytes=-500", (0, 99)),
        ("bytes=5-2", None),
        ("bytes=-", None),
        ("bytes=0-1,5-6", None),
        ("lines=0-1", None),
        ("bytes=a-b", None),
        ("bytes=٣-٤", None),
    ],
)
def test_a_part_is_first_and_last_byte_and_what_is_malformed_is_the_whole(
    header: str | None, part: tuple[int, int] | None
) -> None:
    assert part_of(header, 100) == part


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=100-200", "bytes=-0"])
def test_a_part_behind_the_end_is_not_satisfiable(header: str) -> None:
    with pytest.raises(RangeNotSatisfiable):
        part_of(header, 100)


def test_names_of_files_are_ours_and_lead_nowhere_else() -> None:
    assert voice_names(RecordingKind.CONVERSATION, str(CALL)) == (
        f"{CALL}-agent.wav",
        f"{CALL}-citizen.wav",
    )
    assert voice_names(RecordingKind.VOICEMAIL, f"{CALL}-message") == (f"{CALL}-message.wav",)
    for hostile in ("../../etc/passwd", "", f"{CALL}/x", f"{CALL}-\n"):
        with pytest.raises(ValueError, match="name"):
            voice_names(RecordingKind.VOICEMAIL, hostile)


def test_the_same_recording_always_has_the_same_identity() -> None:
    first = recording_id_of(CALL, str(CALL))
    assert first == recording_id_of(CALL, str(CALL)) != recording_id_of(CALL, f"{CALL}-message")
    assert sealed_name(first) == f"{first.hex[:2]}/{first}.wav"


@pytest.mark.parametrize(
    ("kind", "talked", "any_file", "reason"),
    [
        (RecordingKind.CONVERSATION, False, True, Reason.NO_CONVERSATION),
        (RecordingKind.CONVERSATION, False, False, Reason.NO_CONVERSATION),
        (RecordingKind.CONVERSATION, True, False, Reason.NO_FILE),
        (RecordingKind.CONVERSATION, True, True, Reason.EMPTY),
        (RecordingKind.VOICEMAIL, False, True, Reason.NO_MESSAGE),
        (RecordingKind.VOICEMAIL, False, False, Reason.NO_FILE),
    ],
)
def test_a_recording_without_sound_says_why(
    kind: RecordingKind, talked: bool, any_file: bool, reason: Reason
) -> None:
    outcome = why_nothing(kind, talked=talked, any_file=any_file)
    assert outcome.reason is reason
    assert outcome.state in (RecordingState.MISSING, RecordingState.DAMAGED)
