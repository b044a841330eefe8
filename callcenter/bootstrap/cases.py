"""What the parts that open a case by themselves agree on."""

from __future__ import annotations


def case_title(line: str | None) -> str:
    """The title of a case until a person gives it a better one."""
    return f"来电 Call to {line}" if line else "来电 Call"
