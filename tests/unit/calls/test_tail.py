"""Following the journal through partial lines, rotation, truncation and removal."""

from __future__ import annotations

from pathlib import Path

import pytest

from callcenter.calls.journal import LONGEST_LINE
from callcenter.calls.tail import JournalReader, Position

pytestmark = pytest.mark.unit


class Watch:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "journal.csv"


def read(reader: JournalReader, limit: int = 100) -> list[bytes]:
    return [line.data for line in reader.read(limit)]


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


def test_a_file_that_is_not_there_yet_is_no_fault(journal: Path, watch: Watch) -> None:
    reader = JournalReader(journal, monotonic=watch)
    assert read(reader) == []
    append(journal, b"one\n")
    assert read(reader) == [b"one"]


def test_half_a_line_waits_for_its_end(journal: Path, watch: Watch) -> None:
    reader = JournalReader(journal, monotonic=watch)
    append(journal, b"one\ntw")
    assert read(reader) == [b"one"]
    assert read(reader) == []
    append(journal, b"o\nthree\n")
    assert read(reader, limit=1) == [b"two"]
    assert reader.lag_bytes() == 6
    assert read(reader) == [b"three"]


def test_a_position_is_enough_to_go_on(journal: Path, watch: Watch) -> None:
    append(journal, b"one\ntwo\nthree\n")
    first = JournalReader(journal, monotonic=watch)
    lines = first.read(2)
    second = JournalReader(journal, monotonic=watch)
    second.seek(lines[0].end)
    assert read(second) == [b"two", b"three"]
    second.seek(lines[1].start)
    assert read(second) == [b"two", b"three"]


def test_a_renamed_segment_is_read_to_its_end_before_the_next(journal: Path, watch: Watch) -> None:
    reader = JournalReader(journal, monotonic=watch)
    append(journal, b"one\ntwo\n")
    assert read(reader, limit=1) == [b"one"]
    assert reader.rotate_if_large(5, 1_700_000_000_000_000_000)
    append(journal, b"four\n")
    assert read(reader) == [b"two"]
    assert read(reader) == []
    # A writer that still had the old file open comes late.
    append(journal.with_name("journal.csv.01700000000000000000"), b"three\n")
    assert read(reader) == [b"three"]
    assert read(reader) == []
    watch.now += 2
    assert read(reader) == [b"four"]
    assert reader.gaps == 0
    assert reader.lag_bytes() == 0


def test_a_small_file_is_not_rotated(journal: Path, watch: Watch) -> None:
    append(journal, b"one\n")
    reader = JournalReader(journal, monotonic=watch)
    assert not reader.rotate_if_large(1000, 1)
    assert not JournalReader(journal.with_name("none"), monotonic=watch).rotate_if_large(1, 1)


def test_a_file_that_was_cut_is_read_from_its_beginning_and_counted(
    journal: Path, watch: Watch
) -> None:
    reader = JournalReader(journal, monotonic=watch)
    append(journal, b"one\ntwo\n")
    read(reader)
    journal.write_bytes(b"new\n")
    assert read(reader) == [b"new"]
    assert reader.gaps == 1


def test_a_segment_that_is_gone_is_counted_and_the_oldest_one_read(
    journal: Path, watch: Watch
) -> None:
    append(journal, b"one\n")
    reader = JournalReader(journal, monotonic=watch)
    reader.seek(Position(1, 700))
    assert read(reader) == [b"one"]
    assert reader.gaps == 1


@pytest.mark.parametrize("length", [LONGEST_LINE + 1, 600_000])
def test_a_line_without_end_is_cut_and_the_next_one_read(
    journal: Path, watch: Watch, length: int
) -> None:
    reader = JournalReader(journal, monotonic=watch)
    append(journal, b"x" * length)
    assert read(reader) == []
    append(journal, b"\ntwo\n")
    found = [*read(reader), *read(reader)]
    assert len(found[0]) == LONGEST_LINE + 1
    assert found[1] == b"two"
