"""The shipped prompts as rows: at the first start, at the next, after a new release."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from callcenter.platform.db import Database
from callcenter.prompts import store
from callcenter.prompts.model import Origin
from callcenter.prompts.placing import reconcile
from callcenter.prompts.seed import fixed_prompts, seed_shipped
from callcenter.prompts.shelf import Shelf
from callcenter.prompts.shipped import deploy_shipped, read_texts, render_shipped, shipped_directory
from callcenter.testing.sound_files import speech_like
from callcenter.testing.tone_speech import ToneSpeech

if TYPE_CHECKING:
    from tests.integration.prompts.conftest import Studio

pytestmark = pytest.mark.integration

ANY = {"If-Match": "*"}


async def start(studio: Studio, folder: Path) -> list[str]:
    """A start of the instance with this release's prompts."""
    shelf = Shelf(studio.shelf.library, folder)
    async with studio.database.transaction() as connection:
        gone = await store.removed(connection)
    deploy_shipped(shelf.library.directory, folder=folder, skip=gone)
    async with studio.database.transaction() as connection:
        await seed_shipped(connection, shelf, folder, studio.clock)
    return await reconcile(studio.database, shelf, studio.clock, adopt=True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return shutil.copytree(shipped_directory(), tmp_path / "ivr_prompts")


async def new_release(folder: Path, old: str, new: str) -> None:
    file = folder / "prompts.toml"
    text = file.read_text("utf-8")
    assert old in text
    file.write_text(text.replace(old, new), "utf-8")
    await render_shipped(folder, ToneSpeech())


async def prompts_in(database: Database) -> dict[str, dict[str, Origin]]:
    async with database.transaction() as connection:
        rows = await store.prompts_after(connection)
    return {row.name: {lang: audio.origin for lang, audio in row.audio.items()} for row in rows}


async def test_every_shipped_prompt_has_its_rows_and_they_are_true(studio: Studio) -> None:
    assert await studio.start() == []
    wanted: dict[str, dict[str, Origin]] = {}
    for prompt in read_texts(shipped_directory()):
        wanted.setdefault(prompt.name, {})[prompt.language] = Origin.SHIPPED
    assert await prompts_in(studio.database) == wanted
    goodbye = (await studio("GET", "/goodbye")).json()
    assert (goodbye["shipped"], goodbye["fixed"]) == (True, True)
    assert {audio["state"] for audio in goodbye["audio"].values()} == {"ready"}
    assert goodbye["texts"]["zh"].endswith("再见。")


async def test_a_start_without_anything_new_changes_nothing(studio: Studio) -> None:
    await studio.start()
    before = await studio.rows("SELECT stamp FROM ivr_stamp")
    assert await studio.start() == []
    assert await studio.rows("SELECT stamp FROM ivr_stamp") == before


async def test_what_the_hotline_plays_by_itself_is_replaced_and_never_deleted(
    studio: Studio,
) -> None:
    await studio.start()
    for name in ("goodbye", "invalid", "please_wait"):
        refused = await studio("DELETE", f"/{name}", headers=ANY)
        assert (refused.status_code, refused.json()["type"]) == (409, "/problems/prompt-is-fixed")
    put = await studio("PUT", "/goodbye/audio/zh", content=speech_like())
    assert put.json()["audio"]["zh"]["origin"] == "recorded"


def test_only_prompts_for_flows_alone_may_be_deleted() -> None:
    folder = shipped_directory()
    free = {prompt.name for prompt in read_texts(folder)} - fixed_prompts(folder)
    assert "technical_fault" in free
    assert not free & {
        "apology",
        "no_agents",
        "please_wait",
        "leave_message",
        "goodbye",
        "invalid",
        "recording_notice",
    }


async def test_a_deleted_one_does_not_come_back(studio: Studio) -> None:
    await studio.start()
    gone = await studio("DELETE", "/technical_fault", headers=ANY)
    assert gone.status_code == 204
    assert await studio.start() == []
    assert (await studio("GET", "/technical_fault")).status_code == 404
    assert not studio.shelf.narrow("technical_fault", "zh").exists()


async def test_a_new_release_renews_ours_and_keeps_the_city_s(studio: Studio, folder: Path) -> None:
    await start(studio, folder)
    await studio("PUT", "/invalid/audio/zh", content=speech_like())
    mine = studio.shelf.narrow("invalid", "zh").read_bytes()
    edit = {"title": "等待", "texts": {"zh": "请稍候", "en": "Wait"}}
    await studio("PUT", "/please_wait", json=edit, headers=ANY)
    await new_release(folder, "再见", "祝您愉快")
    await new_release(folder, "您的按键有误", "按键有误")
    await new_release(folder, "正在为您转接", "现在为您转接")
    assert await start(studio, folder) == []
    goodbye = (await studio("GET", "/goodbye")).json()
    assert "祝您愉快" in goodbye["texts"]["zh"]
    assert goodbye["audio"]["zh"]["state"] == "ready"
    assert goodbye["audio"]["zh"]["text_changed"] is False
    assert (
        studio.shelf.narrow("goodbye", "zh").read_bytes()
        == (folder / "zh/goodbye.wav").read_bytes()
    )
    invalid = (await studio("GET", "/invalid")).json()
    assert invalid["audio"]["zh"]["origin"] == "recorded"
    assert invalid["audio"]["zh"]["text_changed"] is True
    assert studio.shelf.narrow("invalid", "zh").read_bytes() == mine
    assert (await studio("GET", "/please_wait")).json()["texts"] == edit["texts"]


async def test_a_damaged_shipped_file_is_put_back(studio: Studio) -> None:
    await studio.start()
    file = studio.shelf.narrow("goodbye", "zh")
    made = file.read_bytes()
    file.write_bytes(made[:1000])
    assert await studio.start() == ["zh/goodbye.wav was stale: put back as it was made"]
    assert file.read_bytes() == made


async def test_what_lay_there_before_prompts_had_rows_is_the_city_s(studio: Studio) -> None:
    deploy_shipped(studio.shelf.library.directory)
    recording = studio.shelf.narrow("apology", "en").read_bytes()
    for name in ("goodbye", "festival"):
        studio.shelf.narrow(name, "zh").write_bytes(recording)
    assert await studio.start() == [
        "zh/festival.wav belonged to no prompt: it is one now, as a recording"
    ]
    prompts = await prompts_in(studio.database)
    assert prompts["goodbye"] == {"en": Origin.SHIPPED, "zh": Origin.RECORDED}
    assert prompts["festival"] == {"zh": Origin.RECORDED}
    # From now on they have a copy like every recording.
    studio.shelf.narrow("festival", "zh").unlink()
    assert await studio.start() == ["zh/festival.wav was missing: put back as it was made"]


async def test_copies_no_row_knows_go_after_an_hour(studio: Studio) -> None:
    await studio.start()
    await studio.create()
    await studio("PUT", "/welcome/audio/zh", content=speech_like(1.0))
    old = {file for file in studio.files() if file.startswith(".audio/")}
    await studio("PUT", "/welcome/audio/zh", content=speech_like(2.0))
    assert old < studio.files()
    import os
    import time

    for file in studio.shelf.library.directory.glob(".audio/*"):
        os.utime(file, (0, 0))
    assert time.time() > studio.clock().timestamp() - 10**9
    await studio.start()
    left = {file for file in studio.files() if file.startswith(".audio/")}
    assert len(left) == 2
    assert not left & old
