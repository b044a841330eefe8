"""Documents: drawn from articles, read from PDFs of any kind, and nothing left of a failure."""

from __future__ import annotations

import zlib
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import ImageChops
from sqlalchemy import text

from callcenter.bootstrap.fax import fax_documents
from callcenter.channels.fax.document import Document, NoFont
from callcenter.channels.fax.pdf import PdfReader
from callcenter.channels.fax.tiff import read_pages
from callcenter.ivr.seed import seed_defaults as seed_flow
from callcenter.platform.errors import InvalidField
from callcenter.platform.settings import load_settings

if TYPE_CHECKING:
    from tests.integration.channels.conftest import Room

pytestmark = pytest.mark.integration

ANY = {"If-Match": "*"}
FORM = "/fax-documents/form/zh"


def raw_pdf(*objects: bytes) -> bytes:
    """A PDF of these objects (1 is the catalogue); readers rebuild the missing table."""
    body = b"".join(
        b"%d 0 obj\n%s\nendobj\n" % (number, content)
        for number, content in enumerate(objects, start=1)
    )
    return b"%PDF-1.4\n" + body + b"trailer << /Root 1 0 R >>\n%%EOF\n"


def stream(content: bytes, head: bytes = b"") -> bytes:
    packed = zlib.compress(content)
    return b"<< /Filter /FlateDecode /Length %d %s >> stream\n%s\nendstream" % (
        len(packed),
        head,
        packed,
    )


def one_page(box: bytes = b"0 0 595 842", content: bytes = b"0 0 50 50 re f") -> bytes:
    return raw_pdf(
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [%s] /Contents 4 0 R >>" % box,
        stream(content),
    )


def many_pages(count: int) -> bytes:
    kids = b" ".join(b"%d 0 R" % (3 + number) for number in range(count))
    page = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] >>"
    return raw_pdf(
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [%s] /Count %d >>" % (kids, count),
        *[page] * count,
    )


def endless() -> bytes:
    """Forms that draw each other ten times over: 10 to the power of 9 squares."""
    forms = [
        stream(
            b"/F Do " * 10,
            b"/Type /XObject /Subtype /Form /BBox [0 0 595 842] "
            b"/Resources << /XObject << /F %d 0 R >> >>" % (5 + number + 1),
        )
        for number in range(9)
    ]
    last = stream(b"0 0 50 50 re f " * 10, b"/Type /XObject /Subtype /Form /BBox [0 0 595 842]")
    return raw_pdf(
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R "
        b"/Resources << /XObject << /F 5 0 R >> >> >>",
        stream(b"/F Do"),
        *forms,
        last,
    )


async def read(tmp_path: Path, content: bytes, **limits: timedelta) -> int:
    """How many pages; nothing but the result may be left."""
    reader = PdfReader(tmp_path / "reading", **limits)
    target = tmp_path / "out" / "x.tif"
    target.parent.mkdir(exist_ok=True)
    try:
        return await reader.pages(content, target)
    except InvalidField:
        assert not target.exists()
        raise
    finally:
        left = {path.name for path in tmp_path.rglob("*") if path.is_file()}
        assert left <= {"x.tif"}


async def test_a_pdf_becomes_pages(tmp_path: Path) -> None:
    assert await read(tmp_path, one_page()) == 1
    assert await read(tmp_path, many_pages(50)) == 50


async def test_landscape_is_turned_and_stays_inside_the_sheet(tmp_path: Path) -> None:
    # A bar along the long side, at the bottom of a landscape page.
    assert await read(tmp_path, one_page(b"0 0 842 595", b"0 0 842 60 re f")) == 1
    ((page, _),) = list(read_pages(tmp_path / "out" / "x.tif"))
    box = ImageChops.invert(page).getbbox()
    assert box is not None
    left, top, right, bottom = box
    assert bottom - top > 2200
    assert right - left < 250


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        (b"", "is not a PDF"),
        (b"GIF89a" * 100, "is not a PDF"),
        (b"%PDF-1.7\n" + b"\0" * 5000, "can be read"),
        (one_page()[:60], "can be read"),
        (many_pages(51), "51 pages"),
        (one_page(b"0 0 1000000000 1000000000"), "size"),
        (one_page(b"0 0 0.001 14000"), "size"),
        (b"%PDF-1.4" + b" " * (20 * 1024**2), "20 MB"),
    ],
    ids=["empty", "gif", "nulls", "cut", "51 pages", "page bomb", "thread", "too large"],
)
async def test_what_cannot_be_faxed_is_refused_with_the_reason(
    tmp_path: Path, content: bytes, rule: str
) -> None:
    with pytest.raises(InvalidField, match=rule):
        await read(tmp_path, content)


