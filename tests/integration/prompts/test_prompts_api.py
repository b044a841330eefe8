"""Prompts over REST: made, edited, recorded, heard, rendered, deleted."""

from __future__ import annotations

import asyncio
import hashlib
import io
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.ivr.seed import seed_defaults as seed_flow
from callcenter.lines.seed import seed_defaults as seed_line
from callcenter.platform.db import Database, DatabaseUnavailable
from callcenter.platform.errors import Unavailable
from callcenter.prompts import placing
from callcenter.prompts.convert import MOST_UPLOADED
from callcenter.prompts.library import measure_file
from callcenter.prompts.service import PromptService
from callcenter.queues.seed import seed_queues
from callcenter.testing.sound_files import encoded, speech_like
from callcenter.testing.tone_speech import tone

if TYPE_CHECKING:
    from tests.integration.prompts.conftest import Studio

pytestmark = pytest.mark.integration

ANY = {"If-Match": "*"}


async def test_a_prompt_is_made_edited_and_listed(studio: Studio) -> None:
    made = await studio(
        "POST",
        role="supervisor",
        json={"name": "welcome", "title": "欢迎词", "texts": {"zh": " 您好 ", "en": "Hello"}},
    )
    assert made.status_code == 201
    assert made.json() == {
        "name": "welcome",
        "title": "欢迎词",
        "texts": {"zh": "您好", "en": "Hello"},
        "languages": [],
        "shipped": False,
        "fixed": False,
        "version": 1,
        "created_at": "2026-03-02T09:00:00Z",
        "created_by": "supervisor-ling",
        "edited_at": "2026-03-02T09:00:00Z",
        "edited_by": "supervisor-ling",
        "audio": {},
        "users": [],
    }
    etag = made.headers["etag"]
    edit = {"title": "欢迎词", "texts": {"zh": "早上好"}}
    edited = await studio("PUT", "/welcome", json=edit, headers={"If-Match": etag})
    assert (edited.status_code, edited.json()["version"]) == (200, 2)
    assert edited.json()["texts"] == {"zh": "早上好"}
    stale = await studio("PUT", "/welcome", json=edit, headers={"If-Match": etag})
    assert stale.status_code == 412
    again = await studio("POST", json={"name": "welcome", "title": "x"})
    assert (again.status_code, again.json()["type"]) == (409, "/problems/prompt-exists")
    await studio.create("closing")
    first = (await studio("GET", "?limit=1")).json()
    assert [item["name"] for item in first["items"]] == ["closing"]
    second = (await studio("GET", f"?limit=1&cursor={first['next_cursor']}")).json()
    assert [item["name"] for item in second["items"]] == ["welcome"]
    assert second["next_cursor"] is None


async def test_an_upload_is_what_callers_hear_and_what_is_told_of_it_is_true(
    studio: Studio, tmp_path: Path
) -> None:
    await studio.create(zh="您好")
    upload = encoded(tmp_path, "mp3", speech_like(2.0)).read_bytes()
    put = await studio("PUT", "/welcome/audio/zh", content=upload)
    assert put.status_code == 200, put.text
    (language, audio), *_ = put.json()["audio"].items()
    file = studio.shelf.narrow("welcome", "zh")
    measured = measure_file(file)
    assert language == "zh"
    assert audio == {
        "origin": "recorded",
        "state": "ready",
        "text_changed": False,
        "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
        "rates": [8000, 16000],
        "duration_ms": measured.duration_ms,
        "loudness_dbfs": measured.loudness_dbfs,
        "peak_dbfs": measured.peak_dbfs,
        "made_at": "2026-03-02T09:00:00Z",
        "made_by": "admin-ling",
    }
    for rate, sound in (("8000", file), ("16000", studio.shelf.wide("welcome", "zh"))):
        heard = await studio("GET", f"/welcome/audio/zh?rate={rate}", role="agent")
        assert heard.status_code == 200
        assert heard.headers["content-type"] == "audio/wav"
        assert heard.content == sound.read_bytes()
        with wave.open(io.BytesIO(heard.content)) as reader:
            assert reader.getframerate() == int(rate)
    assert studio.shelf.library.slow(file).is_file()


