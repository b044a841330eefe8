"""The text of what clients are told.

What all clients of a view share is written once; a client's own part (number, own call) is spliced
around it. `schemas.py` describes the same messages for readers; a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum

from callcenter.live.model import LISTS, Change, Item, Scene, Topic, dumped, told


class Why(StrEnum):
    """Why a client is told everything."""

    BEGIN = "begin"  #: it has just come
    SUBSCRIPTION = "subscription"  #: it asked for something else
    BEHIND = "behind"  #: it was too slow for the changes
    BACK = "back"  #: what could not be read can be read again


def _list(items: Sequence[Item], numbers: bool) -> str:
    return "[" + ",".join(item.text if numbers else item.open_text for item in items) + "]"


def snapshot_body(scene: Scene, *, numbers: bool) -> str:
    """The shared part of a snapshot: the lists of its topics."""
    parts = [f'"at":{dumped(told(scene.at))}']
    parts += [
        f'"{topic}":{_list(list(scene.items[topic].values()), numbers)}'
        for topic in LISTS
        if topic in scene.items
    ]
    return ",".join(parts)


def delta_body(at: datetime, changes: Mapping[Topic, Change], *, numbers: bool) -> str:
    """The shared part of a delta."""
    parts = [f'"at":{dumped(told(at))}']
    parts += [
        f'"{topic}":{{"changed":{_list(change.changed, numbers)},"gone":{dumped(change.gone)}}}'
        for topic, change in changes.items()
    ]
    return ",".join(parts)


def snapshot(number: int, why: Why, view: str, body: str, own: str) -> str:
    """`view` says what the client follows, `own` is its own part: both JSON."""
    return f'{{"type":"snapshot","number":{number},"why":"{why}","view":{view},{body},"own":{own}}}'


def delta(number: int, body: str, own: str | None) -> str:
    """`own`: None where it is as it was."""
    tail = "" if own is None else f',"own":{own}'
    return f'{{"type":"delta","number":{number},{body}{tail}}}'


def stale(number: int, at: datetime | None) -> str:
    """What was told last (at `at`) may be true no more; a snapshot follows when it is known."""
    return f'{{"type":"stale","number":{number},"at":{dumped(told(at))}}}'
