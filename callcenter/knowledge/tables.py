"""Articles, their versions, and what callers did with them."""

from __future__ import annotations
