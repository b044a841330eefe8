"""Queues and who is in them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from callcenter.platform.errors import NotFound

_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}", re.ASCII)


class NoSuchQueue(NotFound):
    """There is no such queue."""

    slug = "no-such-queue"


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """Where callers wait for a person. `ring_seconds`: how long one agent's phone rings (3 … 120).

    `strategy` is one of app_queue's; the default queue takes whoever has no other.
    """

    name: str
    title: str
    strategy: str
    ring_seconds: int
    is_default: bool
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """An agent in a queue; those of lower `penalty` (0 … 100) are asked first."""

    agent_id: str
    penalty: int


def is_queue_name(name: str) -> bool:
    """Whether `name` can be a queue's at all."""
    return _NAME.fullmatch(name) is not None