async def test_a_form_with_one_file_is_an_upload_too(studio: Studio) -> None:
    await studio.create()
    for name in ("a.wav", "../../etc/passwd", "x.m3u8", "\u0000"):
        files = {"file": (name, speech_like(), "text/html")}
        put = await studio("PUT", "/welcome/audio/zh", files=files)
        assert put.status_code == 200, (name, put.text)
    empty = await studio("PUT", "/welcome/audio/zh", files={"file": ("a.wav", b"")})
    assert (empty.status_code, empty.json()["type"]) == (422, "/problems/not-audio")
    no_file = await studio(
        "PUT",
        "/welcome/audio/zh",
        content=b'--b\r\nContent-Disposition: form-data; name="x"\r\n\r\n1\r\n--b--\r\n',
        headers={"Content-Type": "multipart/form-data; boundary=b"},
    )
    assert no_file.status_code == 422
    for kind in ("multipart/form-data", "multipart/form-data; boundary=b"):
        odd = await studio(
            "PUT", "/welcome/audio/zh", content=b"\x00\xff", headers={"Content-Type": kind}
        )
        assert 400 <= odd.status_code < 500, odd.text


async def test_the_parts_of_a_file_are_served(studio: Studio) -> None:
    await studio.create()
    await studio("PUT", "/welcome/audio/zh", content=speech_like())
    path = "/welcome/audio/zh"
    whole = await studio("GET", path)
    size, etag = len(whole.content), whole.headers["etag"]
    for asked, first, last in (
        ("bytes=0-9", 0, 9),
        ("bytes=10-", 10, size - 1),
        ("bytes=-5", size - 5, size - 1),
        (f"bytes=0-{size * 2}", 0, size - 1),
    ):
        part = await studio("GET", path, headers={"Range": asked})
        assert part.status_code == 206
        assert part.content == whole.content[first : last + 1]
        assert part.headers["content-range"] == f"bytes {first}-{last}/{size}"
    for asked in (f"bytes={size}-", "bytes=-0"):
        behind = await studio("GET", path, headers={"Range": asked})
        assert (behind.status_code, behind.headers["content-range"]) == (416, f"bytes */{size}")
    for ignored in ("bytes=5-2", "lines=1-2", "bytes=0-1,3-4", "bytes=-", "x"):
        assert (await studio("GET", path, headers={"Range": ignored})).status_code == 200
    assert (await studio("GET", path, headers={"If-None-Match": etag})).status_code == 304
    newer = await studio("GET", path, headers={"Range": "bytes=0-1", "If-Range": '"other"'})
    assert (newer.status_code, len(newer.content)) == (200, size)
    assert (await studio("GET", f"{path}?rate=44100")).status_code == 422
    assert (await studio("GET", "/welcome/audio/en")).json()["type"] == "/problems/no-audio"


async def test_a_file_that_is_another_or_gone_is_told_and_never_served(studio: Studio) -> None:
    await studio.create()
    await studio("PUT", "/welcome/audio/zh", content=speech_like())
    file = studio.shelf.narrow("welcome", "zh")
    made = file.read_bytes()

    async def state() -> str:
        return str((await studio("GET", "/welcome")).json()["audio"]["zh"]["state"])

    assert await state() == "ready"
    file.write_bytes(made[:-2] + b"\x01\x02")
    assert await state() == "stale"
    refused = await studio("GET", "/welcome/audio/zh")
    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/audio-not-as-made")
    file.unlink()
    assert await state() == "missing"
    assert (await studio("GET", "/welcome/audio/zh")).status_code == 409
    assert await studio.start() == ["zh/welcome.wav was missing: put back as it was made"]
    assert (await state(), file.read_bytes()) == ("ready", made)


