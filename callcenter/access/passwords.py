"""Passwords: argon2id, away from the event loop, a bounded number at once."""

from __future__ import annotations

import asyncio
import base64
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

#: Each hash takes 64 MiB and a core for some 50 ms: more at once would starve the API.
AT_ONCE: Final = 2


class Passwords:
    """Makes and verifies password hashes with the parameters of `hasher` (RFC 9106 by default)."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()
        self._room = asyncio.Semaphore(AT_ONCE)
        #: Verified when there is no such user: takes as long, and never fits.
        self.dummy = self._fabricated()

    async def hash(self, password: str) -> str:
        """A salted hash, `$argon2id$…`."""
        async with self._room:
            return await asyncio.to_thread(self._hasher.hash, password)

    async def verify(self, stored: str, password: str) -> bool:
        """Whether `password` is the one `stored` was made of."""
        async with self._room:
            return await asyncio.to_thread(self._verify, stored, password)

    def is_outdated(self, stored: str) -> bool:
        """Whether `stored` was made with other parameters than those of today."""
        return self._hasher.check_needs_rehash(stored)

    def _verify(self, stored: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored, password)
        except (VerificationError, InvalidHashError):
            return False

    def _fabricated(self) -> str:
        """A hash in today's parameters that was not computed: costs nothing at start."""

        def zeros(length: int) -> str:
            return base64.b64encode(bytes(length)).decode().rstrip("=")

        h = self._hasher
        return (
            f"$argon2id$v=19$m={h.memory_cost},t={h.time_cost},p={h.parallelism}"
            f"${zeros(h.salt_len)}${zeros(h.hash_len)}"
        )
