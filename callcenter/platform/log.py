"""Logging: one line an event, to standard error, UTC. Personal data stays out of the text."""

from __future__ import annotations

import logging
import sys
import time


def set_up_logging(level: str) -> None:
    """Send everything from `level` up to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    formatter = logging.Formatter(
        "%(asctime)s.%(msecs)03dZ %(levelname)-7s %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%S"
    )
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # Their INFO lines carry query texts and request paths, which may hold numbers of callers.
    for chatty in ("sqlalchemy.engine", "uvicorn.access", "panoramisk", "asyncio"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
