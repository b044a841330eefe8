"""Identifiers. Randomness is an argument: pass `Ids` where a rule needs a new one."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID, uuid4

#: Returns a new UUID each time.
Ids = Callable[[], UUID]

random_ids: Ids = uuid4
