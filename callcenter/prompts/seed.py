"""The shipped prompts become rows; what the city replaced or deleted stays as the city left it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.platform.clock import Clock
from callcenter.prompts import store
from callcenter.prompts.audio import BadAudio, Finished, measure
from callcenter.prompts.model import Audio, Origin, Prompt, PromptEdit
from callcenter.prompts.placing import SYSTEM
from callcenter.prompts.shelf import Shelf, sha256_of
from callcenter.prompts.shipped import TEXTS, ShippedPrompt, read_texts

#: `[goodbye] # d, u: the last word`
_HEADING: Final = re.compile(r"^\[([a-z][a-z0-9_]*)\]\s*#\s*([dfu](?:\s*,\s*[dfu])*)\s*:", re.M)


def fixed_prompts(folder: Path) -> frozenset[str]:
    """Names of shipped prompts the dialplan or the flow runner plays by itself: all but those whose
    heading in `prompts.toml` says `u` alone. Blocking.
    """
    headings = _HEADING.findall((folder / TEXTS).read_text("utf-8"))
    free = {name for name, letters in headings if letters.strip() == "u"}
    return frozenset(prompt.name for prompt in read_texts(folder)) - free


async def seed_shipped(
    connection: AsyncConnection, shelf: Shelf, folder: Path, clock: Clock
) -> int:
    """Rows for the shipped prompts that lie in the instance (`deploy_shipped` first); how many
    prompts or audio files are new or changed.

    Never touches what was edited, recorded or rendered here.
    """
    shipped = await asyncio.to_thread(_shipped, shelf, folder)
    fixed = await asyncio.to_thread(fixed_prompts, folder)
    known = {prompt.name: prompt for prompt in await store.prompts_after(connection)}
    gone = await store.removed(connection)
    now, changed = clock(), 0
    for name, entries in _by_name(entry for entry, _ in shipped).items():
        if name in gone:
            continue
        texts = {entry.language: entry.text for entry in entries}
        changed += await _seed_prompt(
            connection, known.get(name), name, texts, is_fixed=name in fixed, at=now
        )
    for entry, sound in shipped:
        prompt = known.get(entry.name)
        there = None if prompt is None else prompt.audio.get(entry.language)
        if entry.name in gone or (there is not None and there.origin is not Origin.SHIPPED):
            continue
        if there is not None:
            # What lies there may be damaged: `reconcile` then puts back what the row says.
            sound = await asyncio.to_thread((folder / entry.file).read_bytes)
        if sound is None:
            continue
        audio = await asyncio.to_thread(_audio_of, shelf, folder, entry, sound, now)
        if audio is None:
            continue
        if there is None or replace(there, made_at=now) != audio:
            await store.put_audio(connection, audio)
            changed += 1
    return changed


async def _seed_prompt(
    connection: AsyncConnection,
    prompt: Prompt | None,
    name: str,
    texts: Mapping[str, str],
    *,
    is_fixed: bool,
    at: datetime,
) -> int:
    if prompt is None:
        edit = PromptEdit(name, texts)
        await store.add_prompt(
            connection, name, edit, by=SYSTEM, at=at, is_shipped=True, is_fixed=is_fixed
        )
        return 1
    if (prompt.is_shipped, prompt.is_fixed) != (True, is_fixed):
        await store.mark_shipped(connection, name, is_fixed=is_fixed)
    if prompt.edited_by == SYSTEM and dict(prompt.texts) != dict(texts):
        edit = PromptEdit(prompt.title, texts)
        await store.edit_prompt(connection, name, edit, by=SYSTEM, at=at)
        return 1
    return 0


def _by_name(entries: Iterable[ShippedPrompt]) -> Mapping[str, list[ShippedPrompt]]:
    found: dict[str, list[ShippedPrompt]] = {}
    for entry in entries:
        found.setdefault(entry.name, []).append(entry)
    return found


def _shipped(shelf: Shelf, folder: Path) -> list[tuple[ShippedPrompt, bytes | None]]:
    """Each shipped prompt with what lies in its place in the instance."""
    found: list[tuple[ShippedPrompt, bytes | None]] = []
    for entry in read_texts(folder):
        try:
            sound = shelf.narrow(entry.name, entry.language).read_bytes()
        except OSError:
            sound = None
        found.append((entry, sound))
    return found


def _audio_of(
    shelf: Shelf, folder: Path, entry: ShippedPrompt, sound: bytes, at: datetime
) -> Audio | None:
    """As what `sound` is to be known; None: it is no audio, `reconcile` will say so."""
    try:
        measured = measure(sound)
    except BadAudio:
        return None
    is_ours = sound == (folder / entry.file).read_bytes()
    if not is_ours:
        # Put there by hand before prompts had rows: the city's own, and kept so.
        shelf.keep(Finished(sound, None, measured))
    return Audio(
        name=entry.name,
        language=entry.language,
        origin=Origin.SHIPPED if is_ours else Origin.RECORDED,
        sha256=sha256_of(sound),
        wide_sha256=None,
        text_sha256=entry.text_sha256 if is_ours else None,
        duration_ms=measured.duration_ms,
        loudness_dbfs=measured.loudness_dbfs,
        peak_dbfs=measured.peak_dbfs,
        made_at=at,
        made_by=SYSTEM,
    )
