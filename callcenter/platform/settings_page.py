"""`docs/settings.md` from the settings class: `python -m callcenter.platform.settings_page`."""

from __future__ import annotations

from typing import Any

from callcenter.platform.settings import Settings

_HEAD = """\
# Settings

Environment variables, read at the start of each process. A wrong value stops the start and names
the setting and the rule. Durations are seconds or ISO 8601 (`PT10M`); lists are parted by commas.

This page is written by `python -m callcenter.platform.settings_page > docs/settings.md`.

| Setting | Default | What for |
|---|---|---|
"""


def page() -> str:
    """The whole page."""
    rows = []
    for name, field in Settings.model_fields.items():
        default = "" if field.default is None else f"`{_text(field.default)}`"
        rows.append(f"| `CALLCENTER_{name.upper()}` | {default} | {field.description or ''} |\n")
    return _HEAD + "".join(rows)


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        return ",".join(_text(part) for part in value)
    if hasattr(value, "total_seconds"):
        return f"{value.total_seconds():.0f}"
    return str(value).lower() if isinstance(value, bool) else str(value)


if __name__ == "__main__":
    print(page(), end="")
