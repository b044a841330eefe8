"""Wait estimates, set up alike wherever they are made."""

from __future__ import annotations

from callcenter.platform.settings import Settings
from callcenter.queues.estimates.model import SpokenRule


def spoken_rule(settings: Settings) -> SpokenRule:
    """When callers are told how long they will wait."""
    return SpokenRule(allowed=settings.estimate_error)
