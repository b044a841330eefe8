"""From voices on disk to a sealed file that is served, or to a sentence that says why not."""

from __future__ import annotations

import errno
import hashlib
import struct
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import numpy as np
import pytest
from fastapi import FastAPI
from sqlalchemy import text, update

from callcenter.access.guard import Guard
from callcenter.access.model import Principal, Role
from callcenter.calls.facts import CallEnded, RecordingStarted
from callcenter.calls.service import CallSeed, remember_call
from callcenter.calls.tables import calls
from callcenter.platform.db import Database
from callcenter.platform.errors import NotAuthenticated
from callcenter.platform.problems import install_problem_handlers
from callcenter.recordings import audio
from callcenter.recordings.api import router
from callcenter.recordings.finisher import RecordingFinisher
from callcenter.recordings.model import Note, Reason, recording_id_of
from callcenter.recordings.service import (
    RecordingNotThere,
    RecordingService,
    conversation_ended,
    expect,
    on_facts,
)

pytestmark = pytest.mark.integration

CALL = UUID("4fc6bba4-4f16-4435-9887-6240b902185e")
NOW = datetime(2026, 11, 23, 20, 30, tzinfo=UTC)
ID = recording_id_of(CALL, str(CALL))


def sound(seconds: float, level: int = 8000) -> bytes:
    return np.full(int(8000 * seconds), level, dtype="<i2").tobytes()


def wav(path: Path, data: bytes, *, closed: bool = True) -> None:
    said = len(data) if closed else 0
    path.write_bytes(
        struct.pack(
            "<4sI4s4sIHHIIHH4sI",
            b"RIFF", 36 + said, b"WAVE", b"fmt ", 16, 1, 1, 8000, 16000, 2, 16, b"data", said,
        )
        + data
    )  # fmt: skip


class Studio:
    """One call whose recording was announced; its voices are put down by the test."""

    def __init__(self, database: Database, home: Path) -> None:
        self.database = database
        self.incoming = home / "incoming"
        self.sealed = home / "sealed"
        self.merged = home / "merged"
        self.incoming.mkdir()
        self.service = RecordingService(database, sealed=self.sealed, clock=lambda: NOW)

    def finisher(self) -> RecordingFinisher:
        return RecordingFinisher(
            self.database,
            node="node1",
            incoming=self.incoming,
            sealed=self.sealed,
            merged=self.merged,
            clock=lambda: NOW,
            patience=timedelta(seconds=0.5),
        )

    async def begin(self, kind: str = "conversation", *, talked: bool = True) -> UUID:
        name = str(CALL) if kind == "conversation" else f"{CALL}-message"
        async with self.database.transaction() as connection:
            await remember_call(
                connection,
                CallSeed(
                    call_id=CALL,
                    node="node1",
                    linkedid="node1-1.1",
                    uniqueid="node1-1.1",
                    line="12345",
                    caller_number=None,
                    started_at=NOW,
                ),
            )
            if talked:
                await connection.execute(
                    update(calls).values(agent="1001", agent_answered_at=NOW, state="talking")
                )
            fact = RecordingStarted(call_id=CALL, at=NOW, name=name, recording_kind=kind)
            await expect(connection, fact)
            await expect(connection, fact)
        return recording_id_of(CALL, name)

    async def end(self) -> None:
        async with self.database.transaction() as connection:
            await connection.execute(
                update(calls).values(state="ended", ended_at=NOW, disposition="answered")
            )
            await conversation_ended(connection, CALL)

    def voices(self, citizen: bytes | None, agent: bytes | None, *, closed: bool = True) -> None:
        for name, data in (("citizen", citizen), ("agent", agent)):
            if data is not None:
                wav(self.incoming / f"{CALL}-{name}.wav", data, closed=closed)

    async def row(self, recording_id: UUID = ID) -> dict[str, Any]:
        return await self.service.get(recording_id)


@pytest.fixture
def studio(database: Database, tmp_path: Path) -> Studio:
    return Studio(database, tmp_path)


