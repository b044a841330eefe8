"""Voices joined, measured and sealed; headers mended."""

from __future__ import annotations

import hashlib
import struct
import wave
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from callcenter.recordings.audio import UnreadableAudio, copy, hash_of, join, read_voice

pytestmark = pytest.mark.unit


def tone(seconds: float, level: float = 0.5) -> NDArray[np.int16]:
    times = np.arange(int(8000 * seconds)) / 8000
    return (np.sin(2 * np.pi * 440 * times) * level * 32767).astype("<i2")


def voice(path: Path, samples: NDArray[np.int16], *, length: int | None = None) -> Path:
    """A WAV as Asterisk writes it; `length` is what its header says instead of the truth."""
    data = samples.tobytes()
    said = len(data) if length is None else length
    path.write_bytes(
        struct.pack(
            "<4sI4s4sIHHIIHH4sI",
            b"RIFF", 36 + said, b"WAVE", b"fmt ", 16, 1, 1, 8000, 16000, 2, 16, b"data", said,
        )
        + data
    )  # fmt: skip
    return path


def stereo(path: Path) -> NDArray[np.int16]:
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (2, 2, 8000)
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2)


def test_the_agent_is_left_the_citizen_right_and_the_shorter_is_filled_up(tmp_path: Path) -> None:
    agent, citizen = tone(21.013, 0.25), tone(13, 0.5)
    left = read_voice(voice(tmp_path / "a.wav", agent))
    right = read_voice(voice(tmp_path / "c.wav", citizen))
    target = tmp_path / "sealed" / "x.wav"
    measured = join(left, right, target)
    heard = stereo(target)
    assert (heard[:, 0] == agent).all()
    assert (heard[: len(citizen), 1] == citizen).all()
    assert not heard[len(citizen) :, 1].any()
    assert (measured.duration_ms, measured.channels, measured.sample_rate) == (21013, 2, 8000)
    assert measured.bytes == target.stat().st_size
    assert measured.peak == pytest.approx(0.5, abs=0.001)
    assert measured.silence_ratio == 0
    assert measured.sha256 == hashlib.sha256(target.read_bytes()).hexdigest() == hash_of(target)
    assert sorted(path.name for path in target.parent.iterdir()) == ["x.wav"]


def test_silence_counts_only_where_both_are_silent(tmp_path: Path) -> None:
    quiet = tone(1, 0.001)
    agent = np.concatenate([tone(1), quiet, quiet, quiet])
    citizen = np.concatenate([quiet, tone(1), quiet, quiet])
    left = read_voice(voice(tmp_path / "a.wav", agent))
    right = read_voice(voice(tmp_path / "c.wav", citizen))
    assert join(left, right, tmp_path / "x.wav").silence_ratio == pytest.approx(0.5)
    assert join(left, None, tmp_path / "y.wav").silence_ratio == pytest.approx(0.75)
    assert not stereo(tmp_path / "y.wav")[:, 1].any()


@pytest.mark.parametrize("level", [0.0028, 0.0060])
def test_the_threshold_of_silence_is_minus_50_dbfs(tmp_path: Path, level: float) -> None:
    # A sine's root mean square is its peak by √2: −50 dBFS is a peak of 0.00447.
    measured = copy(read_voice(voice(tmp_path / "m.wav", tone(1, level))), tmp_path / "x.wav")
    assert measured.silence_ratio == (1.0 if level < 0.00447 else 0.0)


def test_a_full_scale_sample_has_peak_one(tmp_path: Path) -> None:
    samples = np.array([-32768] * 800, dtype="<i2")
    assert copy(read_voice(voice(tmp_path / "m.wav", samples)), tmp_path / "x.wav").peak == 1.0


@pytest.mark.parametrize("said", [0, 100, 1_000_000])
def test_a_header_that_asterisk_did_not_finish_is_mended_from_the_files_length(
    tmp_path: Path, said: int
) -> None:
    samples = tone(2)
    found = read_voice(voice(tmp_path / "m.wav", samples, length=said))
    assert found.repaired
    assert found.samples == len(samples)
    measured = copy(found, tmp_path / "x.wav")
    assert measured.duration_ms == 2000
    assert not read_voice(tmp_path / "x.wav").repaired


def test_half_a_sample_at_the_end_is_left_out(tmp_path: Path) -> None:
    path = voice(tmp_path / "m.wav", tone(1), length=0)
    path.write_bytes(path.read_bytes() + b"\x01")
    assert read_voice(path).samples == 8000


def test_a_file_of_a_header_only_has_no_samples(tmp_path: Path) -> None:
    found = read_voice(voice(tmp_path / "m.wav", tone(0)))
    assert (found.samples, found.repaired) == (0, False)


@pytest.mark.parametrize(
    "content",
    [b"", b"RIFF", b"OggS" + b"\0" * 60, b"RIFF\0\0\0\0WAVE", b"RIFF\0\0\0\0WAVEdata\0\0\0\0"],
)
def test_what_is_no_wav_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "m.wav"
    path.write_bytes(content)
    with pytest.raises(UnreadableAudio):
        read_voice(path)


def test_a_stereo_leg_is_refused(tmp_path: Path) -> None:
    with wave.open(str(tmp_path / "m.wav"), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(b"\0" * 400)
    with pytest.raises(UnreadableAudio, match="mono"):
        read_voice(tmp_path / "m.wav")


def test_a_write_that_fails_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = read_voice(voice(tmp_path / "m.wav", tone(1)))
    folder = tmp_path / "sealed"

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="space"):
        copy(source, folder / "x.wav")
    assert list(folder.iterdir()) == []
