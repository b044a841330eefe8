"""The shipped prompts: `ivr_prompts/prompts.toml` and `pieces.toml` say what each says,
`manifest.json` what its audio was made from, so that a missing or stale file is found.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from callcenter.platform.errors import Misconfigured
from callcenter.prompts.audio import BadAudio, to_telephone
from callcenter.prompts.library import measure_file, store_atomically
from callcenter.prompts.pieces.say import VOCABULARY
from callcenter.prompts.pieces.sound import tightened
from callcenter.prompts.speech import Speech

TEXTS: Final = "prompts.toml"
PIECES: Final = "pieces.toml"
MANIFEST: Final = "manifest.json"


@dataclass(frozen=True, slots=True)
class ShippedPrompt:
    """One prompt in one language. A `piece` of values may exist in one language only."""

    name: str
    language: str
    text: str
    piece: bool = False

    @property
    def file(self) -> str:
        """Relative to `ivr_prompts/`."""
        return f"{self.language}/{self.name}.wav"

    @property
    def text_sha256(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def ends_a_group(self) -> bool:
        """Whether a short pause follows: the digit before a gap."""
        return self.piece and self.text.endswith(("，", ","))


def shipped_directory() -> Path:
    """`ivr_prompts/` of this checkout. Raises `Misconfigured` when it is not there."""
    spec = find_spec("callcenter")
    assert spec is not None
    assert spec.origin is not None
    folder = Path(spec.origin).parent.parent / "ivr_prompts"
    if not (folder / TEXTS).is_file():
        raise Misconfigured(f"no prompts at {folder}: run from a checkout of the project")
    return folder


def read_texts(folder: Path) -> list[ShippedPrompt]:
    """Every shipped prompt, in the order of the files. Raises `Misconfigured`."""
    return [
        ShippedPrompt(name, language, text, piece=file == PIECES)
        for file in (TEXTS, PIECES)
        for name, texts in _document(folder / file).items()
        for language, text in texts.items()
    ]


def _document(file: Path) -> Mapping[str, Mapping[str, str]]:
    try:
        with file.open("rb") as handle:
            return tomllib.load(handle)
    except (OSError, tomllib.TOMLDecodeError) as exc:
        raise Misconfigured(f"{file}: {exc}") from exc


def texts_in(language: str, folder: Path | None = None) -> Mapping[str, str]:
    """What each shipped prompt says in this language, by name. Blocking. Raises `Misconfigured`."""
    prompts = read_texts(folder or shipped_directory())
    return {prompt.name: prompt.text for prompt in prompts if prompt.language == language}


def problems(folder: Path) -> Iterator[str]:
    """What is wrong with the shipped set: missing, stale, damaged or unknown files. Blocking."""
    prompts = read_texts(folder)
    manifest = _manifest(folder)
    there = {(prompt.name, prompt.language) for prompt in prompts}
    languages = {prompt.language for prompt in prompts}
    for name in sorted({prompt.name for prompt in prompts if not prompt.piece}):
        for language in sorted(languages):
            if (name, language) not in there:
                yield f"{name} has no text in {language}"
    yield from _wrong_pieces(prompts)
    for prompt in prompts:
        entry = manifest.get(prompt.file)
        path = folder / prompt.file
        if entry is None or not path.is_file():
            yield f"{prompt.file} is missing"
        elif entry["text_sha256"] != prompt.text_sha256:
            yield f"{prompt.file} is stale: its text has changed"
        elif entry["sha256"] != hashlib.sha256(path.read_bytes()).hexdigest():
            yield f"{prompt.file} is not the file the manifest knows"
        else:
            try:
                measure_file(path)
            except BadAudio as exc:
                yield f"{prompt.file}: {exc}"
    known = {prompt.file for prompt in prompts}
    for path in sorted(folder.glob("*/*.wav")):
        if str(path.relative_to(folder)) not in known:
            yield f"{path.relative_to(folder)} has no text in {TEXTS}"


def _wrong_pieces(prompts: Sequence[ShippedPrompt]) -> Iterator[str]:
    """Pieces are looked at language by language: each has those its numbers and words need."""
    shipped = {(prompt.language, prompt.name) for prompt in prompts if prompt.piece}
    needed = {(language, name) for language, names in VOCABULARY.items() for name in names}
    for language, name in sorted(needed - shipped):
        yield f"{name} has no text in {language}, whose values need it"
    for language, name in sorted(shipped - needed):
        yield f"{name} is a piece that no value in {language} needs"
    names = {prompt.name for prompt in prompts if not prompt.piece}
    for name in sorted(names & {name for _, name in shipped}):
        yield f"{name} is in {TEXTS} and in {PIECES}"


def _manifest(folder: Path) -> Mapping[str, Mapping[str, Any]]:
    try:
        manifest: Mapping[str, Mapping[str, Any]] = json.loads(
            (folder / MANIFEST).read_text("utf-8")
        )
    except FileNotFoundError:
        return {}
    return manifest


async def render_shipped(folder: Path, speech: Speech, *, everything: bool = False) -> list[str]:
    """Speak every prompt that is missing or stale (or all of them), and write the manifest.

    Files made by somebody else (`origin` "recorded" in the manifest) are left alone while their
    text stays the same. Returns the files that were made.
    """
    manifest = dict(_manifest(folder))
    made = []
    for prompt in read_texts(folder):
        path = folder / prompt.file
        entry = manifest.get(prompt.file, {})
        current = entry.get("text_sha256") == prompt.text_sha256 and path.is_file()
        if current and (not everything or entry.get("origin") == "recorded"):
            continue
        sound = to_telephone(await speech.speak(prompt.text, prompt.language))
        if prompt.piece:
            sound = tightened(sound, pause=prompt.ends_a_group)
        store_atomically(path, sound)
        manifest[prompt.file] = {
            "text_sha256": prompt.text_sha256,
            "sha256": hashlib.sha256(sound).hexdigest(),
            "origin": speech.voice(prompt.language),
            "duration_ms": measure_file(path).duration_ms,
        }
        made.append(prompt.file)
    wanted = {prompt.file for prompt in read_texts(folder)}
    kept = {file: manifest[file] for file in sorted(wanted)}
    text = json.dumps(kept, indent=1, ensure_ascii=False) + "\n"
    store_atomically(folder / MANIFEST, text.encode())
    return made


def deploy_shipped(
    prompts_directory: Path, *, folder: Path | None = None, skip: Container[str] = ()
) -> int:
    """Copy the shipped prompts into the instance; how many were new or changed. Blocking.

    Each file is put in its place whole. Names in `skip` are left out: the city deleted them. A file
    of the instance that differs from ours because the city replaced it is kept: only what we put
    there, or never was there, is written.
    """
    source = folder or shipped_directory()
    record = prompts_directory / ".shipped.json"
    try:
        put_there: dict[str, str] = json.loads(record.read_text("utf-8"))
    except (OSError, ValueError):
        put_there = {}
    copied = 0
    for prompt in read_texts(source):
        if prompt.name in skip:
            continue
        sound = (source / prompt.file).read_bytes()
        digest = hashlib.sha256(sound).hexdigest()
        target = prompts_directory / prompt.file
        there = hashlib.sha256(target.read_bytes()).hexdigest() if target.is_file() else None
        is_ours = there is None or there == put_there.get(prompt.file)
        if there != digest and is_ours:
            store_atomically(target, sound)
            copied += 1
        if there == digest or is_ours:
            put_there[prompt.file] = digest
    store_atomically(record, json.dumps(put_there, indent=1, sort_keys=True).encode())
    return copied
