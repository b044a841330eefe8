"""The shipped prompts are complete, fresh and sound; and what is not is found."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from callcenter.ivr.runner import INVALID_KEY
from callcenter.prompts.library import measure_file
from callcenter.prompts.shipped import (
    deploy_shipped,
    problems,
    read_texts,
    render_shipped,
    shipped_directory,
)
from callcenter.testing.tone_speech import ToneSpeech

pytestmark = pytest.mark.unit

#: Played by `dialplan/`, also when nothing of Python is alive.
DIALPLAN = {"apology", "no_agents", "please_wait", "leave_message", "goodbye"}


def test_the_shipped_set_is_complete_and_fresh() -> None:
    assert list(problems(shipped_directory())) == []


def test_everything_the_dialplan_and_the_runner_play_is_shipped_in_both_languages() -> None:
    shipped = {(prompt.name, prompt.language) for prompt in read_texts(shipped_directory())}
    wanted = DIALPLAN | {INVALID_KEY, "recording_notice"}
    assert {(name, language) for name in wanted for language in ("zh", "en")} <= shipped


def test_no_shipped_prompt_is_longer_than_a_caller_bears() -> None:
    folder = shipped_directory()
    for prompt in read_texts(folder):
        assert measure_file(folder / prompt.file).duration_ms <= 8000, prompt.file


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return shutil.copytree(shipped_directory(), tmp_path / "ivr_prompts")


def edit(folder: Path, old: str, new: str) -> None:
    file = folder / "prompts.toml"
    text = file.read_text("utf-8")
    assert old in text
    file.write_text(text.replace(old, new), "utf-8")


def test_a_missing_file_is_found(folder: Path) -> None:
    (folder / "zh" / "goodbye.wav").unlink()
    assert list(problems(folder)) == ["zh/goodbye.wav is missing"]


def test_a_text_that_changed_without_its_audio_is_found(folder: Path) -> None:
    edit(folder, "再见", "祝您愉快")
    assert list(problems(folder)) == ["zh/goodbye.wav is stale: its text has changed"]


def test_a_file_that_is_not_the_one_that_was_made_is_found(folder: Path) -> None:
    (folder / "zh" / "goodbye.wav").write_bytes((folder / "zh" / "invalid.wav").read_bytes())
    assert list(problems(folder)) == ["zh/goodbye.wav is not the file the manifest knows"]


def test_a_file_nobody_knows_and_a_language_that_is_missing_are_found(folder: Path) -> None:
    edit(folder, "[goodbye]", '[farewell]\nzh = "再会"\n\n[goodbye]')
    (folder / "en" / "hello.wav").write_bytes(b"")
    assert list(problems(folder)) == [
        "farewell has no text in en",
        "zh/farewell.wav is missing",
        "en/hello.wav has no text in prompts.toml",
    ]


def test_a_piece_may_speak_one_language_but_each_language_has_its_own(folder: Path) -> None:
    pieces = folder / "pieces.toml"
    text = pieces.read_text("utf-8")
    edited = text.replace("[n_liang]", '[w_dozen]\nen = "dozen"\n\n[n_couple]')
    pieces.write_text(edited + '\n[goodbye]\nzh = "再见"\n', "utf-8")
    found = list(problems(folder))
    assert "n_liang has no text in zh, whose values need it" in found
    assert "w_dozen is a piece that no value in en needs" in found
    assert "n_couple is a piece that no value in zh needs" in found
    assert "goodbye is in prompts.toml and in pieces.toml" in found
    assert not [problem for problem in found if problem.startswith("n_yao")]


async def test_only_what_is_missing_or_stale_is_spoken_again(folder: Path) -> None:
    edit(folder, "再见", "祝您愉快")
    (folder / "en" / "invalid.wav").unlink()
    (folder / "zh" / "n_7_p.wav").unlink()
    made = ["zh/goodbye.wav", "en/invalid.wav", "zh/n_7_p.wav"]
    assert await render_shipped(folder, ToneSpeech()) == made
    assert list(problems(folder)) == []
    assert await render_shipped(folder, ToneSpeech()) == []


def test_an_instance_gets_the_shipped_prompts_once(folder: Path, tmp_path: Path) -> None:
    instance = tmp_path / "prompts"
    count = len(read_texts(folder))
    assert deploy_shipped(instance, folder=folder) == count
    assert deploy_shipped(instance, folder=folder) == 0
    (instance / "zh" / "goodbye.wav").unlink()
    assert deploy_shipped(instance, folder=folder) == 1


async def test_a_new_release_replaces_our_prompts_and_keeps_the_city_s(
    folder: Path, tmp_path: Path
) -> None:
    instance = tmp_path / "prompts"
    deploy_shipped(instance, folder=folder)
    (instance / "zh" / "invalid.wav").write_bytes(b"the city's own recording")
    edit(folder, "再见", "祝您愉快")
    edit(folder, "您的按键有误", "按键有误")
    await render_shipped(folder, ToneSpeech())
    assert deploy_shipped(instance, folder=folder) == 1
    assert (instance / "zh" / "invalid.wav").read_bytes() == b"the city's own recording"
    new = (folder / "zh" / "goodbye.wav").read_bytes()
    assert (instance / "zh" / "goodbye.wav").read_bytes() == new
