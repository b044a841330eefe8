"""Faxes over spandsp: in by its calling tone, out to a number that is engaged at first, and to the
caller in the same call; over G.711 and over T.38."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pypdfium2
import pytest
from PIL import Image, ImageChops, ImageDraw

from callcenter.channels.fax.document import Document, pages_of
from callcenter.channels.fax.tiff import HEIGHT, WIDTH, read_pages, write_tiff
from callcenter.testing.eventually import eventually

if TYPE_CHECKING:
    from tests.e2e.fax.conftest import Office

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

#: A page takes 14 s at 14400 bit/s, twice that at half the speed; training and hanging up 10 s.
FAX = timedelta(seconds=75)
BOTH = pytest.mark.parametrize("t38", [False, True], ids=["g711", "t38"])
NUMBER = "053188880001"


def two_sections() -> Document:
    return Document(
        "居住证办理指南",
        [
            ("办理条件", "公民离开常住户口所在地，到其他城市居住半年以上。" * 4),
            ("Where", "Service hall, ground floor, windows 3 to 8, Monday to Friday."),
        ],
        "版本 3 · 2026-11-25",
    )


def alike(one: Image.Image, other: Image.Image) -> float:
    """How much of the ink of two pages lies in the same place, 0 to 1, letters' edges aside."""
    inks = []
    for page in (one, other):
        small = page.convert("L").resize((WIDTH // 8, HEIGHT // 8), Image.Resampling.BOX)
        inks.append(small.point(lambda value: 255 if value < 215 else 0).convert("1"))
    both = ImageChops.logical_and(*inks).histogram()[255]
    either = ImageChops.logical_or(*inks).histogram()[255]
    return both / either if either else 0.0


def pages_in(path: Path) -> list[Image.Image]:
    return [page.copy() for page, _ in read_pages(path)]


def drawn(pdf: bytes) -> list[Image.Image]:
    with pypdfium2.PdfDocument(pdf) as document:
        return [
            document[n].render(scale=2).to_pil().resize((WIDTH, HEIGHT))
            for n in range(len(document))
        ]


async def fax(office: Office, **wanted: str) -> dict[str, Any]:
    found = await office.hotline.get("/faxes", **wanted)
    assert len(found["items"]) == 1, f"{len(found['items'])} faxes"
    item: dict[str, Any] = found["items"][0]
    return item


async def over(office: Office, *states: str, **wanted: str) -> dict[str, Any]:
    """The one fax, once it has come to one of these ends."""

    async def ended() -> dict[str, Any]:
        item = await fax(office, **wanted)
        assert item["ended_at"], item["state"]
        assert item["state"] in states, (item["state"], item["error"])
        return item

    item: dict[str, Any] = await eventually(ended, "the fax is over", within=FAX)
    return item


async def call_of(office: Office, call_id: str) -> dict[str, Any]:
    async def ended() -> dict[str, Any]:
        call: dict[str, Any] = await office.hotline.get(f"/calls/{call_id}")
        assert call["state"] == "ended", call["state"]
        return call

    call: dict[str, Any] = await eventually(ended, "the call is over", within=FAX)
    return call


async def youngest_call(office: Office, before: set[str]) -> dict[str, Any]:
    async def there() -> dict[str, Any]:
        found = await office.hotline.get("/calls")
        new = [call for call in found["items"] if call["call_id"] not in before]
        assert len(new) == 1, f"{len(new)} new calls"
        call: dict[str, Any] = new[0]
        return call

    call: dict[str, Any] = await eventually(there, "a call", within=timedelta(seconds=20))
    return call


async def known_calls(office: Office) -> set[str]:
    return {call["call_id"] for call in (await office.hotline.get("/calls"))["items"]}


async def timeline(office: Office, call_id: str) -> Sequence[str]:
    found = await office.hotline.get(f"/calls/{call_id}/timeline")
    return [entry["detail"] for entry in found["items"]]


async def notes(office: Office, case_number: str) -> str:
    case = await office.hotline.get(f"/cases/{case_number}")
    return "\n".join(entry["detail"].get("text", "") for entry in case["history"])


async def a_document(office: Office) -> bytes:
    """A PDF that an administrator uploaded; its TIFF as the API shows it."""
    sheet = Image.new("1", (WIDTH, HEIGHT), 255)
    draw = ImageDraw.Draw(sheet)
    for row in range(12):
        draw.rectangle((120, 150 + 160 * row, 300 + 110 * row, 220 + 160 * row), fill=0)
    pdf = io.BytesIO()
    sheet.save(pdf, "PDF", dpi=(204, 196))
    client = office.hotline.client
    reply = await client.put(
        "/api/v1/fax-documents/form/zh/pdf",
        params={"title": "申请表"},
        content=pdf.getvalue(),
        headers={"Content-Type": "application/pdf", "If-Match": "*"},
    )
    assert reply.status_code == 200, reply.text
    assert reply.json()["pages"] == 1
    tiff = await client.get("/api/v1/fax-documents/form/zh/tiff")
    assert tiff.status_code == 200
    return tiff.content


@pytest.mark.parametrize(
    ("what", "t38"),
    [("send", False), ("send", True), ("send-t38", True)],
    ids=["g711", "t38", "t38-asked-by-the-caller"],
)
async def test_a_fax_machine_that_calls_the_hotline_leaves_a_case_with_a_pdf(
    office: Office, what: str, t38: bool
) -> None:
    await office.machine.begin_anew(t38=t38)
    font = office.hotline.installation.fax_font()
    write_tiff(office.machine.page, pages_of(two_sections(), "zh", font))
    known = await known_calls(office)
    await office.machine.call(what)
    call = await youngest_call(office, known)

    item = await over(office, "received", call_id=call["call_id"])
    assert item["direction"] == "in"
    assert item["pages"] == 1
    assert item["mode"] == ("T38" if t38 else "audio")
    call = await call_of(office, call["call_id"])
    assert call["disposition"] == "fax"
    assert call["case_number"] == item["case_number"]
    assert "1 页" in await notes(office, item["case_number"])
    assert any("1 page" in line for line in await timeline(office, call["call_id"]))

    reply = await office.hotline.client.get(f"/api/v1/faxes/{item['fax_id']}/pdf")
    assert reply.status_code == 200
    (came,) = drawn(reply.content)
    (sent,) = pages_in(office.machine.page)
    assert alike(came, sent) > 0.8
    assert alike(came, ImageChops.invert(sent)) < 0.2


@BOTH
async def test_a_number_that_is_engaged_twice_gets_its_fax_at_the_third_try(
    office: Office, t38: bool
) -> None:
    tiff = await a_document(office)
    await office.machine.begin_anew(t38=t38)
    known = await known_calls(office)
    await office.machine.call("start")
    asking = await youngest_call(office, known)
    await office.machine.begin_anew(t38=t38, busy=2)
    order = await office.hotline.client.post(
        "/api/v1/faxes",
        json={
            "call_id": asking["call_id"],
            "document": "form",
            "language": "zh",
            "number": NUMBER,
        },
    )
    assert order.status_code == 201, order.text
    fax_id = order.json()["fax_id"]
    await office.machine.console("channel request hangup all")

    async def ended() -> dict[str, Any]:
        item: dict[str, Any] = await office.hotline.get(f"/faxes/{fax_id}")
        assert item["state"] == "sent", (item["state"], item["error"])
        return item

    item: dict[str, Any] = await eventually(ended, "the fax is sent", within=FAX)
    assert [(one["state"], one["error"]) for one in item["tries"]] == [
        ("failed", "the number was engaged"),
        ("failed", "the number was engaged"),
        ("sent", None),
    ]
    assert item["pages_done"] == 1
    assert item["mode"] == ("T38" if t38 else "audio")
    assert len(re.findall(rf"app_verbose.c: CALLED {NUMBER}", office.machine.said)) == 3
    delivery = await call_of(office, item["tries"][2]["call_id"])
    assert (delivery["direction"], delivery["disposition"]) == ("outbound", "fax")
    engaged = await call_of(office, item["tries"][0]["call_id"])
    assert engaged["disposition"] == "failed"
    written = await notes(office, item["case_number"])
    assert written.count("the number was engaged") == 2
    assert "Fax sent: 1/1" in written

    (came,) = pages_in(office.machine.received)
    path = office.machine.home / "document.tif"
    path.write_bytes(tiff)
    (sent,) = pages_in(path)
    assert alike(came, sent) > 0.9


MENU = {
    "entry": "menu",
    "nodes": {
        "menu": {
            "type": "menu",
            "say": {"zh": "申请表请按1，人工请按0或稍候。", "en": "For the form, press 1."},
            "options": {"1": "form", "0": "person"},
        },
        "form": {"type": "fax", "document": "form", "next": "person"},
        "person": {"type": "queue", "queue": "general"},
    },
}


@BOTH
async def test_a_caller_chooses_a_document_in_the_menu_and_gets_it_in_the_same_call(
    office: Office, t38: bool
) -> None:
    await a_document(office)
    client, flow = office.hotline.client, "/api/v1/ivr/flows/main"
    old = (await office.hotline.get("/ivr/flows/main/active"))["version"]
    written = await client.put(f"{flow}/draft", json=MENU, headers={"If-Match": "*"})
    assert written.status_code == 200, written.text
    published = await client.post(f"{flow}/versions", json={"comment": "the form by fax"})
    assert published.status_code == 201, published.text
    try:
        await office.machine.begin_anew(t38=t38)
        known = await known_calls(office)
        await office.machine.call("menu")
        call = await youngest_call(office, known)
        item = await over(office, "sent", call_id=call["call_id"])
    finally:
        await client.put(f"{flow}/active", json={"version": old})
    assert (item["way"], item["pages_done"]) == ("call", 1)
    assert item["mode"] == ("T38" if t38 else "audio")
    call = await call_of(office, call["call_id"])
    assert call["disposition"] == "fax"
    assert [(step["node"], step["key"], step["about"]) for step in call["ivr_path"]] == [
        ("menu", None, ""),
        ("form", "1", ""),
        ("form", "1", "fax/ordered"),
    ]
    assert "Fax sent: 1/1" in await notes(office, call["case_number"])
    assert len(pages_in(office.machine.received)) == 1


async def test_a_machine_that_hangs_up_in_mid_page_leaves_what_came(office: Office) -> None:
    await office.machine.begin_anew(t38=False)
    font = office.hotline.installation.fax_font()
    full = Document("收费标准", [("", "每证二十元，每年一次。" * 90)])
    pages = [*pages_of(two_sections(), "zh", font), *pages_of(full, "zh", font)]
    write_tiff(office.machine.page, pages)
    known = await known_calls(office)
    await office.machine.call("send")
    call = await youngest_call(office, known)

    async def first_page_came() -> bool:
        assert (await fax(office, call_id=call["call_id"]))["state"] == "receiving"
        sessions = await office.hotline.console("fax show sessions")
        session = re.search(r"^PJSIP/\S+\s+\S+\s+(\d+)", sessions, re.M)
        assert session is not None, sessions
        told = await office.hotline.console(f"fax show session {session[1]}")
        return re.search(r"Rx Pages\s*:\s*[1-9]", told) is not None

    await eventually(first_page_came, "a page came", within=FAX)
    await office.machine.console("channel request hangup all")
    item = await over(office, "partial", call_id=call["call_id"])
    assert item["error"]
    assert item["pages"] == 1
    assert item["case_number"]
