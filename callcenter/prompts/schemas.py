"""Bodies of requests and replies of `/prompts`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import Field

from callcenter.platform.web import Schema
from callcenter.prompts.model import (
    LANGUAGE,
    MAX_LANGUAGES,
    MAX_TEXT,
    MAX_TITLE,
    NAME,
    AudioState,
    JobState,
    Origin,
    Prompt,
    PromptEdit,
)
from callcenter.prompts.service import MAX_PREVIEW, PromptSeen, text_changed

Texts = Annotated[
    dict[Annotated[str, Field(pattern=LANGUAGE)], Annotated[str, Field(max_length=MAX_TEXT)]],
    Field(
        max_length=MAX_LANGUAGES,
        description="What it says, by language.",
        json_schema_extra={"additionalProperties": False},
    ),
]


class PromptFields(Schema):
    """What may be edited of a prompt."""

    title: Annotated[str, Field(min_length=1, max_length=MAX_TITLE)]
    texts: Annotated[Texts, Field(default_factory=dict)]

    def edit(self) -> PromptEdit:
        return PromptEdit.checked(self.title, self.texts)


class NewPrompt(PromptFields):
    """A prompt to be made."""

    name: Annotated[str, Field(pattern=NAME)]


class PromptSummary(PromptFields):
    """A prompt in a list; `languages`: those it has audio in.

    `shipped`: it came with the release. `fixed`: the hotline itself plays it, it cannot be deleted.
    """

    name: str
    languages: list[str]
    shipped: bool
    fixed: bool
    version: int
    created_at: datetime
    created_by: str
    edited_at: datetime
    edited_by: str

    @classmethod
    def of_prompt(cls, prompt: Prompt) -> Self:
        return cls(**_summary(prompt))


def _summary(prompt: Prompt) -> dict[str, Any]:
    return {
        "name": prompt.name,
        "title": prompt.title,
        "texts": dict(prompt.texts),
        "languages": sorted(prompt.audio),
        "shipped": prompt.is_shipped,
        "fixed": prompt.is_fixed,
        "version": prompt.version,
        "created_at": prompt.created_at,
        "created_by": prompt.created_by,
        "edited_at": prompt.edited_at,
        "edited_by": prompt.edited_by,
    }


class AudioView(Schema):
    """The audio of one language.

    `state`: `ready` (the files on the disk are the ones that were made, compared just now), `stale`
    (they are others) or `missing`. `text_changed`: the text was edited after the audio was made.
    `loudness_dbfs` (mean) and `peak_dbfs`: 0 is full scale. `rates`: what can be downloaded, in Hz.
    """

    origin: Origin
    state: AudioState
    text_changed: bool
    sha256: str
    rates: list[int]
    duration_ms: int
    loudness_dbfs: float
    peak_dbfs: float
    made_at: datetime
    made_by: str

    @classmethod
    def of(cls, prompt: Prompt, language: str, state: AudioState) -> Self:
        audio = prompt.audio[language]
        return cls(
            origin=audio.origin,
            state=state,
            text_changed=text_changed(prompt, language),
            sha256=audio.sha256,
            rates=[8000] if audio.wide_sha256 is None else [8000, 16000],
            duration_ms=audio.duration_ms,
            loudness_dbfs=audio.loudness_dbfs,
            peak_dbfs=audio.peak_dbfs,
            made_at=audio.made_at,
            made_by=audio.made_by,
        )


class UserView(Schema):
    """What plays a prompt: a flow, in its `draft` or its `active` version."""

    kind: str
    name: str
    where: str


class PromptView(PromptSummary):
    """A prompt with all that is known of its audio, and who plays it."""

    audio: dict[str, AudioView]
    users: list[UserView]

    @classmethod
    def of(cls, seen: PromptSeen) -> Self:
        prompt = seen.prompt
        return cls(
            **_summary(prompt),
            audio={
                language: AudioView.of(prompt, language, seen.states[language])
                for language in prompt.audio
            },
            users=[UserView.model_validate(user) for user in seen.users],
        )


class RenderWish(Schema):
    """Which languages are to be spoken; absent: every text that is not recorded."""

    languages: Annotated[
        list[Annotated[str, Field(pattern=LANGUAGE)]] | None,
        Field(min_length=1, max_length=MAX_LANGUAGES),
    ] = None


class JobView(Schema):
    """How far a job is: `done` of `total` languages. `error` says why it failed."""

    job_id: int
    prompt: str
    languages: list[str]
    state: JobState
    done: int
    total: int
    error: str | None
    created_at: datetime
    created_by: str
    changed_at: datetime


class Preview(Schema):
    """A text to be heard once."""

    text: Annotated[str, Field(min_length=1, max_length=MAX_PREVIEW)]
    language: Annotated[str, Field(pattern=LANGUAGE)]
