"""The files faxes are: what spandsp reads, what it wrote, what people look at."""

from __future__ import annotations

from pathlib import Path

import pypdfium2
import pytest
from PIL import Image, ImageChops, TiffImagePlugin

from callcenter.channels.fax.document import Document, NoFont, check, compose, pages_of
from callcenter.channels.fax.tiff import (
    HEIGHT,
    WIDTH,
    UnreadableFax,
    pdf_of,
    read_pages,
    write_tiff,
)
from callcenter.platform.errors import InvalidField

pytestmark = pytest.mark.unit


def page(left: int = 100) -> Image.Image:
    sheet = Image.new("1", (WIDTH, HEIGHT), 255)
    sheet.paste(0, (left, 200, left + 300, 400))
    return sheet


def test_a4_is_1728_by_2287_at_fine_resolution() -> None:
    assert (1728, round(297 * 7.7)) == (WIDTH, HEIGHT)


def test_each_page_is_one_group_4_strip_with_fax_resolution(tmp_path: Path) -> None:
    path = tmp_path / "fax.tif"
    written = write_tiff(path, [page(), page(500), page(900)])
    assert written.pages == 3
    assert written.bytes == path.stat().st_size
    with Image.open(path) as image:
        assert isinstance(image, TiffImagePlugin.TiffImageFile)
        assert image.n_frames == 3
        for number in range(3):
            image.seek(number)
            tags = image.tag_v2
            assert (tags[256], tags[257], tags[259], tags[262]) == (1728, HEIGHT, 4, 0)
            assert (tags[282], tags[283], tags[296]) == (204, 196, 2)
            assert tags[297][0] == number
            assert len(tags[273]) == 1


def test_what_was_written_is_read_pixel_for_pixel(tmp_path: Path) -> None:
    path = tmp_path / "fax.tif"
    pages = [page(), page(700)]
    write_tiff(path, pages)
    found = [found for found, _ in read_pages(path)]
    assert len(found) == 2
    for one, other in zip(found, pages, strict=True):
        assert ImageChops.logical_xor(one, other.convert("1")).getbbox() is None


def test_a_writer_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def pages():  # type: ignore[no-untyped-def]
        yield page()
        raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError):
        write_tiff(tmp_path / "fax.tif", pages())
    with pytest.raises(ValueError, match="at least one page"):
        write_tiff(tmp_path / "fax.tif", [])
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_breaks_off_gives_its_whole_pages(tmp_path: Path) -> None:
    path = tmp_path / "fax.tif"
    write_tiff(path, [page(), page(700)])
    whole = path.read_bytes()
    write_tiff(path, [page()])
    first = path.stat().st_size
    # The second page's directory is cut off.
    path.write_bytes(whole[: first + 30])
    assert len(list(read_pages(path))) == 1
    assert pdf_of(path, tmp_path / "fax.pdf").pages == 1


@pytest.mark.parametrize("content", [b"", b"II*\0", b"II*\0\xff\xff\xff\xff", b"%PDF-1.4"])
def test_a_file_without_a_page_says_so_and_leaves_no_pdf(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "fax.tif"
    path.write_bytes(content)
    with pytest.raises(UnreadableFax):
        pdf_of(path, tmp_path / "fax.pdf")
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_is_not_there_is_not_an_unreadable_one(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        pdf_of(tmp_path / "none.tif", tmp_path / "fax.pdf")


def test_the_pdf_has_the_size_of_the_sheet(tmp_path: Path) -> None:
    write_tiff(tmp_path / "fax.tif", [page()])
    pdf_of(tmp_path / "fax.tif", tmp_path / "fax.pdf")
    with pypdfium2.PdfDocument(tmp_path / "fax.pdf") as document:
        width, height = document[0].get_size()
    assert (width / 72 * 25.4, height / 72 * 25.4) == (
        pytest.approx(215, 0.01),
        pytest.approx(296.5, 0.01),
    )


def test_standard_resolution_is_not_half_as_high_in_the_pdf(tmp_path: Path) -> None:
    path = tmp_path / "fax.tif"
    page().resize((WIDTH, HEIGHT // 2)).save(path, compression="group4", dpi=(204, 98))
    pdf_of(path, tmp_path / "fax.pdf")
    with pypdfium2.PdfDocument(tmp_path / "fax.pdf") as document:
        assert document[0].get_height() / 72 * 25.4 == pytest.approx(296.5, 0.01)


def test_a_document_beyond_the_limits_is_refused_before_it_is_drawn() -> None:
    with pytest.raises(InvalidField, match="at most"):
        check(Document("x", [("", "字" * 100_001)]))
    with pytest.raises(InvalidField, match="sections"):
        check(Document("x", [("", "")] * 201))


def test_a_font_that_is_none_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(NoFont, match="CALLCENTER_FAX_FONT"):
        compose(Document("x", [("", "y")]), tmp_path / "no.ttf")
    with pytest.raises(NoFont, match="asterisk install"):
        list(pages_of(Document("x", [("", "y")]), "zh", tmp_path / "no.ttf"))
