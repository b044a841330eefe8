"""Messages and faxes, in and out."""

from __future__ import annotations