async def test_a_pdf_that_draws_for_ever_is_stopped(tmp_path: Path) -> None:
    with pytest.raises(InvalidField, match=r"too long|cannot be drawn"):
        await read(tmp_path, endless(), limit=timedelta(seconds=3))


async def test_an_upload_is_a_document_with_tiff_and_preview(room: Room) -> None:
    created = await room(
        "PUT", f"{FORM}/pdf", params={"title": "申请表"}, content=one_page(), headers=ANY
    )
    assert created.status_code == 200, created.text
    document = created.json()
    assert (document["pages"], document["source"], document["version"]) == (1, "pdf", 1)
    tiff = await room("GET", f"{FORM}/tiff", "agent")
    assert tiff.headers["content-type"] == "image/tiff"
    assert len(tiff.content) == document["bytes"]
    preview = await room("GET", f"{FORM}/pdf", "agent")
    assert preview.content.startswith(b"%PDF-")
    listed = (await room("GET", "/fax-documents", "agent")).json()
    assert listed == {"items": [document], "next_cursor": None}


async def test_a_new_version_takes_the_old_files_place(room: Room) -> None:
    upload = {"params": {"title": "申请表"}, "content": one_page()}
    first = await room("PUT", f"{FORM}/pdf", headers=ANY, **upload)
    stale = await room("PUT", f"{FORM}/pdf", headers={"If-Match": '"7"'}, **upload)
    assert stale.status_code == 412
    second = await room("PUT", f"{FORM}/pdf", headers={"If-Match": first.headers["etag"]}, **upload)
    assert second.json()["version"] == 2
    assert len(list((room.files.home / "documents").iterdir())) == 1


async def test_a_broken_upload_leaves_the_document_as_it_was(room: Room) -> None:
    await room.document()
    before = (await room("GET", FORM)).json()
    for content in (b"not a pdf", many_pages(51)):
        reply = await room(
            "PUT", f"{FORM}/pdf", params={"title": "x"}, content=content, headers=ANY
        )
        assert reply.status_code == 422
    assert (await room("GET", FORM)).json() == before
    assert len(list((room.files.home / "documents").iterdir())) == 1
    assert list(room.files.reading.iterdir()) == []


async def test_more_than_20_mb_is_refused(room: Room) -> None:
    reply = await room(
        "PUT", f"{FORM}/pdf", params={"title": "x"}, content=b"%PDF-" * 5_000_000, headers=ANY
    )
    assert reply.status_code in (413, 422)


async def test_an_article_becomes_numbered_pages(room: Room) -> None:
    sections = [("办理条件", "公民离开常住户口所在地。" * 200)] * 3
    room.shelf.articles["permit", "zh"] = Document("居住证办理指南", sections, "版本 3"), 3
    reply = await room("PUT", FORM, json={"article": "permit"}, headers=ANY)
    assert reply.status_code == 200, reply.text
    document = reply.json()
    assert (document["title"], document["article_version"]) == ("居住证办理指南", 3)
    assert document["pages"] > 1
    missing = await room("PUT", FORM, json={"article": "other"}, headers=ANY)
    assert missing.status_code == 404
    await room.document()
    assert (await room("GET", FORM)).json()["source"] == "pdf"