def expected(studio: Studio) -> dict[str, Any]:
    return {"files": studio.files(), "temporary": list(studio.temporary.iterdir())}


async def test_a_refused_upload_leaves_nothing_behind_and_changes_nothing(studio: Studio) -> None:
    await studio.create()
    await studio("PUT", "/welcome/audio/zh", content=speech_like())
    before, rows = expected(studio), await studio.rows("SELECT * FROM prompt_audio")
    clipped = (
        tone(1.0, rate=44100)[:44] + b"\xff\x7f\xff\x7f\xff\x7f\x00\x80\x00\x80\x00\x80" * 9000
    )
    for upload, slug in (
        (b"", "not-audio"),
        (b"PK\x03\x04" + bytes(1000), "not-audio"),
        (b"#EXTM3U\nfile:///etc/passwd\n", "not-audio"),
        (b"RIFF\x00\x00\x00\x00WAVEjunk" + bytes(5), "audio-cut-off"),
        (b"fLaC" + bytes(1000), "not-audio"),
        (tone(1.0, level=0), "audio-silent"),
        (tone(0.02), "audio-too-short"),
        (tone(2.0)[:30000], "audio-cut-off"),
        (clipped[:88244], "audio-clipped"),
    ):
        refused = await studio("PUT", "/welcome/audio/zh", content=upload)
        assert (refused.status_code, refused.json()["type"]) == (422, f"/problems/{slug}")
        assert refused.json()["errors"][0]["field"] == "audio"
        assert expected(studio) == before
    assert await studio.rows("SELECT * FROM prompt_audio") == rows


async def test_more_than_twenty_megabytes_are_refused_before_they_are_kept(studio: Studio) -> None:
    await studio.create()
    before = expected(studio)

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(30):
            yield bytes(1_000_000)

    for content in (bytes(MOST_UPLOADED + 1), bytes(30_000_000), endless()):
        refused = await studio("PUT", "/welcome/audio/zh", content=content)
        assert (refused.status_code, refused.json()["type"]) == (413, "/problems/too-large")
        assert expected(studio) == before
    # Other routes keep their own limit.
    other = await studio("PUT", "/welcome", content=bytes(2_000_001), headers=ANY)
    assert other.status_code == 413


async def test_an_upload_nobody_may_or_that_names_no_prompt_is_refused(studio: Studio) -> None:
    await studio.create()
    for role, status in (("supervisor", 403), ("agent", 403), ("nobody", 401)):
        refused = await studio("PUT", "/welcome/audio/zh", role=role, content=speech_like())
        assert refused.status_code == status
    unknown = await studio("PUT", "/nobody/audio/zh", content=speech_like())
    assert (unknown.status_code, unknown.json()["type"]) == (404, "/problems/no-such-prompt")
    for path in (
        "/Welcome/audio/zh",
        "/welcome/audio/zz9",
        "/..%2Fx/audio/zh",
        "/welcome/audio/..",
    ):
        odd = await studio("PUT", path, content=speech_like())
        assert odd.status_code in (404, 405, 422), path


async def test_a_call_that_plays_the_old_audio_goes_on_with_it(studio: Studio) -> None:
    await studio.create()
    await studio("PUT", "/welcome/audio/zh", content=speech_like(1.0))
    file = studio.shelf.narrow("welcome", "zh")
    old = file.read_bytes()
    with file.open("rb") as playing:
        begun = playing.read(1000)
        await studio("PUT", "/welcome/audio/zh", content=speech_like(2.0))
        assert begun + playing.read() == old
    assert file.read_bytes() != old


