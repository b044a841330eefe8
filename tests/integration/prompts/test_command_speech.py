"""Any program may be the voice: its text by standard input, its WAV back, and never trusted."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from callcenter.prompts.audio import measure, to_telephone
from callcenter.prompts.library import PromptLibrary, measure_file
from callcenter.prompts.speech import CommandSpeech, NoVoice, SpeechFailed
from callcenter.testing.tone_speech import tone

pytestmark = pytest.mark.integration


def program(tmp_path: Path, body: str) -> tuple[str, ...]:
    file = tmp_path / "voice.py"
    file.write_text(body, "utf-8")
    return (sys.executable, "-I", str(file))


BY_OUTPUT = """
import json, os, sys
json.dump([sys.argv[1:], sys.stdin.buffer.read().decode(), sorted(os.environ)], open({log!r}, "w"))
sys.stdout.buffer.write(open({sound!r}, "rb").read())
"""
BY_FILE = """
import sys
text = sys.stdin.read()
open(sys.argv[2], "wb").write(open({sound!r}, "rb").read())
print("noise on standard output")
"""


async def test_the_wav_comes_from_standard_output(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tone.wav").write_bytes(tone(0.5))
    log = tmp_path / "log.json"
    body = BY_OUTPUT.format(log=str(log), sound=str(tmp_path / "tone.wav"))
    monkeypatch.setenv("CALLCENTER_ADMIN_PASSWORD", "secret")
    speech = CommandSpeech([*program(tmp_path, body), "--lang={language}", "; rm -rf /", "$(id)"])
    assert await speech.speak("$(reboot) 您好 {output}", "zh") == tone(0.5)
    arguments, text, environment = json.loads(log.read_text("utf-8"))
    assert arguments == ["--lang=zh", "; rm -rf /", "$(id)"], "one word each, through no shell"
    assert text == "$(reboot) 您好 {output}"
    assert not [name for name in environment if name.startswith("CALLCENTER_")]


async def test_the_wav_comes_from_a_file_where_the_command_names_one(tmp_path: Path) -> None:
    (tmp_path / "tone.wav").write_bytes(tone(0.5))
    body = BY_FILE.format(sound=str(tmp_path / "tone.wav"))
    speech = CommandSpeech([*program(tmp_path, body), "{language}", "{output}"])
    assert await speech.speak("您好", "zh") == tone(0.5)


async def test_a_wav_written_to_a_pipe_announces_too_much_and_is_read_all_the_same(
    tmp_path: Path,
) -> None:
    sound = bytearray(tone(0.5))
    sound[40:44] = (0x7FFFF000).to_bytes(4, "little")
    (tmp_path / "tone.wav").write_bytes(sound)
    body = BY_OUTPUT.format(log=os.devnull, sound=str(tmp_path / "tone.wav"))
    spoken = await CommandSpeech(program(tmp_path, body)).speak("您好", "zh")
    assert measure(to_telephone(spoken)).duration_ms == pytest.approx(500, abs=20)


async def test_another_command_is_another_voice(tmp_path: Path) -> None:
    one, other = CommandSpeech(["a", "b"]), CommandSpeech(["a", "c"])
    assert PromptLibrary(tmp_path, one).text("您好", "zh") != PromptLibrary(tmp_path, other).text(
        "您好", "zh"
    )
    assert one.voice("zh") == CommandSpeech(["a", "b"]).voice("zh")
    with pytest.raises(NoVoice):
        one.voice("../x")


async def test_texts_are_rendered_by_it(tmp_path: Path) -> None:
    (tmp_path / "tone.wav").write_bytes(tone(0.5))
    body = BY_OUTPUT.format(log=os.devnull, sound=str(tmp_path / "tone.wav"))
    library = PromptLibrary(tmp_path / "prompts", CommandSpeech(program(tmp_path, body)))
    assert await library.ensure([("zh", "您好"), ("fr", "Bonjour")]) == 2
    assert measure_file(library.text("Bonjour", "fr")).duration_ms > 400


@pytest.mark.parametrize(
    "body",
    [
        "import sys; sys.exit(3)",
        "import sys; sys.stdout.buffer.write(bytes(40_000_000))",
        "import os, time; os.close(0); time.sleep(60)",
    ],
)
async def test_a_program_that_fails_floods_or_hangs_is_a_failure(tmp_path: Path, body: str) -> None:
    speech = CommandSpeech(program(tmp_path, body), limit=timedelta(seconds=3))
    async with asyncio.timeout(10):
        with pytest.raises(SpeechFailed) as failed:
            await speech.speak("秘密" * 100_000, "zh")
    assert "秘密" not in str(failed.value)


async def test_children_of_a_program_that_hangs_end_with_it(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    body = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        f"open({str(note)!r}, 'w').write(str(child.pid))\n"
        "time.sleep(60)"
    )
    speech = CommandSpeech(program(tmp_path, body), limit=timedelta(seconds=2))
    with pytest.raises(SpeechFailed, match="within"):
        await speech.speak("您好", "zh")
    state = Path(f"/proc/{note.read_text()}/stat")
    assert not state.exists() or state.read_text().rpartition(")")[2].split()[0] in "ZX"


async def test_a_program_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SpeechFailed, match="/nonexistent/voice"):
        await CommandSpeech(["/nonexistent/voice"]).speak("您好", "zh")