async def test_without_a_font_a_pdf_can_be_faxed_and_an_article_says_what_to_do(
    room: Room,
) -> None:
    settings = load_settings(home=room.files.home.parent)
    documents = fax_documents(settings, room.database, None, room.clock, room.shelf)
    room.shelf.articles["permit", "zh"] = Document("指南", [("", "文")]), 1
    with pytest.raises(NoFont, match="callcenter asterisk install"):
        await documents.put_article(
            "form", "zh", article="permit", title=None, by="ling", based_on=None
        )
    assert list((room.files.home / "documents").iterdir()) == []
    await documents.put_pdf("form", "zh", one_page(), title="x", by="ling", based_on=None)


async def test_a_printable_is_faxed_without_being_a_document(room: Room) -> None:
    printable = Document("收费标准", [("", "每证二十元。")], "版本 1")
    fax_id = await room.service.order(await room.call(), printable, "zh")
    view = await room.service.fax(fax_id)
    assert (view.row["title"], view.row["document"], view.row["pages"]) == ("收费标准", None, 1)
    assert room.files.out(fax_id).exists()


async def test_a_document_in_another_language_is_better_than_none(room: Room) -> None:
    await room.document()
    fax_id = await room.service.order(await room.call(), "form", "en")
    assert (await room.service.fax(fax_id)).row["title"] == "申请表"


async def test_a_document_that_a_flow_offers_stays(room: Room) -> None:
    await room.document()
    async with room.database.transaction() as connection:
        await seed_flow(connection, room.clock)
        await connection.execute(
            text("INSERT INTO ivr_references VALUES ('main', 0, 'document', 'form')")
        )
    refused = await room("DELETE", FORM, headers=ANY)
    assert refused.status_code == 409
    assert "main" in refused.json()["detail"]
    async with room.database.transaction() as connection:
        await connection.execute(text("DELETE FROM ivr_references"))
    assert (await room("DELETE", FORM, headers=ANY)).status_code == 204
    assert (await room("GET", FORM)).status_code == 404
    assert list((room.files.home / "documents").iterdir()) == []


async def test_an_order_keeps_its_pages_when_the_document_changes(room: Room) -> None:
    await room.document()
    fax_id = await room.service.order(await room.call(), "form", "zh")
    before = room.files.out(fax_id).read_bytes()
    await room.document(pages=2)
    await room("DELETE", FORM, headers=ANY)
    assert room.files.out(fax_id).read_bytes() == before


@pytest.mark.parametrize(
    ("method", "path", "role", "status"),
    [
        ("PUT", FORM, "supervisor", 403),
        ("DELETE", FORM, "supervisor", 403),
        ("GET", "/fax-documents/Nein/zh", "agent", 422),
        ("GET", "/fax-documents/%00/zh", "agent", 422),
        ("GET", "/fax-documents/form/zh", "agent", 404),
        ("GET", "/fax-documents?cursor=bm9uc2Vuc2U", "agent", 422),
        ("GET", "/faxes?cursor=WyJhIiwiYiJd", "agent", 422),
        ("GET", "/faxes?state=lost", "agent", 422),
        ("GET", "/faxes/nothing", "agent", 422),
        ("GET", "/faxes/00000000-0000-0000-0000-000000000000", "agent", 404),
        ("GET", "/faxes/00000000-0000-0000-0000-000000000000/pdf", "agent", 404),
        ("POST", "/faxes/00000000-0000-0000-0000-000000000000/cancel", "agent", 403),
        ("POST", "/faxes/00000000-0000-0000-0000-000000000000/cancel", "supervisor", 404),
    ],
)
async def test_what_is_not_there_or_not_allowed(
    room: Room, method: str, path: str, role: str, status: int
) -> None:
    body = {"json": {"article": "x"}} if method == "PUT" else {}
    assert (await room(method, path, role, headers=ANY, **body)).status_code == status


async def test_a_title_that_cannot_be_kept_is_refused(room: Room) -> None:
    for title in ("a\0b", "\u0007", " ", "x" * 201):
        reply = await room(
            "PUT", f"{FORM}/pdf", params={"title": title}, content=one_page(), headers=ANY
        )
        assert reply.status_code == 422, title
