"""What the check is told of the hotline around a flow: from the database, and from the disk."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from callcenter.ivr import store
from callcenter.ivr.check import Surroundings
from callcenter.ivr.check.words import shipped_prompts
from callcenter.ivr.model import (
    MAX_DEPTH,
    MAX_NODES_TOGETHER,
    Flow,
    languages_of,
    names_outside,
    parse_flow,
    texts_of,
)
from callcenter.ivr.resources import read_resources
from callcenter.platform.db import Database
from callcenter.prompts.audio import BadAudio
from callcenter.prompts.library import PromptLibrary, measure_file
from callcenter.prompts.speech import NoVoice

#: Chains of flows are followed a step further than allowed: then they are too deep.
_DEPTH: Final = MAX_DEPTH + 1


async def surroundings(
    database: Database,
    library: PromptLibrary,
    name: str,
    flow: Flow,
    *,
    at: datetime,
    zone: ZoneInfo,
) -> Surroundings:
    """All that `check` may need for this definition of a flow, at this moment (aware)."""
    prompts = await library.available()
    runs = sorted(name for kind, name in names_outside(flow) if kind == "flow")
    async with database.transaction() as connection:
        sizes = await store.flows_run_by(connection, runs, _DEPTH)
        flows: dict[str, Flow] = {}
        # Too many to be allowed are counted, and never read.
        if sum(size for _version, size in sizes.values()) <= MAX_NODES_TOGETHER:
            wanted = [(found, version) for found, (version, _size) in sizes.items()]
            definitions = await store.definitions_of(connection, wanted)
            flows = {found: parse_flow(text) for (found, _v), text in definitions.items()}
        above = await store.flows_that_run(connection, name, _DEPTH)
        direct = await store.line_languages(connection, [name])
        languages = await store.line_languages(connection, [name, *above])
        queues = await store.queue_names(connection)
        lines = await store.line_numbers(connection)
        schedules = await store.schedule_names(connection)
        documents = await store.document_names(connection)
        resources = await read_resources(connection, [flow, *flows.values()], at=at, zone=zone)
    names = _prompts_of([flow, *flows.values()])
    spoken = {*languages, *(la for each in (flow, *flows.values()) for la in languages_of(each))}
    sounds = {
        (prompt, language): library.prompt(prompt, language)
        for prompt in names
        for language in spoken
        if language in prompts.get(prompt, ())
    }
    readable = resources.everyone()
    written = {
        *chain.from_iterable(map(texts_of, (flow, *flows.values()))),
        *chain.from_iterable((*a.texts.items(), *a.titles.items()) for a in readable),
    }
    voiceless = _voiceless(library, {language for language, _ in written})
    texts = {
        (text, language): library.text(text, language)
        for language, text in written
        if language not in voiceless
    }
    keys_of: dict[Path, list[tuple[str, str]]] = {}
    for key, path in texts.items():
        keys_of.setdefault(path, []).append(key)
    seconds, bad = await asyncio.to_thread(_measured, sounds)
    lengths = {
        key: length.total_seconds()
        for path, length in (await library.lengths(texts.values())).items()
        for key in keys_of[path]
    }

    def seconds_of(said: str, language: str) -> float:
        known = lengths.get((said, language))
        return library.estimated(said, language).total_seconds() if known is None else known

    return Surroundings(
        queues=queues,
        prompts=prompts,
        languages=languages,
        voiceless=voiceless,
        name=name,
        on_a_line=bool(direct),
        above=max(above.values(), default=0),
        flows=flows,
        flow_sizes={found: size for found, (_version, size) in sizes.items()},
        schedules=schedules,
        lines=lines,
        articles={
            name: frozenset(article.titles) & frozenset(article.spoken)
            for name, article in resources.articles.items()
        },
        categories={kind: len(offered) for kind, offered in resources.categories.items()},
        documents=documents,
        article_seconds={
            (article.name, language): seconds_of(said, language)
            for article in readable
            for language, said in article.texts.items()
        },
        bad_audio=bad,
        prompt_seconds=seconds,
        length_of=seconds_of,
    )


def _voiceless(library: PromptLibrary, languages: Iterable[str]) -> frozenset[str]:
    found = set()
    for language in languages:
        try:
            library.speech.voice(language)
        except NoVoice:
            found.add(language)
    return frozenset(found)


def _prompts_of(flows: Iterable[Flow]) -> list[str]:
    names: dict[str, None] = {}
    for flow in flows:
        names |= {name: None for kind, name in sorted(names_outside(flow)) if kind == "prompt"}
        for node in flow.nodes.values():
            names |= dict.fromkeys(shipped_prompts(node))
    return list(names)


def _measured(
    files: Mapping[tuple[str, str], Path],
) -> tuple[dict[tuple[str, str], float], dict[tuple[str, str], str]]:
    """Seconds of prompts, and why some cannot be played. Blocking."""
    seconds: dict[tuple[str, str], float] = {}
    bad: dict[tuple[str, str], str] = {}
    for key, path in files.items():
        try:
            seconds[key] = measure_file(path).duration_ms / 1000
        except BadAudio as exc:
            bad[key] = str(exc)
        except OSError as exc:
            bad[key] = exc.strerror or type(exc).__name__
    return seconds, bad