async def test_a_database_that_fails_leaves_the_old_audio_in_place(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    await studio.create()
    await studio("PUT", "/welcome/audio/zh", content=speech_like(1.0))
    file = studio.shelf.narrow("welcome", "zh")
    old, before = file.read_bytes(), studio.files()

    async def fails(*_arguments: object) -> None:
        assert file.read_bytes() != old, "the file is in place before the row is written"
        raise Unavailable

    monkeypatch.setattr(placing.store, "put_audio", fails)
    for language in ("zh", "en"):
        file = studio.shelf.narrow("welcome", "zh" if language == "zh" else "en")
        if language == "en":
            monkeypatch.setattr(placing.store, "put_audio", _unavailable)
        failed = await studio("PUT", f"/welcome/audio/{language}", content=speech_like(2.0))
        assert failed.status_code == 503
    assert studio.shelf.narrow("welcome", "zh").read_bytes() == old
    slow = {"zh/slow/welcome.wav", "zh/slow/.welcome.from"}
    assert studio.files() - slow == before - slow
    assert (await studio("GET", "/welcome")).json()["audio"]["zh"]["state"] == "ready"


async def _unavailable(*_arguments: object) -> None:
    raise Unavailable


async def test_what_breaks_off_between_file_and_row_is_found_at_the_next_start(
    studio: Studio,
) -> None:
    await studio.start()
    await studio.create()
    await studio("PUT", "/welcome/audio/zh", content=speech_like(1.0))
    before = studio.shelf.narrow("welcome", "zh").read_bytes()
    # As after a power cut behind the rename and before the commit.
    for language in ("zh", "en"):
        studio.shelf.narrow("welcome", language).parent.mkdir(exist_ok=True)
        studio.shelf.narrow("welcome", language).write_bytes(before[:-2] + b"\x00\x01")
    assert await studio.start() == [
        "en/welcome.wav was left by an upload that broke off: removed",
        "zh/welcome.wav was stale: put back as it was made",
    ]
    assert studio.shelf.narrow("welcome", "zh").read_bytes() == before
    assert not studio.shelf.narrow("welcome", "en").exists()
    assert await studio.start() == []


async def test_a_job_speaks_every_text_and_says_how_far_it_is(studio: Studio) -> None:
    await studio.create(zh="您好，这里是热线", en="Hello, this is the hotline")
    asked = await studio("POST", "/welcome/render")
    assert asked.status_code == 202
    job = asked.json()
    assert asked.headers["location"].endswith(f"/prompts/jobs/{job['job_id']}")
    assert (job["state"], job["done"], job["total"]) == ("queued", 0, 2)
    path = f"/jobs/{job['job_id']}"

    seen = []
    speak = studio.speech.speak

    async def watched(text: str, language: str) -> bytes:
        now = (await studio("GET", path, role="agent")).json()
        seen.append((now["state"], now["done"], now["total"]))
        return await speak(text, language)

    studio.speech.speak = watched  # type: ignore[method-assign]
    await studio.jobs.render(job["job_id"])
    assert seen == [("running", 0, 2), ("running", 1, 2)]
    done = (await studio("GET", path)).json()
    assert (done["state"], done["done"], done["error"]) == ("done", 2, None)
    audio = (await studio("GET", "/welcome")).json()["audio"]
    assert {language: a["origin"] for language, a in audio.items()} == {
        "en": "synthesised",
        "zh": "synthesised",
    }
    assert all(a["state"] == "ready" and a["rates"] == [8000, 16000] for a in audio.values())
    # Once more is nothing more to do.
    await studio.jobs.render(job["job_id"])
    assert len(seen) == 2
    await studio("PUT", "/welcome", json={"title": "x", "texts": {"zh": "再见"}}, headers=ANY)
    changed = (await studio("GET", "/welcome")).json()["audio"]["zh"]["text_changed"]
    assert changed is True


async def test_a_job_leaves_recordings_alone_unless_it_is_told_otherwise(studio: Studio) -> None:
    await studio.create(zh="您好", en="Hello")
    await studio("PUT", "/welcome/audio/zh", content=speech_like())
    assert (await studio("POST", "/welcome/render")).json()["languages"] == ["en"]
    await studio("PUT", "/welcome/audio/en", content=speech_like())
    nothing = await studio("POST", "/welcome/render", json={})
    assert (nothing.status_code, nothing.json()["type"]) == (409, "/problems/nothing-to-render")
    named = await studio("POST", "/welcome/render", json={"languages": ["zh", "zh"]})
    assert (named.status_code, named.json()["languages"]) == (202, ["zh"])


async def test_a_job_that_fails_says_why(studio: Studio) -> None:
    await studio.create(zh="您好")
    studio.speech.broken = True
    job = (await studio("POST", "/welcome/render")).json()["job_id"]
    await studio.jobs.render(job)
    failed = (await studio("GET", f"/jobs/{job}")).json()
    assert (failed["state"], failed["done"]) == ("failed", 0)
    assert "did not speak" in failed["error"]
    assert (await studio("GET", "/welcome")).json()["audio"] == {}


async def test_a_job_whose_worker_died_is_run_again_three_times_at_most(studio: Studio) -> None:
    await studio.create(zh="您好")
    job = (await studio("POST", "/welcome/render")).json()["job_id"]
    for tries in range(1, 4):
        await studio.execute(f"UPDATE prompt_jobs SET state = 'running', tries = {tries}")
        assert await studio.jobs.rescue() == 0, "it may still be at work"
        await studio.execute("UPDATE prompt_jobs SET changed_at = '2026-03-02T08:00:00Z'")
        assert await studio.jobs.rescue() == 1
        state = (await studio("GET", f"/jobs/{job}")).json()
        assert state["state"] == ("queued" if tries < 3 else "failed")
    assert "died" in state["error"]


async def test_bad_wishes_are_refused(studio: Studio) -> None:
    await studio.create(zh="您好", fr="Bonjour")
    for path, body, status in (
        ("/welcome/render", {"languages": ["en"]}, 422),
        ("/welcome/render", {"languages": ["fr"]}, 422),
        ("/welcome/render", {"languages": []}, 422),
        ("/welcome/render", {"languages": ["zh"], "x": 1}, 422),
        ("/nothing/render", None, 404),
        ("/preview", {"text": "您好", "language": "fr"}, 422),
        ("/preview", {"text": "a\u0000b", "language": "zh"}, 422),
        ("/preview", {"text": " ", "language": "zh"}, 422),
        ("/preview", {"text": "好" * 501, "language": "zh"}, 422),
        ("", {"name": "../x", "title": "x"}, 422),
        ("", {"name": "x", "title": ""}, 422),
        ("", {"name": "x", "title": "a\nb"}, 422),
        ("", {"name": "x", "title": "x", "texts": {"zh": ""}}, 422),
        ("", {"name": "x", "title": "x", "texts": {"zh": "a\u0000"}}, 422),
        ("", {"name": "x", "title": "x", "texts": {"chinese": "a"}}, 422),
        ("", {"name": "x", "title": "x", "texts": {"zh": "a" * 2001}}, 422),
    ):
        refused = await studio("POST", path, json=body)
        assert refused.status_code == status, (path, body, refused.text)
    lone = b'{"name": "x", "title": "\\ud800"}'
    assert (await studio("POST", content=lone)).status_code == 422
    for job in ("0", "x", str(2**63), str(2**63 - 1)):
        assert (await studio("GET", f"/jobs/{job}")).status_code in (404, 422)


async def test_a_preview_is_heard_and_nothing_is_kept(studio: Studio) -> None:
    before = expected(studio)
    heard = await studio("POST", "/preview", json={"text": "您好", "language": "zh"})
    assert (heard.status_code, heard.headers["content-type"]) == (200, "audio/wav")
    with wave.open(io.BytesIO(heard.content)) as reader:
        assert reader.getframerate() == 8000
    assert expected(studio) == before


async def test_a_crowd_of_previews_is_sent_away(studio: Studio) -> None:
    gate = asyncio.Event()
    speak = studio.speech.speak

    async def slow(text: str, language: str) -> bytes:
        await gate.wait()
        return await speak(text, language)

    studio.speech.speak = slow  # type: ignore[method-assign]
    body = {"text": "您好", "language": "zh"}
    asked = [asyncio.create_task(studio("POST", "/preview", json=body)) for _ in range(13)]
    _, waiting = await asyncio.wait(asked, timeout=0.5)
    gate.set()
    statuses = sorted([(await task).status_code for task in asked])
    assert statuses == [200] * 10 + [429] * 3
    assert len(waiting) == 10


async def test_a_prompt_that_is_played_cannot_be_deleted(studio: Studio) -> None:
    await studio.create()
    await studio("PUT", "/welcome/audio/zh", content=speech_like())
    await studio.execute(
        "INSERT INTO ivr_references VALUES ('main', 0, 'prompt', 'welcome'),"
        " ('main', 1, 'prompt', 'welcome'), ('main', 7, 'prompt', 'welcome'),"
        " ('main', 0, 'queue', 'welcome')"
    )
    users = [
        {"kind": "flow", "name": "main", "where": "draft"},
        {"kind": "flow", "name": "main", "where": "active"},
    ]
    assert (await studio("GET", "/welcome")).json()["users"] == users
    refused = await studio("DELETE", "/welcome", headers=ANY)
    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/prompt-in-use")
    assert "“main” (draft)" in refused.json()["detail"]
    assert studio.shelf.narrow("welcome", "zh").is_file()
    await studio.execute("DELETE FROM ivr_references WHERE version < 7")
    assert (await studio("DELETE", "/welcome", headers={"If-Match": '"9"'})).status_code == 412
    gone = await studio("DELETE", "/welcome", headers=ANY)
    assert (gone.status_code, gone.content) == (204, b"")
    assert {file for file in studio.files() if "welcome" in file} == set()
    assert (await studio("GET", "/welcome")).status_code == 404
    assert await studio.start() == []


async def test_a_deletion_that_fails_leaves_the_audio_in_place(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    await studio.create()
    for language in ("zh", "en"):
        await studio("PUT", f"/welcome/audio/{language}", content=speech_like())
    remove = type(studio.shelf).remove

    def fails(self: object, name: str, language: str) -> None:
        remove(studio.shelf, name, language)
        if language == "zh":
            raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(type(studio.shelf), "remove", fails)
        failed = await studio("DELETE", "/welcome", headers=ANY)
    assert (failed.status_code, failed.json()["type"]) == (503, "/problems/prompts-not-writable")
    states = {k: a["state"] for k, a in (await studio("GET", "/welcome")).json()["audio"].items()}
    assert states == {"en": "ready", "zh": "ready"}


async def test_what_callers_hear_raises_the_stamp(studio: Studio) -> None:
    async def stamp() -> int:
        ((number,),) = await studio.rows("SELECT stamp FROM ivr_stamp")
        return int(number)

    before = await stamp()
    await studio.create(zh="您好")
    await studio("PUT", "/welcome/audio/zh", content=speech_like())
    after = await stamp()
    assert after > before
    await studio("GET", "/welcome")
    assert await stamp() == after


async def test_what_sql_refuses_the_model_refuses_too(studio: Studio) -> None:
    from sqlalchemy.exc import IntegrityError

    row = "'x', '{}', 1, now(), 'a', now(), 'a'"
    columns = "(name, title, texts, version, created_at, created_by, edited_at, edited_by)"
    for name, values in (("'X'", row), ("''", row), ("'x'", row.replace("'{}'", "'[]'"))):
        with pytest.raises(IntegrityError):
            await studio.execute(f"INSERT INTO prompts {columns} VALUES ({name}, {values})")
    async with studio.database.transaction() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM prompts")) == 0


async def test_two_uploads_at_once_leave_one_of_the_two_and_its_row(studio: Studio) -> None:
    await studio.create()
    uploads = [speech_like(1.0), speech_like(2.0), speech_like(3.0)]
    replies = await asyncio.gather(
        *(studio("PUT", "/welcome/audio/zh", content=upload) for upload in uploads)
    )
    assert [reply.status_code for reply in replies] == [200] * 3
    audio = (await studio("GET", "/welcome")).json()["audio"]["zh"]
    assert audio["state"] == "ready"
    wide = studio.shelf.wide("welcome", "zh").stat().st_size
    assert wide == pytest.approx(2 * studio.shelf.narrow("welcome", "zh").stat().st_size, abs=60)


async def test_an_upload_that_fails_does_not_undo_another_that_came_through(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    await studio.create()
    await studio("PUT", "/welcome/audio/zh", content=speech_like(1.0))
    mend = placing._mend
    newest: list[bytes] = []

    async def another_comes_first(*arguments: Any) -> list[str]:
        monkeypatch.undo()
        put = await studio("PUT", "/welcome/audio/zh", content=speech_like(3.0))
        assert put.status_code == 200
        newest.append(studio.shelf.narrow("welcome", "zh").read_bytes())
        return await mend(*arguments)

    monkeypatch.setattr(placing.store, "put_audio", _unavailable)
    monkeypatch.setattr(placing, "_mend", another_comes_first)
    failed = await studio("PUT", "/welcome/audio/zh", content=speech_like(2.0))
    assert failed.status_code == 503
    assert [studio.shelf.narrow("welcome", "zh").read_bytes()] == newest


class _LostAtCommit:
    """A database whose connection is lost behind the second commit, and that stays away."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._transactions = 0

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        self._transactions += 1
        number = self._transactions
        if number > 2:
            raise DatabaseUnavailable
        async with self._database.transaction() as connection:
            yield connection
        if number == 2:
            raise DatabaseUnavailable


async def test_a_commit_nobody_heard_of_is_followed_when_the_database_is_back(
    studio: Studio, tmp_path: Path
) -> None:
    await studio.create()
    await studio("PUT", "/welcome/audio/zh", content=speech_like(1.0))
    file = studio.shelf.narrow("welcome", "zh")
    old = file.read_bytes()
    (tmp_path / "upload").write_bytes(speech_like(2.0))
    lossy = cast(Database, _LostAtCommit(studio.database))
    service = PromptService(lossy, studio.shelf, studio.clock)
    with pytest.raises(DatabaseUnavailable):
        await service.record("welcome", "zh", tmp_path / "upload", by="ling")
    assert file.read_bytes() == old
    assert (await studio("GET", "/welcome")).json()["audio"]["zh"]["state"] == "stale"
    assert "zh/welcome.wav was stale: put back as it was made" in await studio.start()
    assert measure_file(file).duration_ms == pytest.approx(2000, abs=100)


async def test_articles_and_lines_that_play_a_prompt_are_its_users(studio: Studio) -> None:
    await studio.create()
    content = '{"zh"\\: {"title"\\: "费用", "body"\\: "费用", "prompt"\\: "welcome"}}'
    async with studio.database.transaction() as connection:
        await seed_queues(connection)
        await seed_flow(connection, studio.clock)
        await seed_line(connection)
    await studio.execute(
        "UPDATE lines SET closed_say = '{\"prompt\"\\: \"welcome\"}', closed_to = 'hangup'"
    )
    await studio.execute(
        "INSERT INTO articles (name, kind, department, content, authors, edited_by, edited_at,"
        f" created_by, created_at) VALUES ('fees', 'fees', 'x', '{content}', '{{a}}', 'a', now(),"
        " 'a', now())",
    )
    assert (await studio("GET", "/welcome")).json()["users"] == [
        {"kind": "article", "name": "fees", "where": "draft"},
        {"kind": "line", "name": "12345", "where": "active"},
    ]
