"""Following the journal on disk: whole lines only, through rotation, with a position to go on from.

The file is opened by Asterisk for each line it writes, so renaming it rotates it: `rotate_if_large`
gives it a name that sorts by time, the next line makes a new `journal.csv`. All methods are short
reads of a local disk; call them in a thread.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from callcenter.calls.journal import LONGEST_LINE

_CHUNK: Final = 256 * 1024
#: A writer that had the file open when it was renamed has finished after this long.
_SETTLE_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Position:
    """Up to where the journal was read: the inode of a segment, and a byte in it."""

    segment: int
    offset: int


@dataclass(frozen=True, slots=True)
class Line:
    """A whole line without its newline; a longer one than LONGEST_LINE is cut by one byte more.

    `start` and `end` (behind the newline) are positions to read on from.
    """

    data: bytes
    start: Position
    end: Position


class JournalReader:
    """Reads `path` and its renamed segments (`<name>.<digits>`), oldest first.

    `monotonic` gives seconds and never goes back. `gaps` counts positions that were not found again
    (file removed or cut): reading went on with the oldest that is there, and records already known
    have no effect.
    """

    def __init__(self, path: Path, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._monotonic = monotonic
        self._position: Position | None = None
        self._at_end_since: float | None = None
        self.gaps = 0

    @property
    def position(self) -> Position | None:
        """Where the next read begins; None before there was any file."""
        return self._position

    def seek(self, position: Position | None) -> None:
        """Go on from there; None: from the oldest line on disk."""
        self._position = position
        self._at_end_since = None

    def read(self, limit: int) -> list[Line]:
        """At most `limit` whole lines; empty when there is nothing new. Raises OSError."""
        while True:
            segments = self._segments()
            if not segments:
                return []
            index = self._find(segments)
            inode, path = segments[index]
            assert self._position is not None
            lines = self._read_segment(path, inode, limit)
            if lines:
                self._at_end_since = None
                return lines
            if index + 1 == len(segments) or not self._has_settled():
                return []
            self._position = Position(segments[index + 1][0], 0)
            self._at_end_since = None

    def lag_bytes(self) -> int:
        """Bytes on disk that were not read yet."""
        segments = self._segments()
        if not segments:
            return 0
        sizes = [(inode, path.stat().st_size) for inode, path in segments]
        inodes = [inode for inode, _ in sizes]
        if self._position is None or self._position.segment not in inodes:
            return sum(size for _, size in sizes)
        index = inodes.index(self._position.segment)
        rest = sum(size for _, size in sizes[index:]) - self._position.offset
        return max(0, rest)

    def rotate_if_large(self, largest_bytes: int, now_ns: int) -> bool:
        """Rename the file once it is that large; `now_ns` is nanoseconds since 1970."""
        try:
            if self._path.stat().st_size < largest_bytes:
                return False
        except FileNotFoundError:
            return False
        target = self._path.with_name(f"{self._path.name}.{now_ns:020d}")
        if target.exists():
            return False
        self._path.rename(target)
        return True

    def _segments(self) -> list[tuple[int, Path]]:
        """(inode, path), oldest first, the one Asterisk writes last."""
        prefix = self._path.name + "."
        try:
            names = sorted(
                name
                for name in os.listdir(self._path.parent)
                if name.startswith(prefix) and name[len(prefix) :].isdecimal()
            )
        except FileNotFoundError:
            return []
        segments: list[tuple[int, Path]] = []
        for path in [*(self._path.with_name(name) for name in names), self._path]:
            # Between listing and asking, a file may be renamed: it is seen the next time.
            try:
                inode = path.stat().st_ino
            except FileNotFoundError:
                continue
            if inode not in [known for known, _ in segments]:
                segments.append((inode, path))
        return segments

    def _find(self, segments: list[tuple[int, Path]]) -> int:
        """Index of the segment to read; mends a position that no longer fits the files."""
        position = self._position
        if position is not None:
            for index, (inode, path) in enumerate(segments):
                if inode == position.segment:
                    if not _fits(path, position.offset):
                        self.gaps += 1
                        self._position = Position(inode, 0)
                    return index
            self.gaps += 1
        self._position = Position(segments[0][0], 0)
        return 0

    def _has_settled(self) -> bool:
        now = self._monotonic()
        if self._at_end_since is None:
            self._at_end_since = now
        return now - self._at_end_since >= _SETTLE_SECONDS

    def _read_segment(self, path: Path, inode: int, limit: int) -> list[Line]:
        assert self._position is not None
        offset = self._position.offset
        lines: list[Line] = []
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_ino != inode:
                return []
            file.seek(offset)
            data = file.read(_CHUNK)
            start = 0
            while len(lines) < limit:
                end = data.find(b"\n", start)
                if end < 0:
                    break
                lines.append(
                    Line(
                        data[start : min(end, start + LONGEST_LINE + 1)],
                        Position(inode, offset + start),
                        Position(inode, offset + end + 1),
                    )
                )
                start = end + 1
            if not lines and len(data) == _CHUNK:
                # One line longer than the chunk: pass over it, once its end is there.
                behind = _behind_newline(file)
                if behind is None:
                    return []
                first = Position(inode, offset)
                lines.append(Line(data[: LONGEST_LINE + 1], first, Position(inode, behind)))
        if lines:
            self._position = lines[-1].end
        return lines


def _fits(path: Path, offset: int) -> bool:
    """Whether `offset` is the beginning of a line of this file (its inode may be a new file's)."""
    if offset == 0:
        return True
    with path.open("rb") as file:
        file.seek(offset - 1)
        return file.read(1) == b"\n"


def _behind_newline(file: object) -> int | None:
    """Offset behind the next newline from where the file stands, or None."""
    while True:
        data = file.read(_CHUNK)  # type: ignore[attr-defined]
        if not data:
            return None
        end = data.find(b"\n")
        if end >= 0:
            return int(file.tell() - len(data) + end + 1)  # type: ignore[attr-defined]
