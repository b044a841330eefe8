"""The shape of a conf file."""

from __future__ import annotations

GENERATED = (
    "; Written by callcenter from settings and database. Edits are lost at the next write.\n"
)


def section(name: str, *settings: tuple[str, str], template: str = "") -> str:
    """One section; `template` is what stands in the brackets behind the name."""
    head = f"[{name}]({template})" if template else f"[{name}]"
    return "\n".join([head, *(f"{key} = {value}" for key, value in settings)]) + "\n\n"


def escape(value: str) -> str:
    """A secret may hold `;`, which begins a comment unless a backslash is before it."""
    return value.replace("\\", "\\\\").replace(";", "\\;") if ";" in value else value
