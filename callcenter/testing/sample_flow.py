"""One small sound flow with every node type, and a voice whose file names can be read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from callcenter.ivr.check import Surroundings
from callcenter.ivr.model import Flow, parse_flow
from callcenter.ivr.runner import Plan

AROUND = Surroundings(
    queues=frozenset({"general", "legal"}),
    prompts={"invalid": frozenset({"zh", "en"}), "only_zh": frozenset({"zh"})},
)


def words(text: str) -> dict[str, str]:
    return {"zh": f"中{text}", "en": text}


def document() -> dict[str, Any]:
    """Every node type once, sound."""
    return {
        "entry": "welcome",
        "nodes": {
            "welcome": {"type": "say", "say": words("welcome"), "next": "menu"},
            "menu": {
                "type": "menu",
                "say": words("menu"),
                "options": {"1": "answer", "2": "english", "3": "legal", "9": "bye"},
                "timeout_seconds": 4,
                "retries": 1,
            },
            "answer": {"type": "article", "text": words("answer"), "next": "menu"},
            "english": {"type": "language", "language": "en", "next": "menu"},
            "legal": {"type": "queue", "queue": "legal", "say": words("legal")},
            "bye": {"type": "hangup", "say": words("bye")},
        },
    }


def flow(**nodes: Any) -> Flow:
    """The flow above with nodes replaced or added."""
    whole = document()
    whole["nodes"] |= nodes
    return parse_flow(whole)


def plan(definition: Flow | None = None, *, language: str = "zh") -> Plan:
    return Plan("main", 3, definition or flow(), "general", language)


class SpokenPaths:
    """A voice whose file names are the words: `zh:中menu`, `zh/invalid`."""

    def text(self, text: str, language: str) -> Path:
        return Path(f"{language}:{text}")

    def prompt(self, name: str, language: str) -> Path:
        return Path(f"{language}_{name}")

    def value(self, kind: str, value: str, language: str) -> list[Path]:
        return [Path(f"{language}#{kind}:{value}")]

    def slow(self, path: Path) -> Path:
        return path.with_name(f"slow {path.name}")


VOICE = SpokenPaths()
