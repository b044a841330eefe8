"""What is done with prompts: made, edited, recorded, heard, deleted. One transaction each."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.platform.clock import Clock
from callcenter.platform.db import Database
from callcenter.platform.errors import Conflict, InvalidField, NotFound, Stale, TooMany
from callcenter.platform.jobs import enqueue
from callcenter.platform.news import announce
from callcenter.platform.text import plain_text
from callcenter.prompts import store
from callcenter.prompts.audio import SAMPLE_RATE, to_telephone
from callcenter.prompts.convert import convert
from callcenter.prompts.library import NoSuchPrompt
from callcenter.prompts.model import (
    AudioState,
    Origin,
    Prompt,
    PromptEdit,
    RenderJob,
    User,
    text_sha256,
)
from callcenter.prompts.placing import on_disk, place, undo
from callcenter.prompts.shelf import Shelf, sha256_of

#: The job of procrastinate that speaks a prompt's texts.
RENDER: Final = "prompts.render"
MAX_PREVIEW: Final = 500  #: characters
#: Conversions and previews at once, and how many more may wait for their turn.
AT_ONCE: Final = 2
WAITING: Final = 8


class PromptExists(Conflict):
    """There is a prompt of that name already."""

    slug = "prompt-exists"


class PromptInUse(Conflict):
    """Flows play this prompt."""

    slug = "prompt-in-use"

    def __init__(self, users: Sequence[User]) -> None:
        names = ", ".join(f"{user.kind} “{user.name}” ({user.where})" for user in users[:50])
        super().__init__(f"It is played by {names}.")


class PromptIsFixed(Conflict):
    """The hotline itself plays this prompt: it can be replaced, not deleted."""

    slug = "prompt-is-fixed"


class NoAudio(NotFound):
    """This prompt has no such audio."""

    slug = "no-audio"


class AudioNotAsMade(Conflict):
    """The file on the disk is not the one that was made: upload or render it again."""

    slug = "audio-not-as-made"


class NothingToRender(Conflict):
    """Every text of this prompt is recorded: name the languages to be spoken instead."""

    slug = "nothing-to-render"


class NoSuchJob(NotFound):
    """There is no such job; finished ones are kept for a week."""

    slug = "no-such-job"


@dataclass(frozen=True, slots=True)
class PromptSeen:
    """A prompt, what the disk says of its audio by language, and who plays it."""

    prompt: Prompt
    states: Mapping[str, AudioState]
    users: Sequence[User]


@dataclass(frozen=True, slots=True)
class Sound:
    """The bytes of a file that were compared with their hash just now."""

    content: bytes
    sha256: str


@dataclass
class _Turn:
    """A few at once, a few more in line, the others are sent away."""

    _gate: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))
    _in_line: int = 0

    @asynccontextmanager
    async def taken(self) -> AsyncIterator[None]:
        if self._in_line >= AT_ONCE + WAITING:
            raise TooMany("Too much audio is being made just now: try again in a few seconds.")
        self._in_line += 1
        try:
            async with self._gate:
                yield
        finally:
            self._in_line -= 1


class PromptService:
    """Use cases of the REST API."""

    def __init__(self, database: Database, shelf: Shelf, clock: Clock) -> None:
        self._database = database
        self._shelf = shelf
        self._clock = clock
        self._conversions = _Turn()
        self._previews = _Turn()

    async def prompts(self, after: str | None, limit: int) -> Sequence[Prompt]:
        async with self._database.transaction() as connection:
            return await store.prompts_after(connection, after, limit)

    async def prompt(self, name: str) -> PromptSeen:
        """With a look at the disk. Raises `NoSuchPrompt`."""
        async with self._database.transaction() as connection:
            prompt = await _held(connection, name, for_update=False)
            users = await store.users_of(connection, name)
        return PromptSeen(prompt, await asyncio.to_thread(self._look, prompt), users)

    def _look(self, prompt: Prompt) -> Mapping[str, AudioState]:
        return {language: self._shelf.look(audio) for language, audio in prompt.audio.items()}

    async def create(self, name: str, edit: PromptEdit, *, by: str) -> PromptSeen:
        """A prompt without audio. Raises `PromptExists`."""
        try:
            async with self._database.transaction() as connection:
                await store.add_prompt(connection, name, edit, by=by, at=self._clock())
                await announce(connection, "prompt", name)
        except IntegrityError as exc:
            raise PromptExists from exc
        return await self.prompt(name)

    async def edit(
        self, name: str, edit: PromptEdit, *, based_on: int | None, by: str
    ) -> PromptSeen:
        """Other title and texts; the audio stays until it is rendered or recorded anew.

        Raises `NoSuchPrompt`, `Stale` when it was edited after `based_on` (None: any version).
        """
        async with self._database.transaction() as connection:
            prompt = await _held(connection, name)
            _must_be(prompt, based_on)
            await store.edit_prompt(connection, name, edit, by=by, at=self._clock())
            await announce(connection, "prompt", name)
        return await self.prompt(name)

    async def delete(self, name: str, *, based_on: int | None, by: str) -> None:
        """Remove the prompt and its audio. A shipped one does not come back at the next start.

        Raises `NoSuchPrompt`, `Stale`, `PromptIsFixed`, `PromptInUse` naming the users.
        """
        taken_away: list[str] = []
        prompt: Prompt | None = None
        try:
            async with self._database.transaction() as connection:
                prompt = await _held(connection, name)
                _must_be(prompt, based_on)
                if prompt.is_fixed:
                    raise PromptIsFixed
                if users := await store.users_of(connection, name):
                    raise PromptInUse(users)
                await store.remove_prompt(connection, name)
                if prompt.is_shipped:
                    await store.note_removal(connection, name, by=by, at=self._clock())
                await announce(connection, "prompt", name)
                # The files last, before the commit: while the rows stand, files can be put back.
                for language in prompt.audio:
                    taken_away.append(language)
                    await on_disk(self._shelf.remove, name, language)
        except BaseException:
            if prompt is not None:
                for language in taken_away:
                    before = prompt.audio[language]
                    await undo(self._database, self._shelf, name, language, before)
            raise

    async def record(self, name: str, language: str, upload: Path, *, by: str) -> PromptSeen:
        """Callers hear this upload from now on.

        Raises `NoSuchPrompt`, a `BadAudio` that says why it is refused, `ConversionFailed`,
        `TooMany`.
        """
        self._shelf.narrow(name, language)
        async with self._database.transaction() as connection:
            await _held(connection, name, for_update=False)
        async with self._conversions.taken():
            with tempfile.TemporaryDirectory(prefix="cc-prompt-") as folder:
                finished = await convert(upload, Path(folder))
            await place(
                self._database,
                self._shelf,
                name,
                language,
                finished,
                origin=Origin.RECORDED,
                by=by,
                at=self._clock(),
            )
        return await self.prompt(name)

    async def render(self, name: str, languages: Sequence[str] | None, *, by: str) -> RenderJob:
        """Have texts spoken by a job; None: every text that is not recorded.

        Raises `NoSuchPrompt`, `InvalidField` for a language without a text, `NoVoice`,
        `NothingToRender`.
        """
        async with self._database.transaction() as connection:
            prompt = await _held(connection, name, for_update=False)
            if languages is None:
                languages = [
                    language
                    for language in prompt.texts
                    if language not in prompt.audio
                    or prompt.audio[language].origin is not Origin.RECORDED
                ]
            wanted = sorted(set(languages))
            if not wanted:
                raise NothingToRender
            for language in wanted:
                if language not in prompt.texts:
                    raise InvalidField("languages", f"the prompt has no text in “{language}”")
                self._shelf.library.speech.voice(language)
            job = await store.add_job(connection, name, wanted, by=by, at=self._clock())
            await enqueue(connection, RENDER, {"job_id": job.job_id})
        return job

    async def job(self, job_id: int) -> RenderJob:
        """Raises `NoSuchJob`."""
        async with self._database.transaction() as connection:
            job = await store.job_of(connection, job_id)
        if job is None:
            raise NoSuchJob
        return job

    async def preview(self, text: str, language: str) -> bytes:
        """What a text would sound like on the telephone; nothing is kept.

        Raises `InvalidField`, `NoVoice`, `SpeechFailed`, `TooMany`.
        """
        text = plain_text("text", text, least=1, most=MAX_PREVIEW, lines=True)
        self._shelf.library.speech.voice(language)
        async with self._previews.taken():
            spoken = await self._shelf.library.speak(text, language)
            return await asyncio.to_thread(to_telephone, spoken)

    async def sound(self, name: str, language: str, rate: int) -> Sound:
        """The file callers hear at 8000 or 16000 Hz, compared with its hash.

        Raises `NoSuchPrompt`, `NoAudio`, `AudioNotAsMade`.
        """
        async with self._database.transaction() as connection:
            prompt = await _held(connection, name, for_update=False)
        audio = prompt.audio.get(language)
        digest = None if audio is None else audio.sha256
        path = self._shelf.narrow(name, language)
        if audio is not None and rate != SAMPLE_RATE:
            digest, path = audio.wide_sha256, self._shelf.wide(name, language)
        if digest is None:
            raise NoAudio
        try:
            content = await asyncio.to_thread(path.read_bytes)
        except OSError as exc:
            raise AudioNotAsMade from exc
        if await asyncio.to_thread(sha256_of, content) != digest:
            raise AudioNotAsMade
        return Sound(content, digest)


async def _held(connection: AsyncConnection, name: str, *, for_update: bool = True) -> Prompt:
    prompt = await store.prompt_of(connection, name, for_update=for_update)
    if prompt is None:
        raise NoSuchPrompt
    return prompt


def _must_be(prompt: Prompt, based_on: int | None) -> None:
    if based_on is not None and based_on != prompt.version:
        raise Stale


def text_changed(prompt: Prompt, language: str) -> bool:
    """Whether the audio says something else than the text of now, as far as anybody knows."""
    made_from = prompt.audio[language].text_sha256
    text = prompt.texts.get(language)
    if made_from is None or text is None:
        return False
    return made_from != text_sha256(text)
