"""Prompts by name, their audio per language."""

from __future__ import annotations
