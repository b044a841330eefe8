"""The pages of docs/ and what they point at."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.contract

ROOT = Path(__file__).parents[2]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted(ROOT.glob("*/README.md")),
]
_LINK = re.compile(r"\]\(([^)#]+)[^)]*\)")
_PAGE = re.compile(r"`((?:docs|dialplan|asterisk-conf|callcenter|tests)/[A-Za-z0-9_./-]+)`")


def test_every_page_of_docs_stands_in_its_index() -> None:
    index = (ROOT / "docs" / "README.md").read_text("utf-8")
    listed = {link for link in _LINK.findall(index) if "/" not in link}
    pages = {page.name for page in (ROOT / "docs").glob("*.md")} - {"README.md"}
    assert listed == pages


@pytest.mark.parametrize("page", sorted(set(PAGES)), ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_points_at_is_there(page: Path) -> None:
    text = page.read_text("utf-8")
    links = [page.parent / link for link in _LINK.findall(text) if "://" not in link]
    named = [ROOT / name for name in _PAGE.findall(text)]
    gone = [str(path) for path in (*links, *named) if not path.exists()]
    assert gone == []


def test_the_glossary_has_each_word_once() -> None:
    text = (ROOT / "docs" / "glossary.md").read_text("utf-8")
    words = re.findall(r"^\| (\*\*.+?) \|", text, re.M)
    assert len(words) > 100
    assert sorted(words) == sorted(set(words))