async def test_two_voices_become_one_sealed_file_and_move_away(studio: Studio) -> None:
    await studio.begin()
    studio.voices(sound(2), sound(1))
    assert await studio.finisher().step() == 0
    assert (await studio.row())["state"] == "recording"
    await studio.end()
    finisher = studio.finisher()
    assert await finisher.step() == 1
    row = await studio.row()
    assert (row["state"], row["duration_ms"], row["channels"], row["sample_rate"]) == (
        "ready",
        2000,
        2,
        8000,
    )
    assert row["peak"] == pytest.approx(8000 / 32768)
    assert (row["repaired"], row["note"], row["reason"], row["sealed_at"]) == (
        False,
        None,
        None,
        NOW,
    )
    finished = studio.sealed / row["file"]
    assert hashlib.sha256(finished.read_bytes()).hexdigest() == row["sha256"]
    assert list(studio.incoming.iterdir()) == []
    assert len(list(studio.merged.iterdir())) == 2
    assert await finisher.step() == 0
    assert finisher.counters.ready == 1
    async with studio.database.transaction() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM outbox")) == 1
    assert await studio.service.verify(ID)
    assert (await studio.row())["verified_at"] == NOW


async def test_a_finisher_that_died_before_the_commit_is_done_over(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    await studio.begin()
    studio.voices(sound(1), sound(1))
    await studio.end()

    async def dies(*_: object) -> bool:
        raise RuntimeError("killed")

    with monkeypatch.context() as patch:
        patch.setattr("callcenter.recordings.store.finish", dies)
        assert await studio.finisher().step() == 0
    assert len(list(studio.incoming.iterdir())) == 2
    assert await studio.finisher().step() == 1
    assert (await studio.row())["state"] == "ready"


async def test_files_of_a_killed_asterisk_are_repaired_and_it_is_said(studio: Studio) -> None:
    await studio.begin()
    studio.voices(sound(2.048), sound(2.048), closed=False)
    await studio.end()
    assert await studio.finisher().step() == 1
    row = await studio.row()
    assert (row["state"], row["repaired"], row["duration_ms"]) == ("ready", True, 2048)
    assert Note.CUT in row["note"]


@pytest.mark.parametrize(
    ("citizen", "agent", "note"),
    [(sound(1), None, Note.ONLY_CITIZEN), (sound(0), sound(1), Note.ONLY_AGENT)],
)
async def test_one_voice_is_a_recording_with_a_note(
    studio: Studio, citizen: bytes, agent: bytes | None, note: Note
) -> None:
    await studio.begin()
    studio.voices(citizen, agent)
    await studio.end()
    await studio.finisher().step()
    row = await studio.row()
    assert (row["state"], row["channels"], row["note"]) == ("ready", 2, note.value)


@pytest.mark.parametrize(
    ("talked", "voice", "state", "reason"),
    [
        (False, sound(0), "missing", Reason.NO_CONVERSATION),
        (False, None, "missing", Reason.NO_CONVERSATION),
        (True, None, "missing", Reason.NO_FILE),
        (True, sound(0), "damaged", Reason.EMPTY),
    ],
)
async def test_no_sound_is_said_with_its_reason(
    studio: Studio, talked: bool, voice: bytes | None, state: str, reason: Reason
) -> None:
    await studio.begin(talked=talked)
    studio.voices(voice, voice)
    await studio.end()
    await studio.finisher().step()
    row = await studio.row()
    assert (row["state"], row["reason"]) == (state, reason.value)


async def test_a_file_that_is_no_sound_is_said_to_be_unreadable(studio: Studio) -> None:
    await studio.begin()
    for name in ("citizen", "agent"):
        (studio.incoming / f"{CALL}-{name}.wav").write_bytes(b"not a sound at all" * 10)
    await studio.end()
    await studio.finisher().step()
    row = await studio.row()
    assert (row["state"], row["reason"]) == ("damaged", Reason.UNREADABLE.value)


async def test_a_message_stays_mono(studio: Studio) -> None:
    recording_id = await studio.begin("voicemail", talked=False)
    wav(studio.incoming / f"{CALL}-message.wav", sound(3))
    await studio.end()
    await studio.finisher().step()
    row = await studio.row(recording_id)
    assert (row["state"], row["channels"], row["duration_ms"]) == ("ready", 1, 3000)


async def test_a_full_disk_is_said_and_the_recording_finished_when_there_is_room(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    await studio.begin()
    studio.voices(sound(1), sound(1))
    await studio.end()

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(audio, "join", full)
        await studio.finisher().step()
    row = await studio.row()
    assert (row["state"], row["reason"]) == ("damaged", Reason.DISK_FULL.value)
    assert len(list(studio.incoming.iterdir())) == 2
    assert await studio.finisher().step() == 1
    assert (await studio.row())["state"] == "ready"


async def test_one_recording_that_cannot_be_finished_does_not_hold_up_others(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    await studio.begin()
    message = await studio.begin("voicemail")
    studio.voices(sound(1), sound(1))
    wav(studio.incoming / f"{CALL}-message.wav", sound(1))
    await studio.end()

    def broken(*_: object) -> None:
        raise PermissionError("no")

    monkeypatch.setattr(audio, "join", broken)
    finisher = studio.finisher()
    assert await finisher.step() == 1
    assert (await studio.row(message))["state"] == "ready"
    assert (await studio.row())["state"] == "pending"
    assert finisher.counters.faults == 1


async def test_a_recording_told_after_the_calls_end_is_finished_too(studio: Studio) -> None:
    await studio.begin()
    await studio.end()
    name = f"{CALL}-message"
    async with studio.database.transaction() as connection:
        await on_facts(
            connection,
            [
                CallEnded(call_id=CALL, at=NOW, disposition="answered", hangup_by="caller"),
                RecordingStarted(call_id=CALL, at=NOW, name=name, recording_kind="voicemail"),
            ],
        )
    assert (await studio.row(recording_id_of(CALL, name)))["state"] == "pending"


async def test_a_file_changed_after_sealing_is_found_by_its_hash(studio: Studio) -> None:
    await studio.begin()
    studio.voices(sound(1), sound(1))
    await studio.end()
    await studio.finisher().step()
    path = studio.sealed / (await studio.row())["file"]
    data = bytearray(path.read_bytes())
    data[1000] ^= 1
    path.write_bytes(data)
    assert not await studio.service.verify(ID)
    row = await studio.row()
    assert (row["state"], row["reason"]) == ("damaged", Reason.CHANGED.value)
    with pytest.raises(RecordingNotThere):
        await studio.service.verify(ID)


async def authenticate(token: str) -> Principal:
    if token not in [role.value for role in Role]:
        raise NotAuthenticated
    return Principal(uuid4(), token, Role(token))


@pytest.fixture
async def client(studio: Studio) -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    install_problem_handlers(app)
    app.include_router(router(studio.service, Guard(authenticate)))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app),
        base_url="http://hotline",
        headers={"Authorization": "Bearer supervisor"},
    ) as client:
        yield client


@pytest.fixture
async def finished(studio: Studio) -> bytes:
    await studio.begin()
    studio.voices(sound(1), sound(1, level=-4000))
    await studio.end()
    await studio.finisher().step()
    return (studio.sealed / (await studio.row())["file"]).read_bytes()


async def test_a_recording_is_read_whole_and_in_parts(
    client: httpx.AsyncClient, finished: bytes
) -> None:
    url = f"/recordings/{ID}/audio"
    whole = await client.get(url)
    digest = hashlib.sha256(finished).hexdigest()
    assert (whole.status_code, whole.content) == (200, finished)
    assert whole.headers["content-type"] == "audio/wav"
    assert whole.headers["accept-ranges"] == "bytes"
    assert whole.headers["etag"] == f'"{digest}"'
    assert whole.headers["content-length"] == str(len(finished))
    part = await client.get(url, headers={"Range": "bytes=100-199"})
    assert (part.status_code, part.content) == (206, finished[100:200])
    assert part.headers["content-range"] == f"bytes 100-199/{len(finished)}"
    assert part.headers["content-length"] == "100"
    tail = await client.get(url, headers={"Range": "bytes=-10"})
    assert (tail.status_code, tail.content) == (206, finished[-10:])
    behind = await client.get(url, headers={"Range": f"bytes={len(finished)}-"})
    assert behind.status_code == 416
    assert behind.headers["content-range"] == f"bytes */{len(finished)}"
    known = await client.get(url, headers={"If-None-Match": f'"{digest}"'})
    assert (known.status_code, known.content) == (304, b"")
    other = await client.get(url, headers={"Range": "bytes=0-9", "If-Range": '"old"'})
    assert (other.status_code, len(other.content)) == (200, len(finished))
    same = await client.get(url, headers={"Range": "bytes=0-9", "If-Range": f'"{digest}"'})
    assert same.status_code == 206


async def test_only_supervisors_hear_and_everybody_sees(
    client: httpx.AsyncClient, finished: bytes
) -> None:
    agent = {"Authorization": "Bearer agent"}
    assert (await client.get(f"/recordings/{ID}/audio", headers=agent)).status_code == 403
    seen = await client.get(f"/recordings/{ID}", headers=agent)
    assert seen.status_code == 200
    assert seen.json()["bytes"] == len(finished)
    listed = (await client.get("/recordings", params={"call_id": str(CALL)}, headers=agent)).json()
    assert [item["recording_id"] for item in listed["items"]] == [str(ID)]
    other = (await client.get("/recordings", params={"call_id": str(uuid4())})).json()
    assert other == {"items": [], "next_cursor": None}
    assert (await client.get("/recordings", headers={"Authorization": ""})).status_code == 401
    assert (await client.get(f"/recordings/{uuid4()}")).status_code == 404
    assert (await client.get("/recordings?cursor=eA")).status_code == 422


async def test_recordings_are_listed_page_by_page(
    client: httpx.AsyncClient, studio: Studio
) -> None:
    await studio.begin()
    await studio.begin("voicemail")
    first = (await client.get("/recordings?limit=1")).json()
    second = (await client.get(f"/recordings?limit=1&cursor={first['next_cursor']}")).json()
    assert second["next_cursor"] is None
    assert first["items"][0]["recording_id"] != second["items"][0]["recording_id"]


async def test_a_recording_that_cannot_be_heard_says_why(
    client: httpx.AsyncClient, studio: Studio
) -> None:
    await studio.begin(talked=False)
    reply = await client.get(f"/recordings/{ID}/audio")
    assert (reply.status_code, reply.json()["type"]) == (409, "/problems/recording-not-ready")
    await studio.end()
    await studio.finisher().step()
    reply = await client.get(f"/recordings/{ID}/audio")
    assert (reply.status_code, reply.json()["type"]) == (409, "/problems/recording-not-there")
    assert reply.json()["detail"] == Reason.NO_CONVERSATION.value


@pytest.mark.parametrize("how", ["removed", "cut"])
async def test_a_file_that_is_gone_or_cut_is_not_served_and_marked(
    client: httpx.AsyncClient, studio: Studio, finished: bytes, how: str
) -> None:
    path = studio.sealed / (await studio.row())["file"]
    if how == "removed":
        path.unlink()
    else:
        path.write_bytes(finished[:-100])
    reply = await client.get(f"/recordings/{ID}/audio")
    reason = Reason.GONE if how == "removed" else Reason.CHANGED
    assert (reply.status_code, reply.json()["detail"]) == (409, reason.value)
    seen = (await client.get(f"/recordings/{ID}")).json()
    assert (seen["state"], seen["reason"]) == ("damaged", reason.value)
