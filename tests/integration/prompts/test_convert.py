"""Uploads: every kind that is taken becomes what Asterisk plays; every refusal says why."""

from __future__ import annotations

import io
import os
import struct
import tempfile
import wave
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from callcenter.prompts.audio import (
    BadAudio,
    Clipped,
    CutOff,
    DecompressionBomb,
    Finished,
    NotAudio,
    Silent,
    TooLong,
    TooShort,
)
from callcenter.prompts.convert import Kind, convert, kind_of
from callcenter.testing.sound_files import ENCODERS, encoded, speech_like
from callcenter.testing.tone_speech import tone

pytestmark = pytest.mark.integration


@pytest.fixture(autouse=True)
def only_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Temporary files go to a folder of the test's own, and none is left there."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert list(folder.iterdir()) == []


async def finished(upload: Path | bytes, tmp_path: Path) -> Finished:
    if isinstance(upload, bytes):
        (tmp_path / "upload").write_bytes(upload)
        upload = tmp_path / "upload"
    with tempfile.TemporaryDirectory() as folder:
        return await convert(upload, Path(folder))


def form(sound: bytes | None) -> tuple[int, int, int, float]:
    assert sound is not None
    with wave.open(io.BytesIO(sound)) as reader:
        rate = reader.getframerate()
        return reader.getnchannels(), reader.getsampwidth(), rate, reader.getnframes() / rate


@pytest.mark.parametrize("kind", sorted(ENCODERS))
async def test_every_kind_becomes_eight_and_sixteen_kilohertz(kind: str, tmp_path: Path) -> None:
    done = await finished(encoded(tmp_path, kind, speech_like(1.5)), tmp_path)
    assert form(done.narrow)[:3] == (1, 2, 8000)
    assert form(done.wide)[:3] == (1, 2, 16000)
    assert form(done.narrow)[3] == pytest.approx(1.5, abs=0.1)
    assert form(done.wide)[3] == pytest.approx(form(done.narrow)[3], abs=0.001)
    assert done.measured.loudness_dbfs == pytest.approx(-20, abs=1)
    assert done.measured.peak_dbfs <= -2


async def test_a_wider_voice_keeps_what_a_telephone_cannot_carry(tmp_path: Path) -> None:
    high = tone(1.0, rate=44100, hertz=6000, level=0.3)
    low = tone(1.0, rate=44100, hertz=500, level=0.3)
    mixed = np.frombuffer(high[44:], "<i2") + np.frombuffer(low[44:], "<i2")
    done = await finished(low[:44] + mixed.astype("<i2").tobytes(), tmp_path)

    def level_at(sound: bytes | None, rate: int, hertz: int) -> float:
        assert sound is not None
        samples = np.frombuffer(sound[44:], "<i2")
        spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
        at = np.fft.rfftfreq(len(samples), 1 / rate)
        return float(spectrum[(at > hertz - 50) & (at < hertz + 50)].max() / spectrum.max())

    assert level_at(done.wide, 16000, 6000) > 0.5
    assert level_at(done.narrow, 8000, 2000) < 0.01, "folded back"


@pytest.mark.parametrize("kind", sorted(ENCODERS))
async def test_silence_is_refused_as_silence_in_every_kind(kind: str, tmp_path: Path) -> None:
    with pytest.raises(Silent):
        await finished(encoded(tmp_path, kind, "anullsrc=r=44100:cl=stereo:d=2"), tmp_path)


async def test_a_recording_with_its_peaks_cut_off_is_refused(tmp_path: Path) -> None:
    loud = np.clip(
        np.frombuffer(tone(1.0, rate=44100)[44:], "<i2").astype(float) * 5, -32768, 32767
    )
    with pytest.raises(Clipped, match="%"):
        await finished(tone(1.0, rate=44100)[:44] + loud.astype("<i2").tobytes(), tmp_path)
    # At full scale, and every peak is there.
    await finished(tone(1.0, rate=44100, level=1.0), tmp_path)


async def test_one_clipped_channel_of_two_is_found(tmp_path: Path) -> None:
    good = np.frombuffer(tone(1.0, rate=44100)[44:], "<i2")
    loud = np.clip(good.astype(float) * 8, -32768, 32767).astype("<i2")
    out = io.BytesIO()
    with wave.open(out, "wb") as writer:
        writer.setnchannels(2)
        writer.setsampwidth(2)
        writer.setframerate(44100)
        writer.writeframes(np.column_stack([good, loud]).astype("<i2").tobytes())
    with pytest.raises(Clipped):
        await finished(out.getvalue(), tmp_path)


async def test_a_click_is_too_short(tmp_path: Path) -> None:
    with pytest.raises(TooShort, match="150 ms"):
        await finished(tone(0.02, rate=44100), tmp_path)


