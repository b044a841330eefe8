"""Files and rows agree: how an audio takes its place, and what a start does when they differ.

The row is the truth. In one transaction that holds the prompt's row: the files are put in their
place, the row is written, the commit. What fails before the commit is undone at once; what dies in
between (the machine, the process) is found by `reconcile`, which puts back what the row says.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from callcenter.platform.clock import Clock
from callcenter.platform.db import Database, DatabaseUnavailable
from callcenter.platform.errors import HotlineError, Unavailable
from callcenter.platform.news import announce
from callcenter.prompts import store
from callcenter.prompts.audio import BadAudio, Finished, measure
from callcenter.prompts.ffmpeg import slowed
from callcenter.prompts.library import NoSuchPrompt
from callcenter.prompts.model import (
    NAME,
    Audio,
    AudioState,
    Origin,
    PromptEdit,
    text_sha256,
)
from callcenter.prompts.shelf import Shelf, sha256_of

T = TypeVar("T")

log = logging.getLogger(__name__)

#: Who a prompt is by that nobody made over REST.
SYSTEM = "system"


class PromptsNotWritable(Unavailable):
    """The prompts cannot be written now."""

    slug = "prompts-not-writable"


async def on_disk(work: Callable[..., T], *arguments: object) -> T:
    """Do this to the files, in a thread. Raises `PromptsNotWritable` for an OSError: within a
    transaction that would pass for a lost database.
    """
    try:
        return await asyncio.to_thread(work, *arguments)
    except OSError as exc:
        raise PromptsNotWritable(f"Cannot write prompts: {exc.strerror}.") from exc


async def place(
    database: Database,
    shelf: Shelf,
    name: str,
    language: str,
    finished: Finished,
    *,
    origin: Origin,
    by: str,
    at: datetime,
    text: str | None = None,
) -> Audio:
    """Callers hear this from now on; calls that play the old audio go on with it.

    `text`: what it says, where it was made from one; None: the prompt's text of now. Raises
    `NoSuchPrompt`, `PromptsNotWritable`, `ConversionFailed`.
    """
    slow = await slowed(finished.narrow)
    new: list[Path] = []
    touched, before = False, None
    try:
        new = await on_disk(shelf.keep, finished)
        async with database.transaction() as connection:
            prompt = await store.prompt_of(connection, name, for_update=True)
            if prompt is None:
                raise NoSuchPrompt
            before = prompt.audio.get(language)
            says = prompt.texts.get(language) if text is None else text
            audio = Audio(
                name=name,
                language=language,
                origin=origin,
                sha256=sha256_of(finished.narrow),
                wide_sha256=None if finished.wide is None else sha256_of(finished.wide),
                text_sha256=None if says is None else text_sha256(says),
                duration_ms=finished.measured.duration_ms,
                loudness_dbfs=finished.measured.loudness_dbfs,
                peak_dbfs=finished.measured.peak_dbfs,
                made_at=at,
                made_by=by,
            )
            touched = True
            await on_disk(shelf.put, name, language, finished, slow)
            await store.put_audio(connection, audio)
            await announce(connection, "prompt", name)
    except BaseException as exc:
        if touched:
            await undo(database, shelf, name, language, before)
        # A connection lost at the commit does not say whether the row was written: the copy stays
        # for `reconcile`, which removes it after an hour if no row names it.
        if not touched or (
            isinstance(exc, HotlineError) and not isinstance(exc, DatabaseUnavailable)
        ):
            for path in new:
                path.unlink(missing_ok=True)
        raise
    return audio


async def undo(
    database: Database, shelf: Shelf, name: str, language: str, before: Audio | None
) -> None:
    """A change of files whose rows were not written: the files are again what the rows say.

    `before`: what they said before the change, for when they cannot be read now. Never raises one
    of our errors: what stays wrong `reconcile` finds.
    """
    try:
        # Under the row's lock: somebody else's change may have come through meanwhile.
        said = await _mend(database, shelf, name, language)
    except DatabaseUnavailable:
        said = []
        try:
            await on_disk(shelf.settle, name, language, before)
        except PromptsNotWritable as exc:
            said = [f"{language}/{name}.wav is not what it should be: {exc}"]
    for line in said:
        log.warning("a change of a prompt failed: %s", line)


async def reconcile(
    database: Database, shelf: Shelf, clock: Clock, *, adopt: bool = False
) -> list[str]:
    """Compare every row with its files, mend what can be mended, and say what was found.

    `adopt`: a file by a name nobody knows becomes a recorded prompt (an older release knew prompts
    by their files only); only at start, while nobody deletes prompts.
    """
    files = await asyncio.to_thread(_files, shelf)
    async with database.transaction() as connection:
        known = {prompt.name: prompt for prompt in await store.prompts_after(connection)}
    rows = {(name, lang) for name, prompt in known.items() for lang in prompt.audio}
    said = []
    for name, language in sorted(rows | files):
        prompt = known.get(name)
        audio = prompt.audio.get(language) if prompt is not None else None
        if audio is not None and await asyncio.to_thread(shelf.look, audio) is AudioState.READY:
            continue
        if prompt is not None:
            said += await _mend(database, shelf, name, language)
        elif adopt:
            said += await _adopt(database, shelf, name, language, clock())
    async with database.transaction() as connection:
        copies = await store.known_copies(connection)
    await asyncio.to_thread(shelf.forget_copies, copies, clock().timestamp())
    for line in said:
        log.warning("%s", line)
    return said


async def _mend(database: Database, shelf: Shelf, name: str, language: str) -> list[str]:
    file = f"{language}/{name}.wav"
    try:
        async with database.transaction() as connection:
            # Under the row's lock: an upload on its way is not taken for a broken one.
            prompt = await store.prompt_of(connection, name, for_update=True)
            if prompt is None:
                return []
            audio = prompt.audio.get(language)
            if audio is None:
                await on_disk(shelf.remove, name, language)
                return [f"{file} was left by an upload that broke off: removed"]
            state = await asyncio.to_thread(shelf.look, audio)
            if state is AudioState.READY:
                return []
            if await on_disk(shelf.put_back, audio):
                return [f"{file} was {state}: put back as it was made"]
            return [f"{file} is {state} and there is no copy: upload or render it again"]
    except PromptsNotWritable as exc:
        return [f"{file} is not what it should be: {exc}"]


async def _adopt(
    database: Database, shelf: Shelf, name: str, language: str, at: datetime
) -> list[str]:
    file = f"{language}/{name}.wav"
    try:
        sound = await asyncio.to_thread(shelf.narrow(name, language).read_bytes)
        measured = measure(sound)
        await asyncio.to_thread(shelf.keep, Finished(sound, None, measured))
    except (OSError, BadAudio) as exc:
        return [f"{file} belongs to no prompt and cannot be played: {exc}"]
    async with database.transaction() as connection:
        if await store.prompt_of(connection, name) is None:
            edit = PromptEdit(name, {})
            await store.add_prompt(connection, name, edit, by=SYSTEM, at=at)
        await store.put_audio(
            connection,
            Audio(
                name=name,
                language=language,
                origin=Origin.RECORDED,
                sha256=sha256_of(sound),
                wide_sha256=None,
                text_sha256=None,
                duration_ms=measured.duration_ms,
                loudness_dbfs=measured.loudness_dbfs,
                peak_dbfs=measured.peak_dbfs,
                made_at=at,
                made_by=SYSTEM,
            ),
        )
    return [f"{file} belonged to no prompt: it is one now, as a recording"]


def _files(shelf: Shelf) -> set[tuple[str, str]]:
    return {
        (path.stem, path.parent.name)
        for path in shelf.library.directory.glob("??/*.wav")
        if re.fullmatch(NAME, path.stem)
    }
