"""Files as people upload them, made by the ffmpeg that is to read them."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Final

from callcenter.prompts.ffmpeg import ffmpeg_program
from callcenter.testing.tone_speech import tone

#: What each kind of upload is made of.
ENCODERS: Final = {
    "wav": ("-c:a", "pcm_s16le", "-f", "wav"),
    "mp3": ("-c:a", "libmp3lame", "-f", "mp3"),
    "m4a": ("-c:a", "aac", "-f", "ipod"),
    "ogg": ("-c:a", "libvorbis", "-f", "ogg"),
    "opus": ("-c:a", "libopus", "-f", "ogg"),
    "flac": ("-c:a", "flac", "-f", "flac"),
}


def encoded(
    folder: Path, kind: str, source: bytes | str, *, rate: int = 44100, channels: int = 2
) -> Path:
    """A file of that kind: of a WAV, or of a source of ffmpeg's own (`anullsrc=…`). Blocking."""
    target = folder / f"made.{kind}"
    if isinstance(source, bytes):
        (folder / "source.wav").write_bytes(source)
        given = ["-i", str(folder / "source.wav")]
    else:
        given = ["-f", "lavfi", "-i", source]
    form = ["-ar", str(48000 if kind == "opus" else rate), "-ac", str(channels)]
    subprocess.run(  # noqa: S603 - our own program and arguments
        [
            *(ffmpeg_program(), "-nostdin", "-loglevel", "error", "-y"),
            *(*given, *form, *ENCODERS[kind], str(target)),
        ],
        check=True,
        timeout=60,
    )
    return target


def speech_like(seconds: float = 1.5) -> bytes:
    """A WAV with something to hear in it: 44.1 kHz, mono."""
    return tone(seconds, rate=44100)