async def test_sixteen_minutes_are_too_long(tmp_path: Path) -> None:
    with pytest.raises(TooLong, match="15 minutes"):
        await finished(
            encoded(tmp_path, "mp3", "sine=d=960:r=8000", rate=8000, channels=1), tmp_path
        )


async def test_ten_hours_of_silence_in_a_few_bytes_are_not_unpacked(tmp_path: Path) -> None:
    bomb = encoded(
        tmp_path, "flac", "anullsrc=r=8000:cl=mono:n=32768:d=36000", rate=8000, channels=1
    )
    assert bomb.stat().st_size < 4_000_000
    with pytest.raises(TooLong):
        await finished(bomb, tmp_path)


async def test_what_unpacks_to_more_than_is_taken_is_a_bomb(tmp_path: Path) -> None:
    source = "anullsrc=r=192000:cl=7.1:n=32768:d=120"
    bomb = encoded(tmp_path, "flac", source, rate=192000, channels=8)
    assert bomb.stat().st_size < 2_000_000
    with pytest.raises(DecompressionBomb, match="200 MB"):
        await finished(bomb, tmp_path)


def announcing(data_bytes: int) -> bytes:
    sound = bytearray(tone(1.0, rate=44100))
    struct.pack_into("<I", sound, 40, data_bytes)
    return bytes(sound)


async def test_a_wav_that_announces_more_than_it_holds_was_cut_off(tmp_path: Path) -> None:
    whole = tone(1.0, rate=44100)
    for damaged in (whole[: len(whole) // 2], announcing(2 * 1024**3 - 1), whole[:40]):
        with pytest.raises(CutOff):
            await finished(damaged, tmp_path)
    # Written to a pipe, its length is unknown: that is no damage.
    await finished(announcing(0xFFFFFFFF), tmp_path)


@pytest.mark.parametrize("kind", ["m4a", "flac"])
async def test_half_a_file_is_refused(kind: str, tmp_path: Path) -> None:
    whole = encoded(tmp_path, kind, speech_like()).read_bytes()
    with pytest.raises((CutOff, NotAudio)):
        await finished(whole[: len(whole) // 2], tmp_path)


def zipped() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a.wav", tone(1.0))
    return out.getvalue()


HLS = b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n"


@pytest.mark.parametrize(
    "hostile",
    [
        b"",
        b"R",
        zipped(),
        HLS,
        b"ffconcat version 1.0\nfile /etc/passwd\n",
        b"#!/bin/sh\nreboot\n",
        b"<?xml version='1.0'?><MPD/>",
        b"\x7fELF" + bytes(200),
        # Beginnings of the right kinds with something else behind.
        b"RIFF\xff\xff\xff\x7fWAVEfmt " + bytes(200),
        b"RIFF\x00\x00\x00\x00WAVE" + HLS,
        b"ID3\x04\x00\x00\x00\x00\x00\x00" + HLS,
        b"OggS" + os.urandom(2000),
        b"fLaC" + os.urandom(2000),
        b"\x00\x00\x00\x20ftypM4A " + os.urandom(2000),
        b"\xff\xfb\x90\x00" + bytes(3000),
    ],
)
async def test_what_is_no_audio_is_refused_whatever_it_pretends(
    hostile: bytes, tmp_path: Path
) -> None:
    with pytest.raises(BadAudio) as refused:
        await finished(hostile, tmp_path)
    assert isinstance(refused.value, NotAudio | CutOff)


async def test_an_m4a_that_refers_to_another_file_does_not_open_it(tmp_path: Path) -> None:
    # The sound of an MP4 may lie in another file, named in its "dref": ffmpeg must not follow.
    whole = encoded(tmp_path, "m4a", speech_like()).read_bytes()
    secret = tmp_path / "secret.wav"
    secret.write_bytes(tone(1.0))
    name = str(secret).encode() + b"\x00"
    entry = struct.pack(">I4sI", 12 + len(name), b"url ", 0) + name
    at = whole.index(b"url ") - 4
    assert struct.unpack(">I", whole[at : at + 4]) == (12,)
    pointed = whole[:at] + entry + whole[at + 12 :]
    try:
        done = await finished(pointed, tmp_path)
    except BadAudio:
        return
    assert done.measured.duration_ms > 1400, "it is the upload's own sound"


def test_a_file_is_what_its_first_bytes_say() -> None:
    assert kind_of(tone(0.1)[:64]) is Kind.WAV
    assert kind_of(b"ID3\x04" + bytes(20)) is Kind.MP3
    assert kind_of(b"\xff\xfb\x90\x64" + bytes(20)) is Kind.MP3
    with pytest.raises(NotAudio):
        kind_of(b"\xff\xf1\x50\x80" + bytes(20))  # AAC without a container: none of the five
