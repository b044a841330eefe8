"""Opening hours and the work calendar."""

from __future__ import annotations
