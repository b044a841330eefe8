"""What a node tells of itself (`node_status.report`), read with distrust.

    {"ami":      {"state": "connected", "since": time, "detail": text, "reconnects": n, "gaps": n},
     "journal":  {"lag_seconds": n, "lag_bytes": n, "rejects": n},
     "agi":      {"answering": n, "of": n},
     "queues":   {"stuck": n, "stuck_now": [text, …]},
     "agents":   {"drift_repaired": n, "problems": [text]},
     "announcements": {"asked": n, "failed": n},
     "asterisk": {"version": text, "started_at": time},
     "trunk":    {"contact": text, "registration": text}}

Another process writes it, perhaps an older release: what is missing or of another type reads as
None.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class NodeReport:
    """The last report of a node, and when it came."""

    heartbeat_at: datetime
    report: Mapping[str, Any]

    def number(self, part: str, name: str) -> float | None:
        """A finite number not below 0, or None."""
        value = self._value(part, name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        return float(value) if 0 <= value < 1e15 else None

    def text(self, part: str, name: str) -> str | None:
        """A text, its control characters out, at most 200 characters; or None."""
        value = self._value(part, name)
        if not isinstance(value, str):
            return None
        return "".join(c for c in value[:200] if c.isprintable())

    def words(self, part: str, name: str) -> tuple[str, ...]:
        """Texts of a list as `text` gives them, the first fifty; none where it is no list."""
        value = self._value(part, name)
        if not isinstance(value, list):
            return ()
        return tuple(
            "".join(c for c in word[:200] if c.isprintable())
            for word in value[:50]
            if isinstance(word, str)
        )

    def _value(self, part: str, name: str) -> object:
        section = self.report.get(part)
        return section.get(name) if isinstance(section, Mapping) else None
