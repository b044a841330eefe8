"""What callers did with the articles they heard, concluded from the paths of their calls. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from callcenter.ivr.nodes import PERSON

_ARTICLE: Final = re.compile(r"article/([a-z][a-z0-9_]{0,62})/([1-9][0-9]{0,8})")


@dataclass(frozen=True, slots=True)
class HeardArticle:
    """One time an article was read. `seq`: the step of the path, from 0; `outcome` as the knowledge
    room names it.
    """

    seq: int
    article: str
    version: int
    at: datetime
    outcome: str


def heard_articles(
    path: Sequence[Mapping[str, Any]], *, queued: bool, hung_up: bool
) -> Iterator[HeardArticle]:
    """Each reading in a call's path, as `calls.ivr_path` has it.

    Whoever comes to a person anywhere behind an article still asked for one. `queued`: the call
    came to a queue; `hung_up`: the caller ended it.
    """
    for seq, step in enumerate(path):
        found = _ARTICLE.fullmatch(step.get("about") or "")
        if found is None:
            continue
        after = path[seq + 1] if seq + 1 < len(path) else None
        yield HeardArticle(
            seq,
            found[1],
            int(found[2]),
            datetime.fromisoformat(step["at"]),
            _outcome(after, path[seq + 1 :], queued=queued, hung_up=hung_up),
        )


def _outcome(
    after: Mapping[str, Any] | None,
    rest: Sequence[Mapping[str, Any]],
    *,
    queued: bool,
    hung_up: bool,
) -> str:
    if after is None:
        return "asked_person" if queued else "hung_up" if hung_up else "finished"
    key = after.get("key")
    if key == "1" and after.get("about", "").startswith("article/"):
        return "repeated"
    if any(step.get("about") == "fax/ordered" for step in rest) and key == "3":
        return "faxed"
    if key == "0" or after.get("node") == PERSON or queued:
        return "asked_person"
    return "finished" if after.get("led_by") in ("silence", "flow") else "skipped"
